"""A second beat and a second worker by mistake: whatever is due happens once."""

import subprocess
import sys
import time

import pytest

from orchestra_portal.start.supervisor import commands
from tests.start.deploying import rows, until
from tests.start.stack import READY, run_stack

pytestmark = [pytest.mark.slow, pytest.mark.engine, pytest.mark.timeout(300)]
SCHEDULES = """
import django; django.setup()
from datetime import timedelta
from django.utils import timezone
from apps.accounts.actors import actor_for_user
from django.contrib.auth import get_user_model
from apps.deployments.services import schedule_deployment
from apps.deployments.services.timetabling import Timing
actor = actor_for_user(get_user_model().objects.get(username="admin"))
for number in range(3):
    schedule_deployment(actor, environment="development", name=f"s{number}", reason="test",
                        timing=Timing(at=timezone.now() + timedelta(seconds=15 + number)))
"""
FIRED = "SELECT * FROM (SELECT COUNT(*) AS fired FROM deployments_firing) WHERE fired >= 3"
# Two of what there may be one of: a firing of a moment, a plan of a deployment, a look of a moment.
DOUBLED = (
    "SELECT schedule_id FROM deployments_firing GROUP BY 1 HAVING COUNT(*) > 1",
    "SELECT deployment_id FROM deployments_run GROUP BY 1, operation HAVING COUNT(*) > 1",
    "SELECT check_row_id FROM monitoring_checkresult GROUP BY 1, at HAVING COUNT(*) > 1",
)


def test_three_moments_are_three_deployments_with_two_beats_and_two_workers(tmp_path):
    with run_stack(tmp_path / "home") as stack:
        stack.wait_for(READY, 120)
        place = stack.place
        more = [
            subprocess.Popen(commands(place)[name][0], env=place.environment(), cwd=place.root)
            for name in ("beat", "beat", "worker")
        ]
        try:
            subprocess.run(
                [sys.executable, "-c", SCHEDULES],
                env=place.environment(),
                cwd=place.root,
                check=True,
            )
            until(stack, FIRED)
            # A tick is five seconds: whoever wanted to fire a moment again has had its time.
            time.sleep(12)
            assert [process.poll() for process in more] == [None] * 3
        finally:
            for process in more:
                process.terminate()
            ends = [process.wait(60) for process in more]
        assert ends == [0] * 3
        for doubled in DOUBLED:
            assert rows(stack, doubled) == [], doubled
        assert rows(stack, "SELECT COUNT(*) FROM deployments_deployment") == [(3,)]
        assert stack.stop(150) == 0
