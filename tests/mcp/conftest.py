import pytest

from apps.core.permissions import system
from apps.mcp.services import register_servers


def server(name="memory", port=8003, **more):
    """One server as the program's output has it."""
    return {
        "name": name,
        "role": name,
        "port": port,
        "host": "127.0.0.1",
        "url": f"http://127.0.0.1:{port}/mcp",
        "process": f"development-{name}",
        "package": "server-memory",
        "version": "2026.8.31",
        "ecosystem": "npm",
        "transport": "stdio",
        **more,
    }


@pytest.fixture
def register(development):
    def act(*servers, run=42):
        return register_servers(
            system(f"run {run}"), environment="development", servers=list(servers), run=run
        )

    return act
