"""The environments of a new installation: design, section 6."""

from __future__ import annotations

from typing import Any

BRIDGE = {"package": "mcp-proxy", "version": "6.7.19"}
MEMORY = {
    "name": "memory",
    "role": "memory",
    "port": 8003,
    "package": "@modelcontextprotocol/server-memory",
    "version": "2026.8.31",
    "ecosystem": "npm",
    "transport": "stdio",
}
CODE = {
    "name": "code",
    "role": "code",
    "port": 8007,
    "package": "code-index-mcp",
    "version": "2.17.1",
    "ecosystem": "pypi",
    "transport": "stdio",
    "arguments": ["--project-path", "{home}"],
}
GIT = {
    "name": "git",
    "role": "git",
    "port": 8008,
    "package": "mcp-server-git",
    "version": "2026.10.19",
    "ecosystem": "pypi",
    "transport": "stdio",
}


def postgres(name: str) -> dict[str, Any]:
    """A role and a database of its own on the team's server; the passwords are secrets."""
    return {
        "kind": "postgres",
        "host": "127.0.0.1",
        "port": 5432,
        "admin_user": "postgres",
        "name": name,
        "user": name,
        "extensions": [],
    }


def sqlite() -> dict[str, Any]:
    return {"kind": "sqlite", "path": "{home}/database.sqlite3"}


def mcp(host: str, *servers: dict[str, Any]) -> dict[str, Any]:
    return {"host": host, "servers": list(servers), "bridge": BRIDGE}


def monitoring(*, prometheus: bool = False, alerts: bool = False) -> dict[str, Any]:
    return {
        "prometheus": prometheus,
        "alertmanager": alerts,
        "grafana": alerts,
        "directory": "{home}/monitoring",
        "scrape_interval": "15s",
        "routes": [],
    }


# Each environment has a loopback address of its own, so that the well-known ports mean the same
# in all of them and two on one host never meet.
ENVIRONMENTS: list[dict[str, Any]] = [
    {
        "environment": {
            "slug": "development",
            "name": "Development",
            "tier": "development",
            "rank": 10,
            "colour": "teal",
            "description": "SQLite, the memory server, checks and console logs.",
        },
        "settings": {
            "database": sqlite(),
            "mcp_enabled": True,
            "mcp": mcp("127.0.0.1", MEMORY),
            "monitoring": monitoring(),
        },
        "protection": {},
    },
    {
        "environment": {
            "slug": "integration",
            "name": "Integration",
            "tier": "integration",
            "rank": 20,
            "colour": "violet",
            "description": "What was merged, tested together. SQLite until it gets a PostgreSQL.",
        },
        "settings": {
            "database": sqlite(),
            "mcp_enabled": True,
            "mcp": mcp("127.0.0.2", MEMORY),
            "monitoring": monitoring(prometheus=True),
        },
        "protection": {"required_evidence": ["tests"]},
    },
    {
        "environment": {
            "slug": "staging",
            "name": "Staging",
            "tier": "staging",
            "rank": 30,
            "colour": "bronze",
            "description": "PostgreSQL and MCP servers as in production.",
        },
        "settings": {
            "database": postgres("orchestra_staging"),
            "mcp_enabled": True,
            "mcp": mcp("127.0.0.3", MEMORY, CODE, GIT),
            "monitoring": monitoring(prometheus=True, alerts=True),
        },
        "protection": {
            "required_approvals": 1,
            "verified_in": ["integration", "development"],
        },
    },
    {
        "environment": {
            "slug": "production",
            "name": "Production",
            "tier": "production",
            "rank": 40,
            "colour": "crimson",
            "description": "PostgreSQL with replicas, all MCP servers, the GPU pool.",
        },
        "settings": {
            "database": postgres("orchestra_production"),
            "mcp_enabled": True,
            "mcp": mcp("127.0.0.4", MEMORY, CODE, GIT),
            "monitoring": monitoring(prometheus=True, alerts=True),
            "gpu_instance_type": "gpu_1x_h100_sxm5",
        },
        "protection": {
            "required_approvals": 1,
            "allowed_branches": ["main"],
            "required_evidence": [
                "tests",
                "code_review",
                "security_review",
                "documentation",
                "performance",
            ],
            "verified_in": ["staging"],
            "typed_confirmation": True,
            "soak_minutes": 60,
            "approval_hours": 4,
        },
    },
]
# What listens on the host whatever the environments hold.
HOST_PORTS = [
    (3000, "platform front end"),
    (8000, "platform API"),
]
# Kept free for the portal's own MCP servers.
RESERVED = [(8006, "tools registry"), (8009, "infrastructure")]
# Why the seeded environments differ from production; a key ending in `.` stands for what is below.
NOTES = {
    "development": {
        "database.": "a file is enough here",
        "mcp.": "an address of its own, and one server that starts in seconds",
        "gpu_instance_type": "nothing here needs a GPU",
        "monitoring.": "checks and console logs are enough here",
        "protection.": "open to try",
    },
    "integration": {
        "database.": "a file until it gets a PostgreSQL",
        "mcp.": "an address of its own, and what the tests call",
        "gpu_instance_type": "the tests need no GPU",
        "monitoring.": "nobody is called for a test",
        "protection.": "tests decide",
    },
    "staging": {
        "database.": "a role and a database of its own",
        "mcp.": "an address of its own",
        "gpu_instance_type": "verified without a GPU until one is wished",
        "protection.": "one approval; production asks for more",
    },
}
