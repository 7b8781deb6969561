"""
Keeps the tests of real processes together on one worker of pytest-xdist.

Side by side they would fight for two cores and for the few fixed ports, and their time limits would
measure each other. The quick tests run on the other workers meanwhile. xdist's own `loadgroup`
cannot do it: it renames tests to tell the controller their group, and pytest 9.2 keeps the name it
made. So the workers write the names of these tests to a file that the controller's scheduler reads.
"""

from __future__ import annotations

import json
import pathlib
import tempfile

import pytest
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

MARKERS = {
    "engine",
    "cli",
    "postgres",
    "redis",
    "chromium",
    "prometheus",
    "nginx",
    "network",
    "slow",
}
names_file = pytest.StashKey[str]()


class OneByOne(LoadScopeScheduling):
    """Each quick test is a unit of its own; all real ones are a single unit, handed out first."""

    def _split_scope(self, nodeid: str) -> str:
        if not hasattr(self, "real"):
            # Read at the first question: by then every worker has collected.
            text = pathlib.Path(self.config.stash[names_file]).read_text()
            self.real = frozenset(json.loads(text or "[]"))
        return "real" if nodeid in self.real else nodeid


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("dist", "no") != "no" and not hasattr(config, "workerinput"):
        with tempfile.NamedTemporaryFile(prefix="real-tests-", delete=False) as file:
            config.stash[names_file] = file.name


def pytest_unconfigure(config: pytest.Config) -> None:
    if name := config.stash.get(names_file, None):
        pathlib.Path(name).unlink(missing_ok=True)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: WorkerController) -> None:
    node.workerinput["real_tests"] = node.config.stash[names_file]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log):
    """Takes the place of `--dist load`, which is what `-n 2` chooses."""
    return OneByOne(config, log) if config.getoption("dist") == "load" else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Every worker collects the same tests, so each may write the file, whole or not at all."""
    path = getattr(config, "workerinput", {}).get("real_tests")
    if not path:
        return
    names = [item.nodeid for item in items if MARKERS & {m.name for m in item.iter_markers()}]
    own = pathlib.Path(f"{path}.{config.workerinput['workerid']}")
    own.write_text(json.dumps(names))
    own.rename(path)
