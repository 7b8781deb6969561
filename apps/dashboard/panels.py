"""What the pages show, one function for each panel: a query, typed out. Nothing is changed here."""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from typing import Any

from apps.audit.models import AuditEvent
from apps.core.confirming import why_not
from apps.core.errors import PortalError
from apps.core.permissions import Actor
from apps.dashboard.layers import DECLARED_BY, LayerState, layer_states
from apps.dashboard.newest import newest
from apps.dashboard.places import TROUBLE, WORST_FIRST, counted
from apps.deployments.asking_drift import nothing_to_decide
from apps.deployments.choices import DEPLOYMENT_OPEN, DeploymentStatus
from apps.deployments.drift import Drift, drifts
from apps.deployments.models import Deployment, Run
from apps.environments.effective import effective_settings
from apps.environments.models import BaseSetting, Environment, Setting
from apps.mcp.choices import Wish
from apps.mcp.models import McpServer
from apps.monitoring.choices import Health
from apps.monitoring.models import Check

MOST_NEEDS = LINES = 8
LATEST = 5
# The deployments of an environment that a page names.
SHOWN = ("open", "last", "ended")
WORDS = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine")
WELL = frozenset({Health.HEALTHY})
DECLARATION = ("environment_id", "key", "value")
# A deed whose right has another name.
RIGHTS = {
    "validate": "check",
    "roll_back": "deploy",
    "detect_drift": "check",
    "accept_drift": "deploy",
    "correct_drift": "deploy",
    "lift_freeze": "freeze",
    "window": "freeze",
    "lock": "deploy",
    "schedule": "deploy",
    "lifetime": "destroy",
}
DECIDES_DRIFT = ("accept_drift", "correct_drift")
NEEDS_A_PERSON = (DeploymentStatus.NEEDS_RECOVERY, DeploymentStatus.AWAITING_APPROVAL)


@dataclasses.dataclass
class Place:
    """One environment as a page shows it."""

    environment: Environment
    found: Counter[Health]
    checks: list[Check]
    servers: list[McpServer]
    open: Deployment | None
    last: Deployment | None
    ended: Deployment | None
    run: Run | None
    layers: list[LayerState]
    refusal: PortalError | None
    drift: Drift
    # The newest deployments, for the page of one environment.
    latest: list[Deployment]

    @property
    def health(self) -> Health:
        """The worst of its checks; unknown where nothing is watched."""
        return next((health for health in WORST_FIRST if self.found[health]), Health.UNKNOWN)

    @property
    def healthy(self) -> int:
        return sum(self.found[health] for health in WELL)

    @property
    def watched(self) -> int:
        """How many checks look; those that are paused do not."""
        return self.found.total()

    @property
    def trouble(self) -> list[Check]:
        return [row for row in self.checks if row.is_enabled and row.state not in WELL]


def places(actor: Actor, slug: str | None = None) -> list[Place]:
    """Visible environments by rank, in a number of queries that does not grow with them."""
    rows = Environment.objects.visible_to(actor).select_related("stack", "protection")
    if slug is not None:
        rows = rows.filter(slug=slug).select_related("lifetime", "program_source")
    environments = list(rows.order_by("rank"))
    keys = [row.pk for row in environments]
    # Home shows how many checks there are; the page of one environment reads their rows.
    rows_of = Check.objects.filter(environment__in=keys).select_related("environment")
    checks = _grouped(rows_of if slug is not None else ())
    found: dict[int, Counter[Health]] = {
        key: Counter(row.state for row in checks[key] if row.is_enabled) for key in keys
    }
    if slug is None:
        for key, health, count in counted(keys):
            found[key][health] = count
    servers = _grouped(
        McpServer.objects.filter(environment__in=keys)
        .exclude(wish=Wish.RETIRED)
        .select_related("check_row")
    )
    of_one = Deployment.objects.filter(environment__in=keys).order_by("-pk")
    latest = list(of_one[:LATEST]) if slug is not None else []
    newest_of, drift = newest(keys, SHOWN, latest), drifts(keys)
    declared = _declared(keys) if slug is None else _declared_in(environments)
    runs = {
        run.stack.environment_id: run
        for run in Run.objects.active()
        .filter(stack__environment__in=keys)
        .select_related("stack")
        .order_by("pk")
    }
    return [
        Place(
            row,
            found[row.pk],
            checks[row.pk],
            servers[row.pk],
            **newest_of[row.pk],
            run=runs.get(row.pk),
            layers=layer_states(declared[row.pk], newest_of[row.pk]["last"], servers[row.pk]),
            refusal=why_not(actor, "deploy", row.slug),
            drift=drift[row.pk],
            latest=latest,
        )
        for row in environments
    ]


def _grouped(rows: Any) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = defaultdict(list)
    for row in rows:
        found[row.environment_id].append(row)
    return found


def _declared(keys: list[int]) -> dict[int, set[str]]:
    """By environment: the keys of settings that are set and not off."""
    found: dict[int, set[str]] = defaultdict(set)
    rows = Setting.objects.filter(environment__in=keys, key__in=DECLARED_BY.values())
    own = {(place, key): value for place, key, value in rows.values_list(*DECLARATION)}
    common = BaseSetting.objects.filter(key__in=DECLARED_BY.values())
    inherited = {
        (place, key): value for key, value in common.values_list("key", "value") for place in keys
    }
    for (place, key), value in {**inherited, **own}.items():
        if value:
            found[place].add(key)
    return found


def _declared_in(environments: list[Environment]) -> dict[int, set[str]]:
    """The same of few, whose settings are read whole for their page."""
    return {
        row.pk: {each.key for each in effective_settings(row) if each.value} for row in environments
    }


def needs_a_person(actor: Actor) -> list[Deployment]:
    """Recoveries, then approvals; at most eight."""
    rows = Deployment.objects.visible_to(actor).filter(status__in=NEEDS_A_PERSON)
    found = list(rows.select_related("environment").order_by("pk")[:50])
    found.sort(key=lambda row: NEEDS_A_PERSON.index(row.state))
    return found[:MOST_NEEDS]


def trouble(actor: Actor, most: int = MOST_NEEDS) -> list[Check]:
    """Checks in trouble, production first; what nobody has looked at yet is none."""
    rows = Check.objects.visible_to(actor).enabled().filter(health__in=TROUBLE)
    return list(rows.select_related("environment").order_by("-environment__rank", "name")[:most])


def recent(actor: Actor) -> list[Deployment]:
    """The newest deployments."""
    rows = Deployment.objects.visible_to(actor).select_related("environment")
    return list(rows.order_by("-pk")[:LINES])


def headline(found: list[Place], needs: list[Deployment], bad: list[Check]) -> tuple[str, str]:
    """Title and sentence of the home page."""
    count, wanted = len(found), len(needs) + len(bad)
    many = WORDS[count] if count < len(WORDS) else str(count)
    need = "nothing needs you"
    if wanted:
        some = WORDS[wanted].lower() if wanted < len(WORDS) else str(wanted)
        need = f"{some} {'thing needs' if wanted == 1 else 'things need'} a person"
    counts = Counter(row.state for row in needs)
    parts = [
        (counts[DeploymentStatus.NEEDS_RECOVERY], "in need of recovery"),
        (counts[DeploymentStatus.AWAITING_APPROVAL], "awaiting a decision"),
        (len(bad), "check in trouble" if len(bad) == 1 else "checks in trouble"),
        (sum(place.run is not None for place in found), "under way"),
    ]
    words = ", ".join(f"{number} {text}" for number, text in parts if number)
    noun = "environment" if count == 1 else "environments"
    return f"{many} {noun}, {need}", f"{words or 'All is quiet'}."


def activity(actor: Actor, environment: str | None = None) -> list[AuditEvent]:
    """The last eight things done in environments that the actor may see."""
    slugs = actor.visible_environments()
    rows = AuditEvent.objects.exclude(environment="").exclude(actor_name="seed")
    if slugs is not None:
        rows = rows.filter(environment__in=slugs)
    if environment:
        rows = rows.filter(environment=environment)
    return list(rows[:LINES])


def matrix_of_servers(found: list[Place]) -> list[dict[str, Any]]:
    """One row per port and name, one cell per environment: a server or None."""
    keys = sorted({(row.port, row.name) for place in found for row in place.servers})
    by_place = [{row.name: row for row in place.servers} for place in found]
    return [
        {"port": port, "name": name, "cells": [rows.get(name) for rows in by_place]}
        for port, name in keys
    ]


def band_facts(place: Place) -> list[str]:
    """What the band says of an environment: revision and what a change needs."""
    last, rules = place.last, place.environment.protection
    found = []
    if last and last.kind != "destroy" and last.revision.get("commit"):
        found.append(f"revision {str(last.revision['commit'])[:7]}")
    if rules.required_approvals:
        plural = "" if rules.required_approvals == 1 else "s"
        found.append(f"changes need {rules.required_approvals} approval{plural}")
    if rules.typed_confirmation or place.environment.is_production:
        found.append("typed confirmation")
    return found


@dataclasses.dataclass
class Deed:
    """Something that can be done in an environment, or why not."""

    name: str
    label: str
    link: str
    changes: bool
    words: str
    reason: str = ""
    danger: bool = False


# What waits for its turn while another deployment has it.
IN_LINE = ("deploy", "roll_back", "destroy", "accept_drift", "correct_drift")


def deeds(actor: Actor, place: Place, links: dict[str, str]) -> list[Deed]:
    """The verbs of an environment for this actor: each with its consequence or its reason."""
    slug = place.environment.slug
    busy = ""
    if place.open and place.open.status in DEPLOYMENT_OPEN:
        word = place.open.state.label.lower()
        busy = f"Waits in line behind deployment {place.open.pk}: {word}. "
    rows = [
        ("deploy", "Deploy", "Deploy…", True, "Plans first; nothing changes before you confirm."),
        ("roll_back", "Roll back", "Roll back…", True, "Shows what each way back would change."),
        (
            "destroy",
            "Destroy",
            "Destroy…",
            True,
            "Removes everything the stack holds, after a plan.",
        ),
        ("check", "Look at the checks now", "Check now", False, "Reads only."),
        (
            "validate",
            "Validate",
            "Validate…",
            False,
            "Settings, secrets, database, ports, engine: what failed blocks a deployment.",
        ),
        ("detect_drift", "Detect drift", "Detect drift…", False, "Reads the real things back."),
        ("accept_drift", "Accept drift", "Accept drift…", True, "The real things are right."),
        ("correct_drift", "Correct drift", "Correct drift…", True, "The declaration is right."),
        ("freeze", "Freeze", "Freeze…", True, "No change begins until a moment you choose."),
        ("schedule", "Schedule", "Schedule…", True, "A deployment at a time, once or by cron."),
        ("lifetime", "Lifetime", "Lifetime…", True, "Destroyed at a moment; again to extend."),
        ("window", "Add a window", "Add window…", True, "Changes begin only in its hours."),
        ("lock", "Lock", "Lock…", True, "Only your own deployments begin until it expires."),
        ("lift_freeze", "Lift the freeze", "Lift…", True, "What waits for it starts then."),
    ]
    found = []
    for action, name, label, changes, words in rows:
        if action not in links:
            continue
        refusal = why_not(actor, RIGHTS.get(action, action), slug)
        reason = refusal.text if refusal else ""
        # The others may be needed after a first deployment that failed half-way.
        if not reason and action == "roll_back" and place.last is None:
            reason = f"Nothing is deployed in {slug} that could be gone back from."
        if not reason and action in DECIDES_DRIFT:
            undecided = nothing_to_decide(place.drift, place.environment)
            reason = undecided.text if undecided else ""
        told = f"{busy if action in IN_LINE else ''}{words}"
        found.append(Deed(name, label, links[action], changes, told, reason, action == "destroy"))
    return found
