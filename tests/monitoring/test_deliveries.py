"""Messages leave the outbox for a mail server, a webhook and a chat; none is lost."""

import datetime as dt
import json
import re

import pytest
from django.utils import timezone
from standardwebhooks import Webhook

from apps.core.errors import Invalid, Refused
from apps.core.permissions import system
from apps.monitoring import services
from apps.monitoring.client import signed
from apps.monitoring.models import AlertRoute, Delivery, Incident
from apps.monitoring.models.route import parse_clock
from apps.monitoring.runner import deliver_due, delivering
from apps.monitoring.runner.preparing import forget_rules
from tests.monitoring.hostile import HOSTILE, Server
from tests.monitoring.receivers import MailServer, Receiver, served

pytestmark = pytest.mark.django_db
SCHEDULE = system("schedule")


@pytest.fixture
def hook():
    with served(Receiver()) as server:
        yield server


@pytest.fixture
def mail(settings):
    with served(MailServer()) as server:
        settings.EMAIL_HOST, settings.EMAIL_PORT = server.server_address
        yield server


def route(kind, address, **fields):
    fields = {"name": kind, "severity": "info"} | fields
    return services.make_route(SCHEDULE, kind=kind, address=address, **fields)


def alarm(environment="production", severity="critical", name="stop_the_line"):
    return services.raise_alarm(
        SCHEDULE,
        environment=environment,
        name=name,
        reason="<!here> *gone*\nnow",
        severity=severity,
    )


def test_a_webhook_is_signed_as_standard_webhooks_say(production, hook):
    row, secret = route("webhook", hook.url)
    incident = alarm()
    assert deliver_due() == 1
    [(headers, body)] = hook.got
    found = Webhook(secret).verify(body, headers)
    assert found["type"] == "incident.opened"
    assert found["data"]["incident"] == incident.pk
    delivery = Delivery.objects.get()
    assert delivery.status == "sent"
    assert headers["webhook-id"] == delivery.message_id
    assert incident.entries.last().text == "webhook was told"
    assert "s3cret" not in row.shown + row.sealed + delivery.answer + str(row)


def test_a_mail_says_what_where_and_since_when(production, mail):
    route("email", "ops@example.org")
    alarm()
    assert deliver_due() == 1
    [message] = mail.got
    assert message["Subject"] == "[PRODUCTION] stop the line is in trouble (critical)"
    assert message["To"] == "ops@example.org"
    assert Delivery.objects.get().message_id in message["Message-ID"]
    assert "/admin/monitoring/incident/" in message.get_content()


def test_a_chat_gets_text_that_calls_nobody(production, hook):
    route("slack", hook.url)
    alarm()
    deliver_due()
    [(headers, body)] = hook.got
    text = json.loads(body)["text"]
    assert "&lt;!here&gt;" in text
    assert re.findall(r"<[^|>]*\|", text) == [text[text.index("<http") : text.index("|") + 1]]
    assert "webhook-signature" not in {name.lower() for name in headers}


def test_what_fails_comes_again_later_under_the_same_id(production, hook):
    route("webhook", hook.url)
    hook.answers = [(500, {}), (302, {"Location": "http://127.0.0.1:1/"}), (200, {})]
    alarm()
    waits = []
    for _ in range(3):
        deliver_due()
        row = Delivery.objects.get()
        if row.next_at:
            waits.append((row.next_at - timezone.now()).total_seconds())
            assert deliver_due() == 0
        Delivery.objects.filter(status="queued").update(next_at=timezone.now())
    assert row.status == "sent"
    assert row.attempts == len(hook.got) == 3
    assert {headers["webhook-id"] for headers, _ in hook.got} == {row.message_id}
    assert 3 < waits[0] < 7 < waits[1] < 13


def test_a_receiver_names_its_own_pause_and_one_that_is_gone_is_asked_no_more(production, hook):
    route("webhook", hook.url)
    hook.answers = [(429, {"Retry-After": "120"}), (410, {})]
    incident = alarm()
    deliver_due()
    assert (Delivery.objects.get().next_at - timezone.now()).total_seconds() > 100
    Delivery.objects.update(next_at=timezone.now())
    deliver_due()
    row = Delivery.objects.get()
    assert (row.status, row.next_at) == ("given_up", None)
    assert incident.entries.last().kind == "not_told"


def test_after_a_day_a_message_is_given_up_and_says_why(production):
    route("webhook", "http://127.0.0.1:1/")
    alarm()
    Delivery.objects.update(made_at=timezone.now() - dt.timedelta(days=2))
    assert deliver_due() == 0
    row = Delivery.objects.get()
    assert row.status == "given_up"
    assert "127.0.0.1" in row.answer


def test_a_sender_that_dies_loses_nothing(production, hook):
    route("webhook", hook.url)
    alarm()
    assert len(delivering.claim_due()) == 1
    assert deliver_due() == 0
    Delivery.objects.update(next_at=timezone.now())
    assert deliver_due() == 1
    assert Delivery.objects.get().attempts == 2


def test_one_that_hangs_holds_up_no_other(production, hook, monkeypatch):
    monkeypatch.setattr("apps.monitoring.client.LIMIT", 0.5)
    with served(Receiver()) as slow:
        slow.answers = [("hang", 1.5)]
        route("webhook", slow.url, name="slow")
        route("webhook", hook.url, name="quick")
        alarm()
        begun = timezone.now()
        assert deliver_due() == 1
        assert (timezone.now() - begun).total_seconds() < 1.4
    assert Delivery.objects.get(route__name="slow").answer.startswith("No answer within")


def test_a_receiver_that_means_harm_gets_its_deadline_and_no_more(production, hook, monkeypatch):
    monkeypatch.setattr("apps.monitoring.client.LIMIT", 0.8)
    servers = {name: Server(answer) for name, (answer, _) in HOSTILE.items()}
    taken = {name for name, (_, raised) in HOSTILE.items() if raised is None}
    try:
        for name, server in servers.items():
            route("webhook", server.url, name=name)
        route("webhook", hook.url, name="well")
        alarm()
        begun = timezone.now()
        assert deliver_due() == len(taken) + 1
        assert (timezone.now() - begun).total_seconds() < 3
    finally:
        for server in servers.values():
            server.close()
    for row in Delivery.objects.exclude(route__name="well").select_related("route"):
        assert row.status == ("sent" if row.route.name in taken else "queued"), row.route.name
        assert row.answer


def test_a_redirect_is_followed_nowhere_and_takes_no_signature_along(production, hook):
    route("webhook", hook.url)
    with served(Receiver()) as other:
        hook.answers = [(307, {"Location": other.url})]
        alarm()
        assert deliver_due() == 0
        assert other.got == []
    row = Delivery.objects.get()
    assert (row.status, row.answer[:3]) == ("queued", "307")


def test_what_a_rule_forbids_is_not_called_and_says_what_to_do(production, hook):
    services.allow_range(
        SCHEDULE, environment="production", network="10.0.0.0/8", ports=[], reason="ours"
    )
    forget_rules()
    route("webhook", hook.url, name="own", environment="production")
    route("webhook", hook.url, name="metadata", environment="production")
    refused = AlertRoute.objects.get(name="metadata")
    refused.put("http://169.254.169.254/latest", "whsec_QUJD")
    refused.save()
    alarm()
    assert deliver_due() == 0
    assert hook.got == []
    for row in Delivery.objects.all():
        assert "may not be reached" in row.answer
        assert "Add the range" in row.answer


def test_a_mail_server_that_knows_nobody_is_asked_again(production, mail):
    mail.refuses = True
    route("email", "ops@example.org")
    alarm()
    assert deliver_due() == 0
    assert "refuses" in Delivery.objects.get().answer


def test_routes_hear_of_their_environment_and_severity_only(production, staging, hook):
    route("webhook", hook.url, name="all")
    route("webhook", hook.url, name="staging", environment="staging")
    route("webhook", hook.url, name="critical", severity="critical")
    alarm(severity="warning")
    names = Delivery.objects.values_list("route__name", flat=True)
    assert list(names) == ["all"]
    alarm("staging", name="other")
    assert sorted(names.all()) == ["all", "all", "critical", "staging"]


def test_quiet_hours_wait_unless_it_is_critical(production, hook):
    now = timezone.now()
    clock = [f"{now + dt.timedelta(hours=h):%H:%M}" for h in (-1, 2)]
    route("webhook", hook.url, quiet_from=clock[0], quiet_to=clock[1])
    alarm(severity="warning")
    assert deliver_due() == 0
    assert 60 < (Delivery.objects.get().next_at - now).total_seconds() <= 7200
    alarm(name="other")
    assert deliver_due() == 1


@pytest.mark.parametrize(
    ("now", "until"), [("23:00", "2 07:00"), ("06:59", "1 07:00"), ("07:00", ""), ("21:59", "")]
)
def test_quiet_hours_may_pass_midnight(now, until):
    row = AlertRoute(quiet_from=parse_clock("22:00"), quiet_to=parse_clock("07:00"))
    moment = dt.datetime.fromisoformat(f"2026-01-01T{now}:00+00:00")
    found = row.quiet_until(moment)
    assert (f"{found.day} {found:%H:%M}" if found else "") == until


def test_a_silenced_incident_tells_nobody_and_says_so(production, hook):
    incident = alarm()
    route("webhook", hook.url)
    services.silence_incident(SCHEDULE, incident_id=incident.pk, minutes=10)
    services.close_incident(SCHEDULE, incident_id=incident.pk)
    assert not Delivery.objects.exists()
    assert "silent" in incident.entries.values_list("kind", flat=True)


def test_the_test_button_sends_one_message_at_once(production, olga, actor, hook):
    row, _ = route("webhook", hook.url, quiet_from="00:00", quiet_to="23:59")
    services.send_test_message(actor(olga), route_id=row.pk)
    assert deliver_due() == 1
    assert json.loads(hook.got[0][1])["type"] == "route.test"


@pytest.mark.parametrize(
    ("kind", "address"),
    [
        ("email", "nobody"),
        ("email", "a@b.org\nBcc: c@d.org"),
        ("webhook", "ftp://example.org"),
        ("webhook", "http://user:pass@example.org/"),
        ("slack", "http://[::1"),
        ("pigeon", "home"),
    ],
)
def test_an_address_that_no_message_reaches_is_refused(db, kind, address):
    with pytest.raises(Invalid) as refusal:
        route(kind, address)
    assert refusal.value.code == "route.malformed"


def test_a_name_is_taken_once_and_quiet_hours_are_clocks(db, olga, actor):
    route("email", "ops@example.org")
    with pytest.raises(Refused):
        route("email", "ops@example.org")
    with pytest.raises(Invalid):
        route("email", "ops@example.org", name="other", quiet_from="late")
    row = AlertRoute.objects.get()
    assert (
        services.set_route_enabled(actor(olga), route_id=row.pk, enabled=False).is_enabled is False
    )
    services.remove_route(actor(olga), route_id=row.pk)
    assert not AlertRoute.objects.exists()


def test_a_route_that_is_off_hears_nothing(production, hook):
    row, _ = route("webhook", hook.url)
    services.set_route_enabled(SCHEDULE, route_id=row.pk, enabled=False)
    alarm()
    assert not Delivery.objects.exists()
    assert Incident.objects.count() == 1


def test_a_signature_of_another_key_does_not_verify():
    from standardwebhooks import WebhookVerificationError

    headers = signed("msg_1", "{}", "whsec_" + "A" * 44)
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + "B" * 44).verify("{}", headers)
