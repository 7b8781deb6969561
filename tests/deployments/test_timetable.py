"""Deployments by the clock: once, by cron, late, missed, and the end of a life."""

import io
import smtplib
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.contrib.auth import get_user_model
from django.core import mail
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from apps.accounts.models import RoleBinding
from apps.audit.models import AuditEvent
from apps.core.errors import Forbidden, Invalid, Refused
from apps.deployments import services, time_receivers
from apps.deployments.models import Deployment, Firing, Lifetime, Schedule
from apps.deployments.runner import claim, sweep, timetable
from apps.deployments.services.timetabling import Timing
from tests.deployments.test_races import together

HOUR = timedelta(hours=1)
NIGHTLY = Timing(cron="0 2 * * *", zone="Europe/Berlin")


@pytest.fixture
def quiet(monkeypatch):
    monkeypatch.setattr(claim, "spawn", lambda _run: None)


def schedule(world, timing, **keys):
    given = {"environment": "development", "name": "nightly", "reason": "fresh", **keys}
    return services.schedule_deployment(world.olga, timing=timing, **given)


def travel(moment):
    return time_machine.travel(moment, tick=False)


def test_a_deployment_at_a_moment_is_requested_once_then(world, quiet):
    row = schedule(world, Timing(at=timezone.now() + HOUR))
    sweep.sweep()
    assert not Deployment.objects.exists()
    with travel(row.next_at + timedelta(seconds=4)):
        for _ in range(3):
            sweep.sweep()
    made = Deployment.objects.get()
    assert made.requested_by == "olga by schedule nightly"
    assert (made.automated, made.reason) == (True, "fresh")
    firing = Firing.objects.get()
    assert (firing.outcome, firing.deployment) == ("requested", made)
    assert Schedule.objects.get().next_at is None


def test_a_cron_fires_again_at_its_local_time(world, quiet):
    with travel(datetime(2026, 3, 28, 12, tzinfo=UTC)):
        row = schedule(world, NIGHTLY)
        # 02:00 does not exist on the 29th: the moment of the jump.
        assert row.next_at == datetime(2026, 3, 29, 1, tzinfo=UTC)
    with travel(datetime(2026, 3, 29, 1, 0, 3, tzinfo=UTC)):
        sweep.sweep()
    row.refresh_from_db()
    assert row.next_at == datetime(2026, 3, 30, 0, tzinfo=UTC)
    assert Deployment.objects.count() == 1


def test_many_beats_fire_a_moment_once(world, quiet):
    row = schedule(world, Timing(at=timezone.now() + HOUR))
    Schedule.objects.filter(pk=row.pk).update(next_at=timezone.now())
    together(20, lambda _: (timetable.find_due(), timetable.tell_firings()))
    assert Firing.objects.count() == 1
    assert Deployment.objects.count() == 1


def test_a_late_moment_is_made_up_and_an_older_one_is_skipped_and_recorded(world, quiet):
    row = schedule(world, NIGHTLY)
    due = row.next_at
    with travel(due + timedelta(minutes=14)):
        sweep.sweep()
    assert Firing.objects.get().outcome == "requested"
    second = Schedule.objects.get().next_at
    with travel(second + timedelta(minutes=16)):
        sweep.sweep()
    skipped = Firing.objects.get(due_at=second)
    assert (skipped.outcome, skipped.deployment) == ("skipped", None)
    assert "more than 15 minutes" in skipped.detail
    assert AuditEvent.objects.filter(event="deployments.schedule.skipped").exists()


def test_after_a_long_pause_of_the_beat_only_the_last_moment_counts(world, quiet):
    row = schedule(world, Timing(cron="0 * * * *"))
    with travel(row.next_at + 5 * HOUR + timedelta(minutes=2)):
        sweep.sweep()
    outcomes = list(Firing.objects.order_by("pk").values_list("outcome", flat=True))
    assert outcomes == ["skipped", "requested"]
    assert "5 moments" in Firing.objects.order_by("pk")[0].detail


def test_a_firing_whose_worker_died_is_carried_out_by_the_next_look(world, quiet):
    row = schedule(world, Timing(at=timezone.now() + HOUR))
    with travel(row.next_at):
        timetable.find_due()
    assert Firing.objects.get().outcome == "due"
    sweep.sweep()
    sweep.sweep()
    assert Firing.objects.get().outcome == "requested"
    assert Deployment.objects.count() == 1


def test_an_unattended_plan_applies_itself_and_a_freeze_makes_it_wait(world, quiet):
    from apps.environments.models import Freeze

    row = schedule(world, Timing(at=timezone.now() + HOUR), unattended=True)
    with travel(row.next_at):
        sweep.sweep()
    made = Deployment.objects.get()
    world.carry_out(made)
    freeze = Freeze.objects.create(
        environment=world.environment,
        reason="x",
        created_by="ada",
        starts_at=timezone.now() - HOUR,
        ends_at=timezone.now() + HOUR,
    )
    sweep.sweep()
    made.refresh_from_db()
    assert (made.status, made.status_code) == ("scheduled", "environment.frozen")
    freeze.delete()
    sweep.sweep()
    assert world.fresh(made).status == "applying"


def test_an_unattended_plan_waits_where_people_approve(world, quiet):
    world.environment.protection.required_approvals = 1
    world.environment.protection.save()
    row = schedule(world, Timing(at=timezone.now() + HOUR), unattended=True)
    with travel(row.next_at):
        sweep.sweep()
    made = Deployment.objects.get()
    world.carry_out(made)
    sweep.sweep()
    assert world.fresh(made).status == "awaiting_approval"


def test_who_lost_the_right_or_the_account_fires_nothing(world, quiet):
    row = schedule(world, Timing(cron="0 * * * *"))
    RoleBinding.objects.all().delete()
    with travel(row.next_at):
        sweep.sweep()
    firing = Firing.objects.get()
    assert (firing.outcome, Deployment.objects.count()) == ("refused", 0)
    get_user_model().objects.filter(username="olga").update(is_active=False)
    with travel(Schedule.objects.get().next_at):
        sweep.sweep()
    assert "has no account any more" in Firing.objects.first().detail


def test_a_paused_schedule_makes_nothing_up(world, quiet):
    row = schedule(world, NIGHTLY)
    services.pause_schedule(world.olga, schedule=row.pk)
    with travel(row.next_at + HOUR):
        sweep.sweep()
        assert not Firing.objects.exists()
        services.pause_schedule(world.olga, schedule=row.pk, paused=False)
        sweep.sweep()
    assert not Firing.objects.exists()
    services.end_schedule(world.olga, schedule=row.pk)
    with pytest.raises(Refused) as caught:
        services.end_schedule(world.olga, schedule=row.pk)
    assert caught.value.code == "schedule.over"


@pytest.mark.parametrize(
    "timing",
    [
        Timing(),
        Timing(at=datetime(2020, 1, 1, tzinfo=UTC)),
        Timing(at=datetime(2100, 1, 1, tzinfo=UTC), cron="* * * * *"),
        Timing(cron="sometimes"),
        Timing(cron="0 2 * * *", zone="Berlin"),
        Timing(cron="0 2 * * *", late_minutes=-1),
    ],
)
def test_a_schedule_nobody_can_use_is_refused(timing, world):
    with pytest.raises(Invalid) as caught:
        schedule(world, timing)
    assert caught.value.code == "schedule.malformed"
    assert caught.value.errors


def live(world, hours):
    return services.set_lifetime(
        world.olga,
        environment="development",
        ends_at=timezone.now() + hours * HOUR,
        reason="a trial",
    )


def test_an_environment_is_warned_of_and_destroyed_when_its_time_comes(world, quiet, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    get_user_model().objects.filter(username="olga").update(email="olga@example.org")
    end = live(world, 48).ends_at
    sweep.sweep()
    assert len(mail.outbox) == 0
    for before, count in ((23, 1), (22, 1), (0.9, 2), (0.5, 2)):
        with travel(end - before * HOUR):
            sweep.sweep()
        assert len(mail.outbox) == count
    assert mail.outbox[0].bcc == ["olga@example.org"]
    assert "[DEVELOPMENT] development is destroyed at" in mail.outbox[0].subject
    with travel(end):
        sweep.sweep()
        sweep.sweep()
    made = Deployment.objects.get()
    assert (made.kind, made.unattended, made.requested_by) == ("destroy", True, "lifetime")
    assert Lifetime.objects.get().deployment == made
    world.carry_out(made)
    sweep.sweep()
    made.refresh_from_db()
    assert (made.status, made.runs.filter(operation="destroy").count()) == ("applying", 1)


def test_extending_a_life_moves_its_end_and_its_warnings(world, quiet, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    end = live(world, 2).ends_at
    assert Lifetime.objects.get().warned_day_at is not None
    live(world, 72)
    with travel(end + HOUR):
        sweep.sweep()
    row = Lifetime.objects.get()
    assert (row.ended_at, row.warned_day_at) == (None, None)
    assert not Deployment.objects.exists()
    services.clear_lifetime(world.olga, environment="development")
    with pytest.raises(Refused) as caught:
        services.clear_lifetime(world.olga, environment="development")
    assert caught.value.code == "lifetime.none"


def test_a_warning_that_could_not_be_mailed_is_tried_again(world, quiet, monkeypatch):
    get_user_model().objects.filter(username="olga").update(email="olga@example.org")
    sent = []

    def mail_or_fail(lifetime, _addresses):
        sent.append(lifetime)
        if len(sent) == 1:
            raise smtplib.SMTPServerDisconnected

    monkeypatch.setattr(time_receivers, "_mail", mail_or_fail)
    end = live(world, 30).ends_at
    with travel(end - 20 * HOUR):
        sweep.sweep()
        sweep.sweep()
    assert len(sent) == 1
    with travel(end - 20 * HOUR + timedelta(minutes=2)):
        sweep.sweep()
        sweep.sweep()
    assert len(sent) == 2
    assert AuditEvent.objects.filter(event="deployments.lifetime.warned").count() == 1


def test_production_has_no_end_and_a_viewer_gives_none(world):
    from apps.accounts.actors import actor_for_user
    from tests.conftest import make_environment, person

    make_environment("production", "production", 40, "crimson")
    with pytest.raises(Refused) as caught:
        services.set_lifetime(
            world.olga,
            environment="production",
            ends_at=timezone.now() + HOUR,
            reason="never",
        )
    assert caught.value.code == "lifetime.production"
    with pytest.raises(Invalid):
        schedule(world, NIGHTLY, environment="production", unattended=True)
    world.olga = actor_for_user(person("vic", "viewer"))
    with pytest.raises(Forbidden):
        live(world, 5)
    with pytest.raises(Forbidden):
        schedule(world, NIGHTLY)


def test_schedules_and_lifetimes_over_rest(world):
    olga = get_user_model().objects.get(username="olga")
    api = APIClient()
    api.force_login(olga)
    body = {"environment": "development", "name": "n", "reason": "r", "cron": "0 2 * * *"}
    made = api.post("/api/v1/schedules/", body, format="json")
    assert made.status_code == 201, made.json()
    base = f"/api/v1/schedules/{made.json()['id']}/"
    assert api.post(f"{base}pause/", {}).json()["paused_at"]
    assert api.post(f"{base}resume/", {}).json()["paused_at"] is None
    assert api.get(f"{base}firings/").json() == []
    assert api.post(f"{base}end/", {}).json()["ended_by"] == "olga"
    assert api.post(f"{base}end/", {}).status_code == 409
    life = "/api/v1/environments/development/lifetime/"
    assert api.get(life).status_code == 404
    until = (timezone.now() + 5 * HOUR).isoformat()
    assert api.put(life, {"ends_at": until, "reason": "x"}, format="json").status_code == 200
    assert api.get(life).json()["set_by"] == "olga"
    assert api.delete(life).status_code == 204


def test_schedules_and_lifetimes_on_their_pages(world, client):
    client.force_login(get_user_model().objects.get(username="olga"))
    page = reverse("admin:environment", args=["development"])
    given = {"name": "weekly", "reason": "fresh", "cron": "0 3 * * sun", "late_minutes": "5"}
    assert client.post(reverse("admin:schedule", args=["development"]), given).url == page
    row = Schedule.objects.get(name="weekly")
    assert "weekly" in client.get(page).content.decode()
    assert "weekly" in client.get(reverse("admin:deployments_schedule_changelist")).content.decode()
    for name in ("schedule-pause", "schedule-pause", "schedule-end"):
        address = reverse(f"admin:{name}", args=["development", row.pk])
        assert client.get(address).status_code == 200
        assert client.post(address, {}).url == page
    soon = (timezone.now() + 5 * HOUR).strftime("%Y-%m-%dT%H:%M")
    life = reverse("admin:lifetime", args=["development"])
    assert client.post(life, {"ends_at": soon, "reason": "trial"}).status_code == 400
    for address, given in (
        (life, {"ends_at": soon, "confirm": "development"}),
        (reverse("admin:schedule", args=["development"]), {"name": "x", "cron": "0 3 * * *"}),
    ):
        assert 'id="error_reason"' in client.post(address, given).content.decode()
    given = {"ends_at": soon, "reason": "trial", "confirm": "development"}
    assert client.post(life, given).url == page
    assert "development is destroyed at" in client.get(page).content.decode()
    assert "trial" in client.get(reverse("admin:index")).content.decode()
    assert client.post(reverse("admin:lifetime-clear", args=["development"]), {}).url == page
    assert client.get(reverse("admin:deployments_firing_changelist")).status_code == 200


def test_schedules_and_lifetimes_by_command(world):
    soon = (timezone.now() + 5 * HOUR).strftime("%Y-%m-%dT%H:%M")
    out = io.StringIO()
    call_command(
        "schedule_deployment", "development", "--name", "x", "--reason", "y", "--cron",
        "0 4 * * *", "--as", "olga", stdout=out,
    )  # fmt: skip
    call_command(
        "set_lifetime", "development", "--until", soon, "--reason", "y", "--as", "olga", stdout=out
    )
    call_command("set_lifetime", "development", "--clear", "--as", "olga", stdout=out)
    assert "fires at" in out.getvalue()
    assert out.getvalue().endswith("development lives on without an end.\n")
    with pytest.raises(CommandError, match="five"):
        call_command(
            "schedule_deployment", "development", "--name", "x", "--reason", "y", "--cron", "x",
            "--as", "olga",
        )  # fmt: skip
