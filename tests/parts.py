"""
The real parts that tests drive: where they are on this machine, and how tests get one.

Loaded by `tests/conftest.py` with `pytest_plugins`. A test says what it needs by its marker and
asks for a fixture: `postgres_server`, `redis_server`, `chromium`, `tools`. Without the part the
test is skipped, and the summary has one line for each missing part; under `REQUIRE=postgres,redis`
a missing part fails the session before the first test.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable

import pytest

from tests import servers

pytest_plugins = ["tests.one_by_one"]

SKIPPED = "Skipped: "


@dataclasses.dataclass(frozen=True)
class Part:
    """Something on the machine that tests with the marker `name` need."""

    name: str
    title: str
    find: Callable[[], str | None]
    way_out: str

    def missing(self) -> str:
        return f"{self.title}: not found"


def on_path(*names: str) -> str | None:
    """The first of these programs on PATH, or in the folders of system programs."""
    search = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin:/usr/local/sbin"
    return next((found for name in names if (found := shutil.which(name, path=search))), None)


def find_postgres() -> str | None:
    """The folder with `initdb` and `postgres`; Debian keeps it off PATH, one per major version."""
    folders = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in [*folders, *(pathlib.Path(p).parent for p in [on_path("initdb")] if p)]:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return str(folder)
    return None


def find_pulumi() -> str | None:
    """The Pulumi CLI, where PULUMI_ROOT or PATH has it."""
    root = os.environ.get("PULUMI_ROOT")
    if root and os.access(pathlib.Path(root) / "bin" / "pulumi", os.X_OK):
        return str(pathlib.Path(root) / "bin" / "pulumi")
    return on_path("pulumi")


def find_chromium() -> str | None:
    return on_path("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")


@functools.cache
def find_index() -> str | None:
    """A package index that pip reaches: asked for one small package, once a session."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--retries",
            "0",
        ]
        command += [
            "--timeout",
            "5",
            "--disable-pip-version-check",
            "--no-cache-dir",
            "--dest",
            folder,
        ]
        done = subprocess.run(
            [*command, "iniconfig==2.1.0"], capture_output=True, timeout=60, check=False
        )
    return "pip reaches it" if done.returncode == 0 else None


PARTS = {
    part.name: part
    for part in (
        Part("postgres", "PostgreSQL", find_postgres, "apt-get install postgresql"),
        Part("redis", "Redis", lambda: on_path("redis-server"), "apt-get install redis-server"),
        Part("chromium", "Chromium", find_chromium, "apt-get install chromium"),
        Part("prometheus", "Prometheus", lambda: on_path("promtool"), "apt-get install prometheus"),
        Part("nginx", "nginx", lambda: on_path("nginx"), "apt-get install nginx"),
        Part("cli", "Pulumi CLI", find_pulumi, "https://www.pulumi.com/docs/install/"),
        Part("network", "package index", find_index, "pip config list; PIP_INDEX_URL"),
    )
}
# Programs that a test marked `prometheus` may name besides promtool: prometheus("alertmanager").
TOOLS = {
    "promtool": ("promtool",),
    "prometheus": ("prometheus",),
    "alertmanager": ("alertmanager", "prometheus-alertmanager"),
    "amtool": ("amtool",),
    "blackbox_exporter": ("blackbox_exporter", "prometheus-blackbox-exporter"),
}


def is_controller(config: pytest.Config) -> bool:
    return not hasattr(config, "workerinput")


def pytest_configure(config: pytest.Config) -> None:
    """Registers the markers of parts and fails at once when a required part is missing."""
    config.addinivalue_line("markers", "nginx: needs nginx")
    required = [name for name in os.environ.get("REQUIRE", "").replace(" ", "").split(",") if name]
    unknown = [name for name in required if name not in PARTS]
    if unknown:
        raise pytest.UsageError(
            f"REQUIRE names {', '.join(unknown)}; known parts are {', '.join(PARTS)}."
        )
    missing = [PARTS[name] for name in required if not PARTS[name].find()]
    if missing and is_controller(config):
        lines = [f"{part.missing()}, and REQUIRE asks for it ({part.way_out})." for part in missing]
        raise pytest.UsageError("\n".join(lines))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skips a test whose part this machine lacks."""
    for marker in item.iter_markers():
        part = PARTS.get(marker.name)
        if part and not part.find():
            pytest.skip(part.missing())
        if marker.name == "prometheus":
            for tool in marker.args:
                if not on_path(*TOOLS[tool]):
                    pytest.skip(f"{tool}: not found")


# Shown by the controller; the workers' reports arrive there.
skips: collections.Counter[str] = collections.Counter()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped and isinstance(report.longrepr, tuple):
        reason = report.longrepr[2].removeprefix(SKIPPED)
        if reason.endswith(": not found"):
            skips[reason] += 1


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One visible line for each missing part whose tests were skipped."""
    ways = {part.missing(): part.way_out for part in PARTS.values()}
    for reason, count in sorted(skips.items()):
        tests = "1 test" if count == 1 else f"{count} tests"
        way = f" ({ways[reason]})" if reason in ways else ""
        terminalreporter.write_line(f"{reason}, {tests} skipped{way}", yellow=True)


@pytest.fixture(scope="session")
def postgres_server():
    """A PostgreSQL server of this session's own: `servers.Postgres`, with `url()`."""
    folder = find_postgres()
    if not folder:
        pytest.skip(PARTS["postgres"].missing())
    with servers.run_postgres(pathlib.Path(folder)) as server:
        yield server


@pytest.fixture(scope="session")
def redis_server():
    """A Redis server of this session's own: its URL `redis://127.0.0.1:PORT/0`."""
    program = on_path("redis-server")
    if not program:
        pytest.skip(PARTS["redis"].missing())
    with servers.run_redis(program) as url:
        yield url


@pytest.fixture(scope="session")
def chromium():
    """The path of Chromium, for `playwright.chromium.launch(executable_path=…)`."""
    program = find_chromium()
    if not program:
        pytest.skip(PARTS["chromium"].missing())
    return program


@pytest.fixture(scope="session")
def tools():
    """`tools("alertmanager")`: the path of a monitoring program; the test is skipped without it."""

    def find(name: str) -> str:
        program = on_path(*TOOLS[name])
        if not program:
            pytest.skip(f"{name}: not found")
        return program

    return find
