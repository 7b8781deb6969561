"""The quick tests once more on PostgreSQL, where writers do not take turns by themselves."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.one_by_one import MARKERS

ROOT = Path(__file__).resolve().parents[2]
APPS = (
    "accounts",
    "audit",
    "core",
    "dashboard",
    "deployments",
    "environments",
    "mcp",
    "monitoring",
)


@pytest.mark.postgres
@pytest.mark.slow
def test_what_holds_on_sqlite_holds_on_postgresql(postgres_server):
    url = postgres_server.create_database("all_apps")
    quick = f"not ({' or '.join(sorted(MARKERS))})"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", quick),
            *(str(ROOT / "tests" / app) for app in APPS),
        ],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": url},
        capture_output=True,
        text=True,
        timeout=1500,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:]
