"""The recovery as a ladder: six rungs, each with its fact and whether it is done. Reads only."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import Any

from django.db.models import QuerySet

from apps.audit.models import AuditEvent
from apps.deployments.choices import Operation, RunStatus
from apps.deployments.models import Deployment, Run, RunEvent, StateCopy
from apps.deployments.runner import settling

SIGNS = {"creating": "create", "updating": "update", "deleting": "delete"}


@dataclasses.dataclass
class Pending:
    """One operation that nobody finished, with the last event of its resource."""

    operation: str
    urn: str
    name: str
    type: str
    last: RunEvent | None


@dataclasses.dataclass(frozen=True)
class Lock:
    """A lock of the backend as the engine wrote it; `state` is `ours`, `foreign` or `removed`."""

    owner: str
    host: str
    pid: int | None
    since: datetime | None
    state: str


@dataclasses.dataclass
class Step:
    """`name` is the verb's; `open` the first that is not done. `who` and `at` of who did it."""

    name: str
    title: str
    fact: str
    button: str
    is_done: bool
    is_open: bool = False
    who: str = ""
    at: datetime | None = None
    pending: list[Pending] = dataclasses.field(default_factory=list)
    locks: list[Lock] = dataclasses.field(default_factory=list)
    # The copy of the state that was kept when it was looked at.
    state_copy: int | None = None

    @property
    def tone(self) -> str:
        return "ok" if self.is_done else "warn" if self.is_open else "off"


def lost_run(row: Deployment) -> Run | None:
    """The run of which nobody knows what it did: the stack's newest lost one, else its own last."""
    related = ("stack__environment", "deployment")
    rows = Run.objects.select_related(*related).filter(mutating=True).order_by("-pk")
    own = rows.filter(deployment=row)
    gone = (RunStatus.LOST, RunStatus.ERRORED, RunStatus.FAILED)
    return (
        own.filter(status__in=gone).first()
        or rows.filter(stack__environment=row.environment, status__in=gone).first()
        or own.first()
    )


def steps(row: Deployment) -> list[Step]:
    """The ladder of a deployment in need of recovery; empty where no run was lost."""
    run = lost_run(row)
    if run is None:
        return []
    done = _records(row, run)
    refreshes = _refreshes(row, run)
    found = [
        _death(run, done),
        _under_way(run, done),
        _lock(run, done),
        _read_back(refreshes),
        _creates(run, refreshes),
        Step(
            "plan",
            "Plan again",
            "The new plan goes through approval like any other. Nothing is applied by itself.",
            "Plan again",
            is_done=False,
        ),
    ]
    opened = next((step for step in found if not step.is_done), None)
    if opened is not None:
        opened.is_open = True
    return found


def records(row: Deployment) -> QuerySet[AuditEvent]:
    """What was recorded of the steps of its recovery."""
    return AuditEvent.objects.filter(
        object_type="deployments.deployment",
        object_id=str(row.pk),
        event__startswith="deployments.recovery.",
    )


def _records(row: Deployment, run: Run) -> dict[str, AuditEvent]:
    """The last record of each step; `settled` is what the sweeper did of them by itself."""
    found = {event.event.rpartition(".")[2]: event for event in records(row).order_by("pk")}
    settled = AuditEvent.objects.filter(
        event="deployments.run.settled", object_id=str(run.pk)
    ).order_by("-pk")
    return found | {event.event.rpartition(".")[2]: event for event in settled[:1]}


def _death(run: Run, done: dict[str, AuditEvent]) -> Step:
    alive = settling.living_processes(run)
    known = settling.processes_of(run)
    names = ", ".join(f"pid {facts.pid} on {facts.host}" for facts in alive or known)
    if alive:
        fact = f"Nobody can prove it: {names}. End them there, then look again."
    else:
        fact = f"Yes: {names or 'it never had a process'}; none of them exists any more."
    who = _who(done.get("death_proven"))
    return Step(
        "prove-death",
        "Is the process really gone?",
        fact,
        "Look again",
        is_done=not alive,
        who=who[0] or ("" if alive else "portal"),
        at=who[1] or (None if alive else run.finished_at),
    )


def _under_way(run: Run, done: dict[str, AuditEvent]) -> Step:
    looked = settling.SETTLED in run.parameters
    pending = [_pending(run, entry) for entry in run.pending_operations]
    count = len(pending)
    noun = "operation" if count == 1 else "operations"
    fact = f"The state lists {count} {noun} that nobody finished. A copy of the state was kept."
    who = _who(done.get("state_read") or done.get("settled"))
    return Step(
        "look-at-state",
        "What was under way?",
        fact if looked else "Nobody has looked at the state yet.",
        "Look at the state",
        is_done=looked,
        who=who[0] or ("portal" if looked else ""),
        at=who[1],
        pending=pending,
        state_copy=StateCopy.objects.filter(run=run).values_list("pk", flat=True).first(),
    )


def _pending(run: Run, entry: dict[str, Any]) -> Pending:
    urn = str(entry.get("urn", ""))
    return Pending(
        SIGNS.get(str(entry.get("operation")), "update"),
        urn,
        urn.rpartition("::")[2],
        str(entry.get("type", "")),
        run.events.filter(urn=urn).order_by("-sequence").first(),
    )


def _lock(run: Run, done: dict[str, AuditEvent]) -> Step:
    found = run.parameters.get(settling.SETTLED) or {}
    own, foreign = found.get("own", []), found.get("foreign", [])
    removed = found.get("removed", [])
    if own:
        fact = f"The backend holds a lock whose owner is run {run.pk} ({_named(own)})."
    elif foreign:
        fact = f"Locked by somebody else: {_named(foreign)}. Ask its owner, then look again."
    elif removed:
        fact = f"Removed: {_named(removed)}."
    else:
        fact = "It left none." if found else "Known once somebody has looked at the state."
    who = _who(done.get("lock_removed") or (done.get("settled") if removed else None))
    return Step(
        "remove-lock",
        f"Remove the lock that run {run.pk} left",
        f"{fact} A lock of anybody else is never removed here.",
        f"Remove the lock of run {run.pk}" if not foreign else "Look again",
        is_done=bool(found) and not own and not foreign,
        who=who[0] or ("portal" if removed else ""),
        at=who[1],
        locks=[
            *(_lock_of(entry, "ours") for entry in own),
            *(_lock_of(entry, "foreign") for entry in foreign),
            *(_lock_of(entry, "removed") for entry in removed),
        ],
    )


def _lock_of(entry: dict[str, Any], state: str) -> Lock:
    pid = entry.get("pid")
    return Lock(
        str(entry.get("username") or ""),
        str(entry.get("hostname") or ""),
        pid if isinstance(pid, int) else None,
        _moment(entry.get("timestamp")),
        state,
    )


def _moment(text: Any) -> datetime | None:
    """A time as engines write it, with up to nine digits of a second."""
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _named(locks: list[dict[str, Any]]) -> str:
    return ", ".join(f"host {lock.get('hostname')}, pid {lock.get('pid')}" for lock in locks)


def _refreshes(row: Deployment, lost: Run) -> list[Run]:
    """Refreshes of this recovery, newest first."""
    rows = row.runs.filter(operation=Operation.REFRESH, pk__gt=lost.pk).order_by("-pk")
    return list(rows)


def _read_back(refreshes: list[Run]) -> Step:
    newest = refreshes[0] if refreshes else None
    well = next((run for run in refreshes if run.status == RunStatus.SUCCEEDED), None)
    fact = "A refresh asks every resource. It changes the state, nothing else."
    if well is None and newest is not None:
        words = newest.exit_reason or "it goes on"
        fact = f"Run {newest.pk} is {newest.get_status_display().lower()}: {words}"
    return Step(
        "read-back",
        "Read what is really there",
        f"Run {well.pk} asked every resource." if well else fact,
        "Read back",
        is_done=well is not None,
        who=well.requested_by if well else "",
        at=well.finished_at if well else None,
    )


def pending_creates(row: Deployment) -> list[dict[str, Any]]:
    """What nobody finished making, as the state listed it last."""
    run = lost_run(row)
    return _left(run, _refreshes(row, run)) if run else []


def _left(run: Run, refreshes: list[Run]) -> list[dict[str, Any]]:
    well = next((found for found in refreshes if found.status == RunStatus.SUCCEEDED), run)
    return [entry for entry in well.pending_operations if entry.get("operation") == "creating"]


def _creates(run: Run, refreshes: list[Run]) -> Step:
    well = next((found for found in refreshes if found.status == RunStatus.SUCCEEDED), None)
    left = _left(run, refreshes)
    names = ", ".join(str(entry.get("urn", "")).rpartition("::")[2] for entry in left)
    looked = well is not None or settling.SETTLED in run.parameters
    fact = "Decided once the real things were read back."
    if looked:
        fact = (
            f"Nobody finished making {names}. Clear the entry: what our own resource types left"
            " behind is adopted by the next update, which finds it by its inputs. Anything else is"
            " adopted by its id."
            if left
            else "None is left."
        )
    return Step(
        "clear-pending-creates",
        "Decide about pending creates",
        fact,
        "Clear the entry" if len(left) == 1 else "Clear the entries",
        is_done=well is not None and not left,
        pending=[_pending(run, entry) for entry in left] if well else [],
    )


def _who(event: AuditEvent | None) -> tuple[str, datetime | None]:
    if event is None:
        return "", None
    # The sweeper is the portal itself.
    return "portal" if event.actor_kind == "system" else event.actor_name, event.at
