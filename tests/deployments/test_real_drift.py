"""
What is done behind the portal's back is drift: real host, engine, program, supervisord, files. A
server's process that is stopped and a rendered file that is edited, each by resource and property.
"""

import base64
import hashlib
import os
import urllib.request
import zipfile
from pathlib import Path

import pytest

from apps.accounts.actors import actor_for_user
from apps.core.errors import Forbidden
from apps.deployments import drift, services
from apps.deployments.models import Run
from apps.deployments.runner import claim
from apps.deployments.runner.execution import execute
from apps.environments.models import Setting
from tests.conftest import person
from tests.infra import supervision

pytestmark = [pytest.mark.engine, pytest.mark.slow]
PROGRAM = Path(supervision.__file__).with_name("tiny_mcp.py")
METADATA = "Metadata-Version: 2.1\nName: tiny-mcp\nVersion: 1.0.0\n"
WHEEL = "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
START = "import runpy\n\n\ndef main():\n    runpy.run_module('tiny_mcp', run_name='__main__')\n"


def write_wheel(folder):
    """The tests' MCP server as a package that an installer takes, so that no index is needed."""
    texts = {
        "tiny_mcp.py": PROGRAM.read_text(),
        "tiny_mcp_start.py": START,
        "tiny_mcp-1.0.0.dist-info/METADATA": METADATA,
        "tiny_mcp-1.0.0.dist-info/WHEEL": WHEEL,
        "tiny_mcp-1.0.0.dist-info/entry_points.txt": (
            "[console_scripts]\ntiny-mcp = tiny_mcp_start:main\n"
        ),
    }
    folder.mkdir()
    record = "tiny_mcp-1.0.0.dist-info/RECORD"
    with zipfile.ZipFile(folder / "tiny_mcp-1.0.0-py3-none-any.whl", "w") as archive:
        lines = []
        for name, text in texts.items():
            archive.writestr(name, text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest())
            lines.append(f"{name},sha256={digest.decode().rstrip('=')},{len(text.encode())}")
        archive.writestr(record, "\n".join([*lines, f"{record},,"]) + "\n")


@pytest.fixture(scope="module")
def supervisor():
    with supervision.supervisord() as running:
        yield running


@pytest.fixture
def served(real, supervisor, settings, monkeypatch, tmp_path):
    """The real environment with one MCP server, in which another person approves."""
    write_wheel(tmp_path / "wheels")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    settings.SUPERVISOR_SOCKET = supervisor.socket
    settings.SUPERVISOR_INCLUDE = supervisor.include_directory
    real.port = supervision.free_port()
    server = {
        "name": "memory",
        "role": "memory",
        "port": real.port,
        "package": "tiny-mcp",
        "version": "1.0.0",
        "ecosystem": "pypi",
        "transport": "http",
        "arguments": [str(real.port)],
        "environment": {},
    }
    rows = Setting.objects.filter(environment=real.environment)
    rows.filter(key="mcp_enabled").update(value=True)
    rows.filter(key="mcp").update(value={"servers": [server]})
    real.environment.protection.required_approvals = 1
    real.environment.protection.save()
    real.ada = actor_for_user(person("ada", "admin"))
    return real


def carry_through(world, row):
    """Planned, refused to who asked, approved by another person, applied."""
    world.carry_out(row)
    row.refresh_from_db()
    assert row.status == "awaiting_approval", row.status_reason
    with pytest.raises(Forbidden):
        world.approve(row)
    services.approve_deployment(world.ada, deployment=row.pk, fingerprint=row.fingerprint)
    run = world.carry_out(row)
    assert run.status == "succeeded", run.exit_reason
    return row


def look(world):
    run = services.request_drift(world.olga, environment="development")
    assert claim.claim(run.pk)
    mask = os.umask(0o022)
    try:
        assert execute(run.pk)
    finally:
        os.umask(mask)
    assert Run.objects.get(pk=run.pk).status == "succeeded"
    return drift.drift_of(world.environment)


def answers(port):
    request = urllib.request.Request(f"http://127.0.0.1:{port}/mcp", b'{"id": 1}')
    with urllib.request.urlopen(request, timeout=5) as answer:
        return answer.status == 200


def properties(change):
    return {entry["path"]: (entry["old"], entry["new"]) for entry in change["properties"]}


def test_a_stopped_server_and_an_edited_file_are_drift_that_people_accept_or_correct(
    served, supervisor, tmp_path
):
    carry_through(served, served.request())
    assert answers(served.port)
    # Ended and not started again, as by somebody on the machine.
    supervision.Supervisor(supervisor.socket)._call("stopProcess", "development-memory")
    (edited,) = (tmp_path / "monitoring").rglob("prometheus.yml")
    before = edited.read_text()
    edited.write_text(before + "\n# edited behind the portal's back\n")
    found = look(served)
    assert found.status == "drifted"
    server, file = sorted(found.changes, key=lambda change: change["type"])
    assert (server["type"], server["name"]) == ("orchestra:mcp:Server", "memory")
    assert properties(server) == {"running": (True, False)}
    assert (file["type"], file["name"]) == (
        "orchestra:monitoring:ConfigFile",
        "prometheus/prometheus.yml",
    )
    was, is_now = properties(file)["content"]
    assert "behind the portal's back" in is_now
    assert "behind the portal's back" not in was

    carry_through(served, services.correct_drift(served.olga, environment="development"))
    assert answers(served.port)
    assert edited.read_text() == before
    assert look(served).status == "none"

    edited.write_text(before + "\n# meant so\n")
    carry_through(served, services.accept_drift(served.olga, environment="development"))
    assert look(served).status == "none"
    assert edited.read_text().endswith("# meant so\n")
