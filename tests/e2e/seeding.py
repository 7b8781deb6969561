"""A portal with a past: a row of everything that has a page, in every status that a page shows."""

import json
from datetime import timedelta

from django.utils import timezone

from apps.accounts.models import Token
from apps.audit.services import record
from apps.core.permissions import system
from apps.core.sealing import seal
from apps.deployments.choices import DeploymentStatus
from apps.deployments.models import (
    Evidence,
    Firing,
    Hold,
    KeptRevision,
    Lifetime,
    RejectedRevision,
    Run,
    Schedule,
    StateCopy,
)
from apps.deployments.states import state_identity
from apps.environments.models import (
    BaseSetting,
    Freeze,
    NamedLock,
    Port,
    Secret,
    Setting,
    Stop,
    Validation,
    Window,
)
from apps.environments.secrets import secret_identity
from apps.monitoring.models import AlertRoute, Delivery, Incident, IncidentEntry
from tests.conftest import person
from tests.dashboard.conftest import HOSTILE, URN, plan

COMMIT = "4f9c2e1b07aa4f9c2e1b07aa4f9c2e1b07aa4f9c"
DIGEST = "dd73bd97a70f"


def seed(deployment, **places):
    """`deployment` is the fixture that makes one; `places` the environments by their slugs."""
    development, staging = places["development"], places["staging"]
    for status in DeploymentStatus.values:
        place = staging if status == "awaiting_approval" else development
        changes = plan(create=1, update=1, replace=1, delete=1, same=2)
        deployment(place, status, plan=changes, fingerprint="7d3f91c2b4e05a6d", status_reason="No.")
    for place in places.values():
        of_environment(place, deployment)
    of_revisions()
    of_monitoring(staging)
    Stop.objects.create(reason="year end", stopped_by="ada")
    record(system("seed"), "seed.made", environment="staging", note=HOSTILE)
    Token.objects.create(user=person("otto", "viewer"), name="watch", key="beef", digest="x")


def of_environment(place, deployment):
    now = timezone.now()
    span = {"starts_at": now, "ends_at": now + timedelta(hours=1)}
    Freeze.objects.create(environment=place, reason="year end", created_by="ada", **span)
    Window.objects.create(
        environment=place,
        reason="office hours",
        created_by="ada",
        weekdays=[0, 1],
        begins="09:00",
        ends="17:00",
    )
    NamedLock.objects.create(
        environment=place, name="bench", owner="ada", reason="measuring", expires_at=span["ends_at"]
    )
    for kind in ("text", "structure"):
        Setting.objects.create(environment=place, key=f"the_{kind}", kind=kind, value=HOSTILE)
    BaseSetting.objects.get_or_create(key="the_base", defaults={"kind": "text", "value": "x"})
    Secret.objects.create(
        environment=place,
        key="api_key",
        version=2,
        sealed=seal("x", secret_identity(place.slug, "api_key", 2)),
        fingerprint="5c9a",
        set_by="ada",
    )
    Port.objects.create(environment=place, port=8010 + place.rank, owner="memory", note=HOSTILE)
    items = [
        {"code": "port.taken", "status": "failed", "detail": HOSTILE, "next_step": "Stop it."},
        {"code": "engine.present", "status": "passed", "detail": "embedded", "next_step": ""},
    ]
    Validation.objects.create(
        environment=place, by="ada", occasion="asked", status="failed", items=items
    )
    schedule = Schedule.objects.create(
        environment=place, name="nightly", cron="0 3 * * *", reason="fresh", created_by="ada"
    )
    due = {"schedule": schedule, "environment": place, "due_at": now}
    Firing.objects.create(**due, outcome="skipped", detail=HOSTILE)
    of_past(place, deployment)
    if place.tier != "production":
        ends = now + timedelta(hours=9)
        Lifetime.objects.create(environment=place, ends_at=ends, reason="trial", set_by="ada")


def of_past(place, deployment):
    """Two copies of the state, a rollback that is held, and a look for drift."""
    for number in (1, 2):
        row, _ = deployment(place, "succeeded", plan=plan(update=1))
        run = row.runs.last()
        state = json.dumps({"version": 3, "deployment": {"resources": resources(number)}})
        sealed = {"sealed": seal(state, state_identity(run.pk))}
        StateCopy.objects.create(
            run=run, stack=run.stack, digest=f"{number}" * 64, resources=1, document=sealed
        )
        kept = {"program_kind": "portal", "program_digest": DIGEST, "config_digest": "c"}
        KeptRevision.objects.create(deployment=row, sealed="x", **kept)
    Hold.objects.create(environment=place, deployment=row, reason="it broke", set_by="ada")
    Run.objects.create(
        stack=place.stack,
        operation="drift",
        status="succeeded",
        finished_at=timezone.now(),
        drift=plan(update=1),
    )


def resources(number):
    """What a state holds: one server, whose version is the number."""
    return [{"urn": URN, "type": "orchestra:mcp:Server", "inputs": {"version": number}}]


def of_revisions():
    now = timezone.now()
    Evidence.objects.create(
        kind="tests",
        result="passed",
        commit=COMMIT,
        who="ci",
        reported_by="ci",
        reported_by_kind="token",
        at=now,
        comment=HOSTILE,
    )
    RejectedRevision.objects.create(
        commit=COMMIT, program_digest=DIGEST, reason=HOSTILE, rejected_by="ada"
    )


def of_monitoring(place):
    now = timezone.now()
    route = AlertRoute(
        name="on call", kind="webhook", environment=place, shown="https://hooks", made_by="ada"
    )
    route.put("https://hooks.example/one", "whsec_x")
    route.save()
    for number, status in enumerate(("open", "closed")):
        incident = Incident.objects.create(
            environment=place,
            source="check",
            key=f"check:{number}",
            thing="memory",
            severity="critical",
            reason=HOSTILE,
            status=status,
            opened_at=now,
            closed_at=now if status == "closed" else None,
        )
        IncidentEntry.objects.create(incident=incident, kind="opened", text=HOSTILE)
        Delivery.objects.create(
            route=route,
            incident=incident,
            message_id=f"msg_{number}",
            event="incident.opened",
            severity="critical",
            payload={},
            answer=HOSTILE,
        )
