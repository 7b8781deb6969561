"""Drift: found without a claim, accepted or corrected as an approved change."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.contrib.auth import get_user_model
from django.urls import reverse
from django.utils import timezone

from apps.audit.models import AuditEvent
from apps.deployments import services
from apps.deployments.drift import drift_of
from apps.deployments.models import Deployment, Hold, Lease, Run
from apps.deployments.runner import claim, drift_watch, sweep
from apps.deployments.runner.execution import execute
from apps.environments.models import Protection


def test_a_drift_run_reads_and_takes_no_claim(world):
    run = services.request_drift(world.olga, environment="development")
    found = carry_out(world, run)
    assert found.status == "succeeded"
    assert found.drift["changes"][0]["name"] == "memory-0"
    assert not Lease.objects.exists()
    drift = drift_of(world.environment)
    assert (drift.status, len(drift.changes)) == ("drifted", 1)


def test_what_was_never_looked_at_is_unknown_and_what_is_as_declared_is_none(world):
    assert drift_of(world.environment).status == "unknown"
    world.wish(resources=0)
    carry_out(world, services.request_drift(world.olga, environment="development"))
    assert drift_of(world.environment).status == "none"


def test_accepting_drift_is_a_planned_and_confirmed_refresh(world):
    row = services.accept_drift(world.olga, environment="development")
    assert (row.kind, row.runs.get().operation) == ("refresh", "drift")
    world.carry_out(row)
    row.refresh_from_db()
    assert row.status == "awaiting_approval"
    assert row.fingerprint_parts["operation"] == "refresh"
    world.approve(row)
    assert world.carry_out(row).operation == "refresh"
    row.refresh_from_db()
    assert (row.status, row.finished_at is not None) == ("succeeded", True)


def test_correcting_drift_is_a_deployment(world):
    row = services.correct_drift(world.olga, environment="development")
    assert (row.kind, row.reason, row.runs.get().operation) == (
        "deploy",
        "correct drift",
        "preview",
    )


def test_the_schedule_looks_only_where_something_is_and_nobody_changes_it(world):
    assert drift_watch.look_for_drift() == 0
    world.applied()
    assert drift_watch.look_for_drift() == 1
    assert drift_watch.look_for_drift() == 0
    assert Run.objects.get(operation="drift").requested_by == "schedule"


def test_environments_look_at_moments_of_their_own(world, monkeypatch):
    day = datetime(2026, 11, 23, tzinfo=UTC)
    beginnings = {
        name: next(
            minute
            for minute in range(15)
            if drift_watch.slot(day + timedelta(minutes=minute + 1), 15, name)
            != drift_watch.slot(day + timedelta(minutes=minute), 15, name)
        )
        for name in (f"environment-{number}" for number in range(60))
    }
    assert len(set(beginnings.values())) > 10
    world.applied()
    looks = []
    for minute in range(46):
        with time_machine.travel(timezone.now() + timedelta(minutes=minute), tick=False):
            looks.append(drift_watch.look_for_drift())
        Run.objects.filter(operation="drift", status="queued").update(status="succeeded")
    # At once, and then at each of the environment's own quarters.
    assert looks[0] == 1
    assert 3 <= sum(looks) - 1 <= 4


def test_nobody_looks_by_the_clock_where_that_is_off(world):
    world.applied()
    Protection.objects.update(drift_minutes=0)
    assert drift_watch.look_for_drift() == 0


@pytest.fixture
def correcting(world, monkeypatch):
    """An environment that corrects its drift by itself, with something in it."""
    monkeypatch.setattr(claim, "spawn", lambda _run: None)
    world.applied()
    Deployment.objects.update(status="succeeded")
    Protection.objects.update(drift_correction=True)
    return world


def look(world):
    return carry_out(world, services.request_drift(world.olga, environment="development"))


def finish_correction(world):
    made = Deployment.objects.first()
    world.carry_out(made)
    sweep.sweep()
    update = made.runs.get(operation="update")
    assert execute(update.pk)
    Deployment.objects.filter(pk=made.pk).update(status="succeeded")
    return made


def test_drift_is_corrected_by_itself_where_the_switch_says_so(correcting):
    found = look(correcting)
    sweep.sweep()
    sweep.sweep()
    made = Deployment.objects.first()
    assert (made.requested_by, made.unattended, made.automated) == ("drift correction", True, True)
    assert made.reason == f"drift found by run {found.pk}"
    assert Deployment.objects.count() == 2
    assert finish_correction(correcting).runs.get(operation="update").status == "succeeded"


def test_what_drifts_again_within_a_day_is_left_to_people(correcting):
    look(correcting)
    sweep.sweep()
    finish_correction(correcting)
    look(correcting)
    sweep.sweep()
    sweep.sweep()
    assert Deployment.objects.count() == 2
    told = AuditEvent.objects.filter(event="deployments.drift.not_corrected")
    assert "a person decides" in told.get().detail["reason"]


def test_a_hold_stops_the_correction_and_the_record_says_so(correcting):
    last = Deployment.objects.get()
    Hold.objects.create(
        environment=correcting.environment, deployment=last, reason="bad", set_by="olga"
    )
    look(correcting)
    sweep.sweep()
    assert Deployment.objects.count() == 1
    told = AuditEvent.objects.get(event="deployments.drift.not_corrected")
    assert told.detail["code"] == "environment.held"


def test_without_the_switch_drift_is_only_shown(world):
    world.applied()
    Deployment.objects.update(status="succeeded")
    look(world)
    sweep.sweep()
    assert Deployment.objects.count() == 1


def test_the_history_of_looks_names_what_drifted(correcting, client):
    look(correcting)
    sweep.sweep()
    client.force_login(get_user_model().objects.get(username="olga"))
    text = client.get(reverse("admin:deployments_driftlook_changelist")).content.decode()
    assert "create memory-0" in text
    assert "its correction" in text
    row = Run.objects.filter(operation="drift").first()
    page = client.get(reverse("admin:deployments_driftlook_change", args=[row.pk]))
    assert page.url == reverse("admin:deployments_run_change", args=[row.pk])


def carry_out(world, run):
    assert claim.claim(run.pk)
    assert execute(run.pk)
    return Run.objects.get(pk=run.pk)
