import os
import shutil
from pathlib import Path

import pytest

from tests.infra.embedded_engine.engine_lab import EMBEDDED, Lab


def cli_root():
    """The folder that holds `bin/pulumi` of a Pulumi CLI, or None. Ours on PATH does not count."""
    found = os.environ.get("PULUMI_ROOT")
    path = Path(found) / "bin" / "pulumi" if found else shutil.which("pulumi")
    if not path or EMBEDDED in Path(path).resolve().parents:
        return None
    return Path(path).parent.parent


@pytest.fixture(params=["embedded", pytest.param("cli", marks=pytest.mark.cli)])
def engine(request):
    """The root of each engine in turn."""
    if request.param == "embedded":
        return EMBEDDED
    root = cli_root()
    if root is None:
        pytest.skip("no Pulumi CLI on PATH or in PULUMI_ROOT to hold this contract to")
    return root


@pytest.fixture
def lab(engine, tmp_path):
    lab = Lab(tmp_path, engine)
    yield lab
    lab.close()


@pytest.fixture
def ours(tmp_path):
    """A laboratory with the embedded engine only."""
    lab = Lab(tmp_path)
    yield lab
    lab.close()
