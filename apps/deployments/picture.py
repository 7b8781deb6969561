"""What the deployment page and the log show, computed from rows; nothing is changed here."""

from __future__ import annotations

import dataclasses
from collections import Counter, OrderedDict
from datetime import datetime, timedelta
from typing import Any

from apps.core.confirming import why_not
from apps.core.errors import PortalError, Refused
from apps.core.permissions import Actor, may
from apps.deployments import approvals, gates, line_page, plans, reading, validating
from apps.deployments.choices import (
    DEPLOYMENT_TRANSITIONS,
    DeploymentStatus,
    Kind,
    RunStatus,
    Verification,
)
from apps.deployments.models import Deployment, Run, RunEvent
from apps.deployments.origin import origin
from apps.deployments.revision_card import revision_card
from apps.deployments.steps import steps
from apps.monitoring.choices import Health

TAIL = 8
D = DeploymentStatus
# Component type → what people call the layer; resources without one go by their package.
LAYERS = {
    "orchestra:database:Database": "Database",
    "orchestra:mcp:McpFleet": "MCP servers",
    "orchestra:gpu:GpuPool": "GPU pool",
    "orchestra:monitoring:Monitoring": "Monitoring",
}
PACKAGES = {
    "orchestra:database": "Database",
    "orchestra:mcp": "MCP servers",
    "orchestra:lambda": "GPU pool",
    "orchestra:monitoring": "Monitoring",
    "pulumi:pulumi": "Outputs",
}
OTHER = "Other resources"
DANGEROUS = ("delete", "replace")
# The group of a plan that holds them.
LOSSES = "Deletes and replaces"
TONES = {"running": "busy", "done": "ok", "failed": "bad", "waiting": "off"}
# operation → (while it runs, when it is done)
WORDS = {
    "create": ("creating", "created"),
    "update": ("updating", "updated"),
    "replace": ("replacing", "replaced"),
    "delete": ("deleting", "deleted"),
}


@dataclasses.dataclass
class Resource:
    """One resource while a run moves it."""

    change: dict[str, Any]
    state: str = "waiting"
    began: datetime | None = None
    ended: datetime | None = None
    message: str = ""
    # Its run is over: what waits will not begin any more.
    over: bool = False

    @property
    def value(self) -> str:
        """Chooses the icon: what waits has a clock."""
        return "queued" if self.state == "waiting" and not self.over else ""

    @property
    def tone(self) -> str:
        return TONES[self.state]

    @property
    def label(self) -> str:
        running, done = WORDS.get(self.change["operation"], ("under way", "done"))
        waiting = "not begun" if self.over else "waiting"
        return {"running": running, "done": done, "waiting": waiting}.get(self.state, self.state)

    @property
    def took(self) -> float | None:
        return (self.ended - self.began).total_seconds() if self.ended and self.began else None


@dataclasses.dataclass
class Group:
    """Rows of one layer: resources on their way, or changes of a plan."""

    name: str
    rows: list[Any]
    counts: str
    tone: str = ""
    words: str = ""


def layer_of(change: dict[str, Any], components: dict[str, str]) -> str:
    """The layer by the component that holds the resource, else by its own type."""
    parent = components.get(change["parent"]) or _type_of(change["parent"])
    package = change["type"].rpartition(":")[0]
    return LAYERS.get(parent) or PACKAGES.get(package, OTHER)


def _type_of(urn: str) -> str:
    """The type in a URN: the last of the chain `A$B`."""
    parts = urn.split("::")
    return parts[2].split("$")[-1] if len(parts) > 3 else ""


def _real(row: Deployment) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Changes to real resources, and the components that hold them: URN → type."""
    changes = row.plan.get("changes", [])
    components = {change["urn"]: change["type"] for change in changes if change.get("component")}
    return [change for change in changes if not change.get("component")], components


def resources(row: Deployment, run: Run | None) -> list[Group]:
    """The plan's resources by layer with what the run's events say of each."""
    changes, components = _real(row)
    found = {change["urn"]: Resource(change) for change in changes}
    if run is not None:
        _play(run, found)
    layers: OrderedDict[str, list[Resource]] = OrderedDict()
    for resource in found.values():
        layers.setdefault(layer_of(resource.change, components), []).append(resource)
    return [_group(name, rows) for name, rows in layers.items()]


def _group(name: str, rows: list[Resource]) -> Group:
    states = Counter(resource.state for resource in rows)
    group = Group(name, rows, _counts(resource.change for resource in rows))
    for state, words in (("failed", "failed"), ("running", "under way"), ("waiting", "waiting")):
        if states[state]:
            over = state == "waiting" and rows[0].over
            group.tone, group.words = TONES[state], "not begun" if over else words
            return group
    group.tone, group.words = "ok", "done"
    return group


def _play(run: Run, found: dict[str, Resource]) -> None:
    """Moves the resources as the run's own steps (not its preview's) say."""
    kinds = ("resource_began", "resource_done", "resource_failed", "diagnostic")
    for event in run.events.filter(kind__in=kinds).exclude(urn=""):
        resource = found.get(event.urn)
        if resource is not None and not event.detail.get("planning"):
            _move(resource, event)
    if run.is_terminal:
        for resource in found.values():
            resource.over = True
            if resource.state == "running":
                resource.state = "failed"
                resource.message = resource.message or "The run ended before this did."


def _move(resource: Resource, event: RunEvent) -> None:
    if event.kind == "diagnostic":
        if event.severity == "error":
            resource.message = event.message
        return
    resource.state = event.status if event.status in TONES else resource.state
    if event.kind == "resource_began":
        resource.began = resource.began or event.at
    else:
        resource.ended = event.at


def _counts(changes: Any) -> str:
    """`2 updates, 1 create` of a group."""
    counts = Counter(change["operation"] for change in changes)
    order = [name for name in plans.OPERATIONS if counts[name]]
    return ", ".join(f"{counts[name]} {name}{'s' if counts[name] > 1 else ''}" for name in order)


def progress(groups: list[Group]) -> dict[str, int]:
    """Counts of changes by state, and their sum."""
    rows = [resource for group in groups for resource in group.rows]
    return {**{name: sum(row.state == name for row in rows) for name in TONES}, "all": len(rows)}


def plan_groups(row: Deployment) -> list[Group]:
    """Deletes and replaces first and open, then by layer."""
    changes, components = _real(row)
    layers: OrderedDict[str, list[Any]] = OrderedDict()
    for change in changes:
        is_danger = change["operation"] in DANGEROUS
        layers.setdefault(LOSSES if is_danger else layer_of(change, components), []).append(change)
    # What is lost is read before anything else, whatever order the engine told it in.
    if LOSSES in layers:
        layers.move_to_end(LOSSES, last=False)
    return [Group(name, rows, _counts(rows)) for name, rows in layers.items()]


def tail(run: Run | None) -> list[RunEvent]:
    """The last lines, for the card on the deployment page."""
    return [] if run is None else list(reversed(run.events.order_by("-sequence")[:TAIL]))


def refusal_to_apply(actor: Actor, row: Deployment) -> PortalError | None:
    """Why this actor cannot apply or approve this plan now; None when they can."""
    if error := why_not(actor, approvals.right_to_apply(row), row.environment.slug):
        return error
    if unfit := approvals.unfit(actor, row):
        return Refused(unfit.code, unfit.detail)
    closed = [blocker for blocker in gates.blockers(row) if not blocker.waits]
    return Refused(closed[0].code, closed[0].detail) if closed else None


@dataclasses.dataclass(frozen=True)
class VerifiedBy:
    """One check of the verification."""

    name: str
    id: int
    state: Health
    words: str


def verified_by(row: Deployment) -> list[VerifiedBy]:
    return [
        VerifiedBy(
            check.name,
            check.id,
            Health(check.found) if check.found else Health.UNKNOWN,
            check.reason or ("" if check.found else "not looked at since the update"),
        )
        for check in reading.checks_found(row)
    ]


def context(actor: Actor, row: Deployment) -> dict[str, Any]:
    """Everything the deployment page shows."""
    runs = list(row.runs.order_by("-pk"))
    update = next((run for run in runs if run.mutating), None)
    shown = update or (runs[0] if runs else None)
    groups = resources(row, update)
    checks = verified_by(row) if row.verification else []
    given = approvals.counting(row) if row.fingerprint else []
    done = progress(groups)
    return {
        "row": row,
        "environment": row.environment,
        "band_facts": [f"Deployment {row.pk}"],
        "run": shown,
        "active": next((run for run in runs if not run.is_terminal), None),
        "steps": steps(row, runs, approvals=given, progress=done, checks=len(checks)),
        "groups": groups,
        "progress": done,
        "plan_groups": plan_groups(row),
        "danger": {
            name: count
            for name, count in (row.plan.get("summary") or {}).items()
            if name in DANGEROUS and count
        },
        "tail": tail(shown),
        "started": (shown.started_at or shown.requested_at) if shown else None,
        "approvals_needed": approvals.needed(row),
        "approvals_given": given,
        "fingerprint": reading.fingerprint_card(row),
        "revision_card": revision_card(actor, row),
        "checks": checks,
        "verification": Verification(row.verification) if row.verification else None,
        "warnings": validating.warnings(actor, row) if row.is_open else [],
        "differences": validating.unexplained(row),
        "took": _took(row, update),
        "change_count": plans.change_count(row.plan),
        "is_destroy": row.kind == Kind.DESTROY,
        # A change that ended before it began anything has nothing to show but its plan.
        "is_applying": update is not None
        and update.status != RunStatus.QUEUED
        and (not update.is_terminal or done["waiting"] < done["all"]),
        **origin(actor, row),
        **_decisions(actor, row),
        **line_page.context(actor, row),
    }


def _took(row: Deployment, update: Run | None) -> timedelta | None:
    """How long the change took, waiting for people left out; without one, the whole."""
    if update and update.started_at and update.finished_at:
        return update.finished_at - update.started_at
    return row.finished_at - row.requested_at if row.finished_at else None


def open_counts(actor: Actor) -> list[tuple[str, str]]:
    """Badges of the list's head: tone and words of what is open, loudest first."""
    rows = Deployment.objects.visible_to(actor).open().values_list("status", flat=True)
    found = Counter(DeploymentStatus(status) for status in rows)
    order = (D.NEEDS_RECOVERY, D.AWAITING_APPROVAL, D.APPLYING, D.VERIFYING, D.PLANNING)
    return [
        (status.tone, f"{found[status]} {status.label.lower()}")
        for status in order
        if found[status]
    ][:3]


def _decisions(actor: Actor, row: Deployment) -> dict[str, Any]:
    """What this actor can do with it, and who else can."""
    slug, waits = row.environment.slug, row.status == D.AWAITING_APPROVAL
    deed = "destroy" if row.kind == Kind.DESTROY else "deploy"
    replannable = D.PLANNING in DEPLOYMENT_TRANSITIONS[row.state]
    needs_people = waits and approvals.needed(row)
    return {
        "refusal": refusal_to_apply(actor, row) if waits else None,
        "blockers": reading.blocked_by(row),
        "people": reading.people(row) if needs_people else [],
        "expires_at": reading.expires_at(row),
        "can_cancel": may(actor, "cancel", slug)
        and row.is_open
        and row.status not in (D.VERIFYING, D.NEEDS_RECOVERY),
        "can_replan": may(actor, deed, slug) and replannable and row.status != D.NEEDS_RECOVERY,
        "can_recover": may(actor, "recover", slug) and row.status == D.NEEDS_RECOVERY,
    }
