"""Breaking the glass: offered to admins, told to everybody, red for ever."""

import io
from datetime import timedelta

import pytest
from django.core import mail
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from apps.accounts.actors import actor_for_user
from apps.audit.models import AuditEvent
from apps.deployments import alarms, services
from apps.deployments.models import Approval, Deployment
from apps.environments.models import Protection
from apps.monitoring.models import Incident
from tests.conftest import person
from tests.deployments.test_approvals import plan


@pytest.fixture
def asked(staging, hinted, olga):
    Protection.objects.filter(environment=staging).update(required_approvals=2)
    row = plan(services.request_deployment(actor_for_user(olga), environment="staging"))
    # A plan that pages can show.
    Deployment.objects.update(plan={"summary": {"update": 1}, "changes": []})
    row.refresh_from_db()
    return row


def page_of(row):
    return reverse("admin:deployments_deployment_change", args=[row.pk])


def door(row):
    return reverse("admin:break-glass", args=[row.pk])


def given(row, **more):
    return {
        "fingerprint": row.fingerprint,
        "confirm": "staging",
        "reason": "the disk burns",
        **more,
    }


def test_an_admin_breaks_it_typed_and_with_a_reason(client, asked, root):
    client.force_login(root)
    assert door(asked) in client.get(page_of(asked)).content.decode()
    page = client.get(door(asked)).content.decode()
    assert "2 approvals by others" in page
    assert "To confirm, type" in page
    for wrong in (
        {"confirm": ""},
        {"confirm": "stagin"},
        {"reason": " "},
        {"fingerprint": "e" * 64},
    ):
        answer = client.post(door(asked), given(asked, **wrong))
        assert answer.status_code in (400, 412), wrong
        assert ('id="error_reason"' in answer.content.decode()) == ("reason" in wrong)
    assert not Approval.objects.exists()
    assert client.post(door(asked), given(asked)).url == page_of(asked)
    assert asked.runs.filter(operation="update").exists()


def test_it_stays_red_on_every_page_and_over_rest(client, asked, root, vic):
    client.force_login(root)
    client.post(door(asked), given(asked))
    Deployment.objects.update(status="succeeded")
    asked.approvals.update(voided_at=timezone.now())
    client.force_login(vic)
    page = client.get(page_of(asked)).content.decode()
    assert "root broke the glass" in page
    assert "the disk burns" in page
    for address in (
        reverse("admin:deployments_deployment_changelist"),
        reverse("admin:environment", args=["staging"]),
        reverse("admin:index"),
    ):
        assert "Glass broken" in client.get(address).content.decode(), address
    api = APIClient()
    api.force_login(vic)
    assert api.get(f"/api/v1/deployments/{asked.pk}/").json()["glass_broken"] is True


def test_others_learn_who_may(client, asked, ada):
    client.force_login(ada)
    page = client.get(page_of(asked)).content.decode()
    assert "Break the glass…</button>" in page
    assert "break glass needs admin" in page
    assert client.post(door(asked), given(asked)).status_code == 403
    assert not Approval.objects.exists()


def test_every_admin_there_is_mailed_once_and_an_incident_opens(asked, root):
    root.email = "root@example.org"
    root.save()
    for name, role, address in (
        ("anna", "admin@staging", "anna@example.org"),
        ("paul", "admin@production", "paul@example.org"),
        ("mute", "admin", ""),
        ("otto", "operator", "otto@example.org"),
    ):
        one = person(name, role)
        one.email = address
        one.save()
    break_it(asked, root)
    assert Incident.objects.open().get().reason.startswith("root broke the glass")
    assert alarms.send_due() == 1
    assert alarms.send_due() == 0
    sent = mail.outbox[0]
    assert sent.subject == f"[STAGING] root broke the glass of deployment {asked.pk}"
    assert sent.bcc == ["anna@example.org", "root@example.org"]
    assert "the disk burns" in sent.body
    assert Approval.objects.get().alarmed_at is not None
    event = AuditEvent.objects.get(event="deployments.alarm.mailed")
    assert event.detail == {"recipients": 2}


def test_a_mail_server_that_is_away_delays_the_alarm_and_loses_none(asked, root, settings):
    root.email = "root@example.org"
    root.save()
    break_it(asked, root)
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    assert alarms.send_due() == 0
    row = Approval.objects.get()
    assert row.alarmed_at is None
    assert timedelta(seconds=50) < row.alarm_due_at - timezone.now() <= alarms.TRY_AGAIN
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    Approval.objects.update(alarm_due_at=timezone.now())
    assert alarms.send_due() == 1
    assert len(mail.outbox) == 1


def test_the_command_breaks_it_too(asked, root):
    keys = {"reason": "the disk burns", "user": "root", "stdout": io.StringIO()}
    with pytest.raises(CommandError, match="Type staging to approve"):
        call_command("break_glass", asked.pk, confirm="", **keys)
    call_command("break_glass", asked.pk, confirm="staging", **keys)
    assert Deployment.objects.get().glass_broken
    with pytest.raises(CommandError, match="awaits no decision"):
        call_command("break_glass", asked.pk, confirm="staging", **keys)
    with pytest.raises(CommandError, match="There is no deployment 999"):
        call_command("break_glass", 999, confirm="staging", **keys)


def break_it(row, who):
    return services.break_glass(
        actor_for_user(who),
        deployment=row.pk,
        fingerprint=row.fingerprint,
        confirm="staging",
        reason="the disk burns",
    )
