"""Fixtures for the program, the provider and the engine host."""

import pytest

from tests.infra import engine_rpc, host, supervision


@pytest.fixture
def engine():
    """The provider behind a real gRPC channel, called as an engine calls it."""
    with engine_rpc.engine() as found:
        yield found


@pytest.fixture(scope="module")
def supervisor():
    """A private supervisord, for the tests of one module."""
    with supervision.supervisord() as running:
        yield running


@pytest.fixture
def free_port():
    return supervision.free_port()


@pytest.fixture
def stack(tmp_path):
    """A stack with a SQLite database and nothing else, driven through the engine host."""
    home = tmp_path / "home"
    config = {
        "orchestra:environment": {"value": "development"},
        "orchestra:home": {"value": str(home)},
        "orchestra:mcp_enabled": {"value": False},
        "orchestra:database": {"value": {"kind": "sqlite", "path": str(home / "platform.sqlite3")}},
        "orchestra:monitoring": {"value": {"prometheus": False}},
    }
    return host.Stack(tmp_path, config)
