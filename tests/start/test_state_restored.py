"""A kept copy of the state is written back by the real engine, and the next plan says so."""

import json
import subprocess
import sys

import pytest

from tests.start.deploying import carried_out, rows
from tests.start.stack import READY, run_stack

pytestmark = [pytest.mark.slow, pytest.mark.engine, pytest.mark.timeout(600)]
SET = """
import json, sys
import django; django.setup()
from apps.core.permissions import system
from apps.environments.services import set_setting
for key, value in json.loads(sys.argv[1]).items():
    set_setting(system("test"), environment="development", key=key, value=value)
"""
NEWEST = (
    "SELECT kind, status, verification, plan FROM deployments_deployment ORDER BY id DESC LIMIT 1"
)
COPIES = "SELECT id, digest FROM deployments_statecopy ORDER BY id"


def declare(stack, **values):
    subprocess.run(
        [sys.executable, "-c", SET, json.dumps(values)],
        env=stack.place.environment(),
        cwd=stack.place.root,
        check=True,
    )


def apply(stack, *command, may_be_unverified=True):
    """The command to its end; without a check nobody knows whether it is well (exit status 2)."""
    try:
        carried_out(stack, *command, "--watch", "--yes")
    except AssertionError as error:
        if not (may_be_unverified and "ended with 2" in str(error)):
            raise
    kind, status, verification, plan = rows(stack, NEWEST)[0]
    return kind, status, verification, json.loads(plan)


def test_the_state_of_before_is_back_and_nothing_real_was_touched(tmp_path):
    home = tmp_path / "home"
    with run_stack(home, PORTAL_VERIFICATION_LIMIT="1") as stack:
        stack.wait_for(READY, 120)
        declare(stack, mcp_enabled=False)
        apply(stack, "deploy", "development")
        declare(stack, database={"kind": "sqlite", "path": "{home}/second.sqlite3"})
        apply(stack, "deploy", "development")
        (first, digest), (_, other) = rows(stack, COPIES)
        assert digest != other
        command = ("restore_state", "development", str(first), "--confirm", "development")
        kind, status, verification, plan = apply(stack, *command)
        assert (kind, status, verification) == ("import", "succeeded", "passed")
        assert plan["summary"]["update"] + plan["summary"]["create"] >= 1
        assert rows(stack, COPIES)[-1][1] == digest
        real = home / "environments" / "development"
        assert (real / "second.sqlite3").exists()
        # The state says the first file again; the plan after it finds what differs.
        carried_out(stack, "deploy", "development", "--watch")
        plan = json.loads(rows(stack, NEWEST)[0][3])
        assert sum(plan["summary"][name] for name in ("create", "update", "replace")) >= 1
        assert stack.stop(150) == 0
