"""Writing a kept state back: what that would change, the host's requests, what it came to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from apps.deployments.choices import Kind, Operation
from apps.deployments.engine import HostRequest
from apps.deployments.models import Deployment, Run
from apps.deployments.runner.outcome import Outcome
from apps.deployments.runner.requests import service_request, write_private
from apps.deployments.states import difference, opened_state, pending_in, resources_of

STATE_FILE = "restore.json"
TIME_LIMIT = 600.0


def is_restore(run: Run) -> bool:
    return run.deployment is not None and run.deployment.kind == Kind.IMPORT


def restore_request(run: Run, folder: Path) -> HostRequest:
    """The plan of a restore only looks at the state; carrying it out writes the copy back."""
    assert run.deployment is not None
    assert run.deployment.state_copy is not None
    if run.operation == Operation.PREVIEW:
        return service_request(run, "inspect", folder)
    path = folder / STATE_FILE
    write_private(path, opened_state(run.deployment.state_copy))
    return service_request(run, "restore", folder, state=str(path), time_limit=TIME_LIMIT)


def forget(folder: Path) -> None:
    """An output in the state may repeat a secret in clear: the file goes with the run."""
    (folder / STATE_FILE).unlink(missing_ok=True)


def plan_of(run: Run, result: Mapping[str, Any]) -> dict[str, Any]:
    """What the state would say otherwise: no real thing is touched. Not masked."""
    assert run.deployment is not None
    assert run.deployment.state_copy is not None
    return difference(result.get("state"), opened_state(run.deployment.state_copy))


def left_over(deployment: Deployment, outcome: Outcome) -> str:
    """Why the state is not the copy after all; empty when it is. Read back, not believed."""
    copy = deployment.state_copy
    assert copy is not None
    if outcome.result.get("pending_operations"):
        return "the state lists operations that nobody finished"
    kept = opened_state(copy)
    if pending_in(kept):
        # The engine drops them on its way in, and with them the digest is another.
        same = len(resources_of(outcome.result.get("state"))) == len(resources_of(kept))
    else:
        same = outcome.result.get("state_digest_after") == copy.digest
    return "" if same else "the state that was read back is not the copy"
