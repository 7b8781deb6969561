"""
The worker loads what it needs: a module too many is memory of every installation. Beat has a test
of its own, `tests/start/test_beat.py`.
"""

import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
FORBIDDEN = {
    "apps.dashboard", "autobahn", "channels", "daphne", "django.contrib.admin.sites",
    "django.contrib.sessions.models", "drf_spectacular", "grpc", "infra", "jsonschema", "mcp",
    "orchestra_portal.urls", "prometheus_client", "prompt_toolkit", "pulumi", "rest_framework",
}  # fmt: skip
# Everything up to the moment at which it would begin to work, and no further.
PROGRAM = """
import json, sys
from celery.apps.worker import Worker

def stop(own):
    print("LOADED", json.dumps(sorted(sys.modules)))
    sys.exit(0)

Worker.start = stop
from orchestra_portal import worker
worker.main()
"""


def test_the_worker_loads_nothing_that_only_pages_and_engines_need(tmp_path):
    for folder in ("messages", "control"):
        (tmp_path / "broker" / folder).mkdir(parents=True)
    kept = {key: os.environ[key] for key in ("PATH", "LANG") if key in os.environ}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        env={
            **kept,
            "ORCHESTRA_HOME": str(tmp_path),
            "PORTAL_SECRET_KEY": "k" * 20 + "x9Qz" * 12,
            "PORTAL_FIELD_KEYS": json.dumps({"k1": "YWFh" * 10 + "YWE="}),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    line = next((row for row in done.stdout.splitlines() if row.startswith("LOADED ")), None)
    assert line is not None, done.stderr[-3000:]
    loaded = set(json.loads(line.removeprefix("LOADED ")))
    assert "django.db" in loaded
    assert "orchestra_portal.worker_settings" in loaded
    assert sorted(loaded & FORBIDDEN) == []
