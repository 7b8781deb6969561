"""A deployment's progress as readable lines, read from the database like any page."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.core.management.base import CommandError, OutputWrapper
from django.utils import timezone

from apps.core.errors import PortalError
from apps.deployments.choices import (
    DEPLOYMENT_OPEN,
    DeploymentStatus,
    Operation,
    RunStatus,
    Verification,
)
from apps.deployments.models import Deployment, Run, RunEvent
from apps.deployments.plans import change_count
from apps.deployments.reading import blocked_by

POLL = 0.15
# A worker that is there has claimed the run long before.
UNCLAIMED = timedelta(seconds=10)
SIGNS = {"create": "+", "update": "~", "replace": "±", "delete": "-", "same": "="}
GOOD = frozenset({DeploymentStatus.SUCCEEDED, DeploymentStatus.UNCHANGED})
STEP_KINDS = ("resource_done", "resource_failed")


class Watcher:
    """Prints what is new until the deployment is over, or waits for a person."""

    def __init__(self, deployment: int, out: OutputWrapper) -> None:
        self._pk = deployment
        self._out = out
        self._status = ""
        self._seen: dict[int, int] = {}
        self._warned = False

    def follow(
        self,
        when_planned: Callable[[Deployment], None] | None = None,
        *,
        recovering: bool = False,
    ) -> Deployment:
        """
        The deployment at its end. `when_planned` is called once for each plan that awaits a
        decision; without it the watching ends there.
        """
        decided = ""
        while True:
            deployment = self._read()
            self._show_events(deployment)
            self._show_status(deployment)
            if deployment.status not in DEPLOYMENT_OPEN:
                return deployment
            if deployment.status == DeploymentStatus.NEEDS_RECOVERY and not (
                recovering and deployment.runs.filter(finished_at__isnull=True).exists()
            ):
                return deployment
            if deployment.status == DeploymentStatus.AWAITING_APPROVAL:
                if when_planned is None:
                    return deployment
                if deployment.fingerprint != decided:
                    decided = deployment.fingerprint
                    when_planned(deployment)
            self._show_wait(deployment)
            time.sleep(POLL)

    def say(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()

    def _read(self) -> Deployment:
        rows = Deployment.objects.select_related("environment__protection")
        found = rows.filter(pk=self._pk).first()
        if found is None:
            raise CommandError(f"There is no deployment {self._pk}. Look at the list of them.")
        return found

    def _show_status(self, deployment: Deployment) -> None:
        if deployment.status == self._status:
            return
        self._status = deployment.status
        extra = ""
        if deployment.status == DeploymentStatus.AWAITING_APPROVAL:
            extra = self._plan_words(deployment)
        elif deployment.status == DeploymentStatus.VERIFYING:
            extra = "Applied. Waiting for the checks."
        self.say(f"{deployment.get_status_display()}. {extra}".rstrip())
        if deployment.status_reason:
            self.say(f"  {deployment.status_reason}")
        if deployment.status_next_step:
            self.say(f"  {deployment.status_next_step}")
        for blocker in blocked_by(deployment):
            if blocker["detail"] not in deployment.status_reason:
                self.say(f"  Blocked: {blocker['detail']} ({blocker['code']})")

    def _plan_words(self, deployment: Deployment) -> str:
        for change in deployment.plan.get("changes", []):
            if not change["component"]:
                sign = SIGNS[change["operation"]]
                self.say(f"  {sign} {change['operation']:<8}{change['name']}  {change['type']}")
        count = change_count(deployment.plan)
        return (
            f"{count} change{'s' if count != 1 else ''}, fingerprint {deployment.fingerprint[:16]}."
        )

    def _show_events(self, deployment: Deployment) -> None:
        for run in deployment.runs.order_by("pk"):
            after = self._seen.get(run.pk, 0)
            rows = RunEvent.objects.filter(run=run, sequence__gt=after).order_by("sequence")
            for event in rows:
                self._seen[run.pk] = event.sequence
                if line := event_line(run, event):
                    self.say(line)

    def _show_wait(self, deployment: Deployment) -> None:
        late = timezone.now() - UNCLAIMED
        waiting = deployment.runs.filter(status=RunStatus.QUEUED, requested_at__lt=late)
        if not self._warned and waiting.exists():
            self._warned = True
            self.say("  No worker has taken it yet. It starts when the portal runs (`make run`).")


def event_line(run: Run, event: RunEvent) -> str:
    """One line for the terminal; empty for what only pages need."""
    if event.kind == "hello":
        return f"{run.get_operation_display()} with {event.message.removeprefix('Engine: ')}"
    if event.kind == "diagnostic" and event.severity in ("error", "warning"):
        return f"  {event.severity}: {event.message}"
    if event.kind not in STEP_KINDS or run.operation == Operation.PREVIEW:
        return ""
    if event.detail.get("component") or event.operation in ("same", "refresh", "read"):
        return ""
    if event.type.startswith("pulumi:") or event.status == "planned":
        return ""
    name = event.urn.rpartition("::")[2]
    sign = SIGNS.get(event.operation, "·")
    return f"  {sign} {event.operation:<8}{name}  {event.status}"


def exit_status(deployment: Deployment) -> int:
    """0 for a good end or a plan that waits, 2 for applied but not known to be well, else 1."""
    if deployment.status in GOOD:
        return 2 if deployment.verification == Verification.INCONCLUSIVE else 0
    return 0 if deployment.status == DeploymentStatus.AWAITING_APPROVAL else 1


def told(act: Callable[[], Any]) -> Any:
    """Calls a verb; its refusal becomes the command's error, in the same words."""
    try:
        return act()
    except PortalError as error:
        raise CommandError(error.text) from error
