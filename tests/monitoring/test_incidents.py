"""An incident opens and closes with its checks, and a person's verbs stand in its timeline."""

import pytest
from django.utils import timezone

from apps.audit.models import AuditEvent
from apps.core.errors import Forbidden, NotFound, Refused
from apps.monitoring import services
from apps.monitoring.choices import Health
from apps.monitoring.models import Check, Incident
from apps.monitoring.probes import Finding
from apps.monitoring.runner import tend_incidents
from apps.monitoring.runner.claiming import Claim
from apps.monitoring.runner.recording import record_batch
from tests.conftest import person

pytestmark = pytest.mark.django_db


@pytest.fixture
def check_of():
    def make(environment, name="memory", **fields):
        return Check.objects.create(
            environment=environment, name=name, kind="tcp", fall=1, rise=1, **fields
        )

    return make


def found(row, health, reason="because"):
    row.refresh_from_db()
    claim = Claim(row, timezone.now(), row.next_check_at)
    record_batch([(claim, Finding(Health(health), reason, "code"))])


def words_of(incident):
    return list(incident.entries.values_list("kind", flat=True))


def test_trouble_opens_one_incident_and_recovery_closes_it(check_of, production):
    row = check_of(production)
    found(row, "unreachable")
    found(row, "unreachable", "still")
    incident = Incident.objects.get()
    assert (incident.thing, incident.severity, incident.status) == ("memory", "critical", "open")
    assert incident.outage_at is not None
    found(row, "healthy")
    incident.refresh_from_db()
    assert incident.status == "closed"
    assert words_of(incident) == ["opened", "closed"]


def test_a_suspect_check_opens_nothing(production):
    row = Check.objects.create(environment=production, name="memory", kind="tcp", fall=3)
    found(row, "unreachable")
    assert Check.objects.get().health == "suspect"
    assert not Incident.objects.exists()


def test_a_server_and_its_process_are_one_incident(check_of, development):
    server, process = check_of(development), check_of(development, "memory process")
    found(server, "unreachable")
    found(process, "unreachable")
    found(server, "healthy")
    assert Incident.objects.get().status == "open"
    found(process, "healthy")
    assert Incident.objects.get().status == "closed"


def test_unknown_neither_opens_nor_closes(check_of, production):
    row = check_of(production)
    found(row, "unknown")
    assert not Incident.objects.exists()
    found(row, "unreachable")
    Check.objects.update(health="unknown")
    tend_incidents()
    assert Incident.objects.get().status == "open"


def test_what_gets_worse_asks_for_a_person_again(check_of, production, olga, actor):
    row = check_of(production)
    found(row, "degraded")
    incident = Incident.objects.get()
    assert (incident.severity, incident.outage_at) == ("warning", None)
    services.acknowledge_incident(actor(olga), incident_id=incident.pk)
    found(row, "unreachable")
    incident.refresh_from_db()
    assert (incident.severity, incident.status, incident.acknowledged_by) == (
        "critical",
        "open",
        "",
    )
    assert words_of(incident) == ["opened", "acknowledged", "worsened"]


def test_a_paused_check_is_no_trouble(check_of, production, olga, actor):
    row = check_of(production)
    found(row, "unreachable")
    services.set_check_enabled(actor(olga), check_id=row.pk, enabled=False)
    incident = Incident.objects.get()
    assert incident.status == "closed"
    assert incident.entries.last().text == "Paused by olga."
    tend_incidents()
    assert Incident.objects.count() == 1
    services.set_check_enabled(actor(olga), check_id=row.pk, enabled=True)
    assert Incident.objects.open().count() == 1


def test_a_retired_check_takes_its_incident_along(check_of, production, olga, actor):
    row = check_of(production)
    found(row, "unreachable")
    services.retire_check(actor(olga), check_id=row.pk)
    assert Incident.objects.get().status == "closed"


def test_the_sweeper_makes_good_what_nobody_followed(check_of, production, development):
    check_of(production, health="unreachable")
    assert tend_incidents() == 1
    assert Incident.objects.get().environment == production
    Check.objects.update(health="healthy")
    assert tend_incidents() == 1
    assert Incident.objects.get().status == "closed"
    assert tend_incidents() == 0


def test_only_the_first_acknowledges(check_of, production, olga, ada, actor):
    found(check_of(production), "unreachable")
    key = Incident.objects.get().pk
    services.acknowledge_incident(actor(olga), incident_id=key, comment="Looking.")
    with pytest.raises(Refused) as refusal:
        services.acknowledge_incident(actor(ada), incident_id=key)
    assert refusal.value.code == "incident.acknowledged"
    assert "olga acknowledged it" in refusal.value.text
    assert AuditEvent.objects.filter(event="monitoring.incident.acknowledged").count() == 1


def test_a_silence_ends_by_itself_and_tells_again(check_of, production, olga, actor):
    found(check_of(production), "unreachable")
    incident = Incident.objects.get()
    services.silence_incident(actor(olga), incident_id=incident.pk, minutes=30, reason="Known.")
    incident.refresh_from_db()
    assert incident.is_silent()
    Incident.objects.update(silenced_until=timezone.now())
    assert tend_incidents() == 1
    incident.refresh_from_db()
    assert incident.silenced_until is None
    assert words_of(incident) == ["opened", "silenced", "unsilenced"]


@pytest.mark.parametrize("minutes", [-1, 8 * 24 * 60])
def test_a_silence_has_an_end(check_of, production, olga, actor, minutes):
    found(check_of(production), "unreachable")
    with pytest.raises(Refused) as refusal:
        services.silence_incident(
            actor(olga), incident_id=Incident.objects.get().pk, minutes=minutes
        )
    assert refusal.value.code == "silence.length"


def test_an_incident_of_checks_closes_itself_only(check_of, production, olga, actor):
    found(check_of(production), "unreachable")
    with pytest.raises(Refused) as refusal:
        services.close_incident(actor(olga), incident_id=Incident.objects.get().pk)
    assert refusal.value.code == "incident.closes_itself"


def test_an_alarm_of_the_portal_is_raised_once_and_closed_by_a_person(production, olga, actor):
    for _ in range(2):
        row = services.raise_alarm(
            actor(olga), environment="production", name="break_glass", reason="olga broke the glass"
        )
    assert Incident.objects.get() == row
    assert (row.thing, row.severity) == ("break glass", "critical")
    services.close_incident(actor(olga), incident_id=row.pk)
    with pytest.raises(Refused) as refusal:
        services.silence_incident(actor(olga), incident_id=row.pk, minutes=5)
    assert refusal.value.code == "incident.closed"


def test_a_viewer_changes_nothing_and_a_stranger_finds_nothing(check_of, production, vic, actor):
    found(check_of(production), "unreachable")
    key = Incident.objects.get().pk
    with pytest.raises(Forbidden):
        services.acknowledge_incident(actor(vic), incident_id=key)
    with pytest.raises(NotFound):
        services.acknowledge_incident(actor(person("dev", "operator@development")), incident_id=key)
