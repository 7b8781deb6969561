"""Each gate says by what, by whom, since and until when, at every door, and opens by itself."""

import contextlib
from datetime import timedelta
from io import StringIO

import pytest
import time_machine
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from apps.accounts.actors import actor_for_user
from apps.core.errors import Refused
from apps.deployments import gates, services
from apps.deployments.identity import identity_of
from apps.deployments.management import watching
from apps.deployments.models import Deployment, Hold
from apps.deployments.runner import claim, line, sweep
from apps.environments import services as environments
from apps.environments.models import Protection
from apps.monitoring.models import Incident
from tests.conftest import make_environment, person
from tests.deployments.test_time_gates import LIFTS, freeze, lock, stop, window

MINUTE = timedelta(minutes=1)


def by_time(close):
    """A gate of `test_time_gates`, closed by ada and opened again."""

    def closed(_world, ada, _row):
        thing = close(ada)
        return lambda: LIFTS[close](ada, thing)

    return closed


def line_ahead(world, _ada, row):
    """Another one has the turn, as if it had been asked for before."""
    Deployment.objects.filter(pk=row.pk).update(status="scheduled", turn_at=None)
    first = Deployment.objects.create(
        environment=world.environment,
        status="awaiting_approval",
        requested_by="ada",
        turn_at=timezone.now(),
    )

    def end():
        Deployment.objects.filter(pk=first.pk).update(status="canceled")
        assert line.give_turn(world.environment.pk)

    return end


def held(world, ada, row):
    hold = Hold.objects.create(
        environment=world.environment,
        deployment=row,
        program_digest=row.revision["program_digest"],
        config_digest=row.revision["config_digest"],
        reason="it hung",
        set_by="ada",
    )
    return lambda: services.lift_hold(ada, hold=hold.pk, reason="mended")


def evidence(world, ada, row):
    """Somebody found it to be slow; what is missing has nobody who said so."""
    Protection.objects.filter(environment=world.environment).update(
        required_evidence=["performance"]
    )
    found = identity_of(row.revision)
    services.report_evidence(ada, revision=found, kind="performance", result="failed")
    return lambda: services.report_evidence(
        ada, revision=found, kind="performance", result="passed"
    )


def soak(world, _ada, row):
    """Half an hour of the hour below is over; the other half passes with the clock."""
    lower = make_environment("integration", "integration", 5, "violet")
    Protection.objects.filter(environment=world.environment).update(
        verified_in=["integration"], soak_minutes=60
    )
    at = timezone.now() - 30 * MINUTE
    Deployment.objects.create(
        environment=lower,
        status="succeeded",
        verification="passed",
        revision=row.revision,
        requested_by="ada",
        started_at=at,
        finished_at=at,
    )
    clock = time_machine.travel(timezone.now() + 31 * MINUTE)

    def later():
        clock.start()
        return clock.stop

    return later


# Gate → (how it closes, its code, whether it passes by itself, whether it says until when).
GATES = {
    "freeze": (by_time(freeze), "environment.frozen", True, True),
    "window": (by_time(window), "window.closed", True, True),
    "lock": (by_time(lock), "environment.locked", True, True),
    "stop of the line": (by_time(stop), "line.stopped", True, False),
    "line": (line_ahead, "stack.busy", True, False),
    "soak": (soak, "revision.soaking", True, True),
    "hold": (held, "environment.held", False, False),
    "evidence": (evidence, "evidence.negative", False, False),
}


@pytest.fixture
def ada(world, monkeypatch):
    monkeypatch.setattr(claim, "spawn", lambda _run: None)
    return actor_for_user(person("ada", "admin"))


def watched(row, monkeypatch):
    """What the command shows of it before anything moves."""
    monkeypatch.setattr(watching.time, "sleep", interrupt)
    out = StringIO()
    with contextlib.suppress(SystemExit):
        call_command("watch_deployment", row.pk, stdout=out)
    return out.getvalue()


def interrupt(_seconds):
    raise KeyboardInterrupt


@pytest.mark.parametrize("name", GATES)
def test_a_blocked_deployment_says_why_at_every_door_and_goes_on_when_free(
    world, ada, client, monkeypatch, name
):
    close, code, waits, has_until = GATES[name]
    row = world.planned()
    opens = close(world, ada, row)
    row.refresh_from_db()
    if not waits:
        with pytest.raises(Refused) as caught:
            world.approve(row)
        assert caught.value.blocked_by[0]["code"] == code
    elif row.status == "awaiting_approval":
        world.approve(row)
        row.refresh_from_db()
        assert row.status == "scheduled"

    api = APIClient()
    olga = get_user_model().objects.get(username="olga")
    api.force_login(olga)
    (told,) = api.get(f"/api/v1/deployments/{row.pk}/").json()["blocked_by"]
    assert (told["code"], told["by"]) == (code, "ada")
    assert told["since"]
    assert bool(told["until"]) is has_until
    # The same words at each door: how long it still takes is among them.
    with time_machine.travel(timezone.now(), tick=False):
        (blocker,) = gates.blockers(world.fresh(row))
        assert "ada" in blocker.detail
        assert f"{blocker.since:%Y-%m-%d %H:%M}" in blocker.detail
        if has_until:
            assert f"{blocker.until:%Y-%m-%d %H:%M} UTC" in blocker.detail
        client.force_login(olga)
        page = client.get(reverse("admin:deployments_deployment_change", args=[row.pk]))
        assert blocker.detail in page.content.decode().replace("&#x27;", "'")
        assert blocker.detail in watched(row, monkeypatch)

    goes_back = opens()
    try:
        if not waits:
            world.approve(row)
        sweep.start_scheduled()
        row.refresh_from_db()
        assert row.status == ("planning" if name == "line" else "applying")
    finally:
        if name == "soak":
            goes_back()


def test_the_stop_of_the_line_is_an_alarm_everywhere_until_it_is_lifted(world, ada):
    staging = make_environment("staging", "staging", 30, "bronze")
    places = {world.environment.pk, staging.pk}
    environments.stop_the_line(ada, reason="fire")
    found = Incident.objects.filter(key="portal:stop_the_line")
    assert set(found.open().values_list("environment", flat=True)) == places
    assert {row.reason for row in found} == {"ada stopped the line: fire"}
    assert {row.severity for row in found} == {"critical"}
    with pytest.raises(Refused):
        environments.stop_the_line(ada, reason="again")
    assert found.count() == 2
    environments.lift_stop(ada, reason="out")
    assert not found.open().exists()
    assert found.first().entries.filter(text="ada lifted the stop: out").exists()
    environments.stop_the_line(ada, reason="smoke")
    assert found.open().count() == 2
