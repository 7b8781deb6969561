import queue

import pytest

from apps.core.addresses import parse_rules
from apps.monitoring.probes import Look, Prober, Ways
from tests.monitoring.hostile import Server

# Loopback, as an installation allows it for its own servers.
HERE = parse_rules([("127.0.0.0/8", []), ("::1/128", [])])


@pytest.fixture(scope="session")
def prober():
    prober = Prober(Ways("/nonexistent/supervisor.sock", "/nonexistent/docker.sock"))
    yield prober
    prober.close()


@pytest.fixture
def serve():
    """Starts a server with the given behaviour; all are stopped at the end."""
    servers = []

    def start(answer, **more):
        servers.append(Server(answer, **more))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def look(prober):
    """One look, from parameters to its finding."""

    def act(kind="mcp", memory=None, time_limit=1.0, secrets=None, facts=None, **parameters):
        found = queue.SimpleQueue()
        prober.start(
            [Look(1, kind, parameters, time_limit, memory or {}, HERE, secrets or {}, facts or {})],
            found,
        )
        return found.get(timeout=20)[1]

    return act
