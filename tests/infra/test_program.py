"""What the built-in program declares for each kind of environment, and what it refuses."""

import json

import pytest
import yaml

from infra.orchestra_provider.syntax import check_syntax
from tests.infra.declare import declare

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
    "arguments": ["--project-path", "{data}"],
}


def _mcp(**change):
    return {"mcp": {"servers": [{**MEMORY, **change}], "bridge": BRIDGE}}


SMALL = {
    "environment": "development",
    "home": "/var/orchestra",
    "mcp_enabled": True,
    "database": {"kind": "sqlite", "path": "/var/orchestra/platform.sqlite3"},
    "mcp": {"servers": [MEMORY], "bridge": BRIDGE, "node": None},
    "supervisor": {"socket": "/run/s.sock", "include_directory": "/etc/s"},
    "monitoring": {"prometheus": False, "alertmanager": False, "grafana": False},
}
LARGE = {
    **SMALL,
    "environment": "production",
    "database": {
        "kind": "postgres",
        "host": "db",
        "port": 5432,
        "admin_user": "admin",
        "name": "platform",
        "user": "platform",
        "extensions": ["pg_trgm"],
    },
    "database_admin_password": "canary-admin",
    "database_password": "canary-role",
    "mcp": {"host": "127.0.0.4", "servers": [MEMORY, CODE], "bridge": BRIDGE},
    "monitoring": {
        "prometheus": True,
        "alertmanager": True,
        "grafana": True,
        "directory": "/var/orchestra/monitoring",
        "portal_url": "http://127.0.0.1:8100",
        "routes": [
            {"name": "team", "kind": "webhook", "address": "https://hooks.example/x"},
            {
                "name": "chat",
                "kind": "slack",
                "address": "https://slack.example/y",
                "severity": "critical",
            },
            {
                "name": "mail",
                "kind": "email",
                "address": "ops@example.org",
                "smarthost": "mail.example.org:25",
                "sender": "portal@example.org",
            },
        ],
    },
}


# A change of SMALL, and what is said about it.
REFUSED = [
    ({"environment": ""}, "environment is missing"),
    ({"database": {"kind": "mysql"}}, "database.kind is one of sqlite, postgres, not 'mysql'"),
    ({"database": {"kind": "sqlite"}}, "database.path is missing"),
    ({"database": "nothing"}, "database is not JSON"),
    ({"database": [1]}, "database takes a map"),
    ({"mcp_enabled": "perhaps"}, "mcp_enabled takes true or false, not 'perhaps'"),
    (_mcp(port=80.5), "mcp.servers[0].port takes a whole number"),
    (_mcp(port=70000), "is no TCP port: 70000"),
    (_mcp(environment={"A": 1}), "environment takes a map of texts"),
    ({"mcp": {"servers": [MEMORY, MEMORY]}}, "gives two servers the name memory"),
    ({"mcp": {"servers": [MEMORY]}}, "mcp.bridge is missing"),
    ({"monitoring": {"prometheus": True}}, "monitoring.directory is missing"),
    ({"supervisor": {}}, "supervisor.socket is missing"),
    (
        {"database": {**LARGE["database"]}, "database_admin_password": "x"},
        "database_password is missing; it is a secret",
    ),
]


@pytest.fixture(scope="module")
def declared():
    """Every configuration of this module, declared in one process."""
    without = {k: v for k, v in SMALL.items() if k not in ("mcp", "supervisor")}
    off = without | {"mcp_enabled": False}
    return declare(SMALL, LARGE, off, *(SMALL | change for change, _ in REFUSED))


@pytest.fixture(scope="module")
def small(declared):
    return declared[0]


@pytest.fixture(scope="module")
def large(declared):
    return declared[1]


def _of_type(declared, kind):
    # In no order: the program registers at once whatever waits for nothing.
    return [r["inputs"] for r in declared["resources"] if r["type"].endswith(f":{kind}")]


def test_development_has_a_database_file_and_a_bridged_memory_server(small):
    assert small["error"] is None
    assert _of_type(small, "SqliteDatabase") == [{"path": "/var/orchestra/platform.sqlite3"}]
    packages = {p["name"] for p in _of_type(small, "Package")}
    assert packages == {"mcp-proxy", "@modelcontextprotocol/server-memory"}
    (server,) = _of_type(small, "Server")
    assert server["process"] == "development-memory"
    assert server["command"] == [
        "/start/mcp-proxy",
        *("--host", "127.0.0.1", "--port", "8003", "--server", "stream", "--"),
        "/start/@modelcontextprotocol/server-memory",
    ]
    folder = "/var/orchestra/servers/memory"
    assert server["environment"] == {"MEMORY_FILE_PATH": f"{folder}/memory.jsonl"}
    assert _of_type(small, "ConfigFile") == []


def test_the_outputs_are_what_the_portal_registers(small):
    assert small["outputs"] == {
        "environment": "development",
        "database": {
            "kind": "sqlite",
            "path": "/var/orchestra/platform.sqlite3",
            "name": "platform",
        },
        "mcp_servers": [
            {
                "name": "memory",
                "role": "memory",
                "port": 8003,
                "host": "127.0.0.1",
                "url": "http://127.0.0.1:8003/mcp",
                "process": "development-memory",
                "package": "@modelcontextprotocol/server-memory",
                "version": "2026.8.31",
                "ecosystem": "npm",
                "transport": "streamable_http",
            }
        ],
        "monitoring": {"directory": "", "files": [], "checked_by": []},
        "ports": [{"port": 8003, "host": "127.0.0.1", "protocol": "tcp", "owner": "memory"}],
    }


def test_production_has_a_role_and_a_database_and_no_password_in_its_outputs(large):
    assert large["error"] is None
    (database,) = _of_type(large, "PostgresDatabase")
    assert database["extensions"] == ["pg_trgm"]
    assert large["outputs"]["database"]["kind"] == "postgres"
    assert "canary" not in json.dumps(large["outputs"])


def test_every_monitoring_file_is_one_that_its_reader_takes(large):
    files = _of_type(large, "ConfigFile")
    assert len(files) == 7
    for file in files:
        assert check_syntax(file["kind"], file["content"])
    written = large["outputs"]["monitoring"]["files"]
    assert sorted(f["path"] for f in written) == sorted(f["path"] for f in files)
    assert large["outputs"]["monitoring"]["checked_by"] == ["promtool"]


def test_prometheus_probes_each_server_by_name(large):
    (content,) = [f["content"] for f in _of_type(large, "ConfigFile") if f["kind"] == "prometheus"]
    jobs = {job["job_name"]: job for job in yaml.safe_load(content)["scrape_configs"]}
    probed = jobs["mcp-servers"]["static_configs"]
    assert [(p["targets"], p["labels"]["server"]) for p in probed] == [
        (["127.0.0.4:8003"], "memory"),
        (["127.0.0.4:8007"], "code"),
    ]


def test_one_bridge_serves_all_servers_and_a_placeholder_is_the_servers_folder(large):
    assert [p["name"] for p in _of_type(large, "Package")].count("mcp-proxy") == 1
    code = next(s for s in _of_type(large, "Server") if s["port"] == 8007)
    assert code["command"][1:5] == ["--host", "127.0.0.4", "--port", "8007"]
    assert code["command"][-2:] == ["--project-path", "/var/orchestra/servers/code"]


def test_without_mcp_nothing_of_it_is_declared_or_asked_for(declared):
    off = declared[2]
    assert off["error"] is None
    assert _of_type(off, "Package") == _of_type(off, "Server") == []
    assert off["outputs"]["mcp_servers"] == off["outputs"]["ports"] == []


def test_a_bad_setting_is_named_before_anything_is_declared(declared):
    for (_, said), answer in zip(REFUSED, declared[3:], strict=True):
        assert answer["error"].startswith("[settings.malformed] The setting ")
        assert said in answer["error"]
        assert " Next: " in answer["error"]
