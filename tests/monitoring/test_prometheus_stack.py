"""Debian's Prometheus, Alertmanager and blackbox exporter with the files the stack renders."""

import contextlib
import io
import json
import socket
import time
import urllib.request

import pytest
import yaml
from django.core.management import call_command

from apps.monitoring.models import Check, Incident
from tests.infra.declare import declare
from tests.infra.test_program import LARGE
from tests.live.web import Web
from tests.servers import free_port, running

pytestmark = [
    pytest.mark.slow,
    pytest.mark.prometheus("prometheus", "alertmanager", "blackbox_exporter", "amtool"),
]
LIMIT = 40


def eventually(look, what):
    """The first true answer of `look` within the limit."""
    deadline = time.monotonic() + LIMIT
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if found := look():
                return found
        time.sleep(0.2)
    raise AssertionError(what)


def ask(url):
    with urllib.request.urlopen(url, timeout=5) as answer:
        return json.load(answer)


@pytest.fixture
def web(transactional_db, production):
    web = Web()
    yield web
    web.stop()


@pytest.fixture
def rendered(web, root, tmp_path):
    """The stack's files, written where its services read them; and their ports."""
    out = io.StringIO()
    call_command("create_token", "root", stdout=out)
    (tmp_path / "token").write_text(out.getvalue().strip())
    ports = {name: free_port() for name in ("prometheus", "alertmanager", "blackbox")}
    section = {
        "prometheus": True,
        "alertmanager": True,
        "grafana": True,
        "directory": str(tmp_path),
        "portal_url": web.url,
        "token_file": str(tmp_path / "token"),
        "scrape_interval": "1s",
        "alert_after": "0s",
        "routes": [],
        **{f"{name}_port": port for name, port in ports.items()},
    }
    [answer] = declare({**LARGE, "monitoring": section})
    assert answer["error"] is None
    for resource in answer["resources"]:
        if resource["type"].endswith("ConfigFile"):
            path, text = resource["inputs"]["path"], resource["inputs"]["content"]
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(quicker(text) if path.endswith("manager.yml") else text)
    return tmp_path, ports


def quicker(text):
    """The same routes, without the pauses that spare people."""
    document = yaml.safe_load(text)
    for route in document["route"]["routes"]:
        route |= {"group_wait": "0s", "group_interval": "1s"}
    return yaml.safe_dump(document)


@pytest.fixture
def stack(rendered, tools):
    folder, ports = rendered
    local = {name: f"127.0.0.1:{port}" for name, port in ports.items()}
    commands = {
        "blackbox": [
            tools("blackbox_exporter"),
            f"--config.file={folder}/blackbox/blackbox.yml",
            f"--web.listen-address={local['blackbox']}",
        ],
        "alertmanager": [
            tools("alertmanager"),
            f"--config.file={folder}/alertmanager/alertmanager.yml",
            f"--storage.path={folder}/alertmanager-data",
            f"--web.listen-address={local['alertmanager']}",
            "--cluster.listen-address=",
        ],
        "prometheus": [
            tools("prometheus"),
            f"--config.file={folder}/prometheus/prometheus.yml",
            f"--storage.tsdb.path={folder}/prometheus-data",
            f"--web.listen-address={local['prometheus']}",
            "--web.enable-lifecycle",
        ],
    }
    with contextlib.ExitStack() as running_ones:
        for name, command in commands.items():
            (folder / f"run-{name}").mkdir()
            running_ones.enter_context(running(command, ports[name], folder / f"run-{name}", None))
        yield f"http://{local['prometheus']}", folder


def targets_of(prometheus):
    found = ask(f"{prometheus}/api/v1/targets?state=active")["data"]["activeTargets"]
    mine = [each for each in found if each["scrapePool"] == "orchestra-inventory"]
    return {(each["labels"]["name"], each["labels"]["instance"]) for each in mine}


def test_an_alert_of_the_real_stack_arrives_as_an_incident_and_resolves(stack, production, staging):
    prometheus, folder = stack
    port = free_port()
    inventory = {("portal", f"127.0.0.1:{port}"), ("health", "http://127.0.0.1:1/")}
    Check.objects.create(
        environment=production,
        name="portal",
        kind="tcp",
        parameters={"host": "127.0.0.1", "port": port},
    )
    quiet = Check.objects.create(
        environment=production,
        name="health",
        kind="http",
        parameters={"url": "http://127.0.0.1:1/"},
    )
    Check.objects.create(
        environment=staging, name="other", kind="tcp", parameters={"host": "127.0.0.1", "port": 1}
    )
    # Prometheus reads the list each 30 s; a reload reads it at once, and shows that one works.
    file = folder / "prometheus/prometheus.yml"
    file.write_text(file.read_text().replace("refresh_interval: 30s", "refresh_interval: 1s"))
    reload = urllib.request.Request(f"{prometheus}/-/reload", method="POST", data=b"")
    with urllib.request.urlopen(reload, timeout=10) as answer:
        assert answer.status == 200
    eventually(lambda: targets_of(prometheus) == inventory, "the targets are not the inventory")

    down = Incident.objects.open().filter(thing="ThingDown portal")
    first = eventually(down.all().first, "no incident came of the alert")
    assert (first.environment, first.source, first.severity) == (production, "alert", "warning")
    assert first.reason == f"portal at 127.0.0.1:{port} is down."
    assert eventually(
        Incident.objects.open().filter(thing="ThingDown health").exists, "the second is not told"
    )

    with socket.create_server(("127.0.0.1", port)):
        eventually(lambda: not down.all().exists(), "the incident does not close")
    first.refresh_from_db()
    assert first.status == "closed"
    assert first.entries.last().text == "Alertmanager says it is resolved."
    # A paused check is no target any more.
    Check.objects.filter(pk=quiet.pk).update(is_enabled=False)
    rest = {("portal", f"127.0.0.1:{port}")}
    eventually(lambda: targets_of(prometheus) == rest, "a paused check is still a target")
