"""The engine host's request for a run: where things are, what is asked, under which rules."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.conf import settings

from apps.deployments.choices import Kind, Operation
from apps.deployments.configuration import Configuration
from apps.deployments.engine import HostRequest, engine_roots
from apps.deployments.keeping import program_of
from apps.deployments.models import EnginePlan, Run

PLAN_FILE = "plan.json"
# What of a run's parameters is the host's.
HOST_KEYS = ("clear_pending_creates", "adopt")


def service_request(run: Run, operation: str, folder: Path, **keys: Any) -> HostRequest:
    """A service operation (`inspect`, `unlock`, `restore`, `describe`) on the run's stack."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return HostRequest(
        **_common(run, folder),
        operation=operation,
        **{"config": {}, "time_limit": 60.0, **keys},
    )


def run_request(run: Run, configuration: Configuration, folder: Path) -> HostRequest:
    """The run's own operation."""
    deployment = run.deployment
    operation = Operation(run.operation)
    destroys = deployment is not None and deployment.kind == Kind.DESTROY
    return HostRequest(
        **_common(run, folder),
        operation=str(operation),
        config=configuration.for_host(),
        refresh=operation in (Operation.PREVIEW, Operation.UPDATE, Operation.DESTROY),
        destroy=operation == Operation.PREVIEW and destroys,
        targets=deployment.targets if deployment else (),
        plan=_plan_path(run, folder, destroys=destroys),
        time_limit=float(settings.RUN_TIME_LIMITS.get(str(operation), settings.RUN_TIME_LIMIT)),
        **{key: run.parameters[key] for key in HOST_KEYS if key in run.parameters},
    )


def _common(run: Run, folder: Path) -> dict[str, Any]:
    stack = run.stack
    return {
        "run": str(run.pk),
        "project": stack.project,
        "stack": stack.environment.slug,
        "work_dir": folder,
        "backend_url": stack.backend_url or settings.PULUMI_BACKEND_URL,
        "engine_roots": engine_roots(Path(settings.ORCHESTRA_HOME), settings.PULUMI_ROOT),
        "passphrase_file": settings.PULUMI_PASSPHRASE_FILE,
        "encryption_salt": stack.encryption_salt or None,
        "grace": float(settings.RUN_CANCEL_GRACE),
        "program": program_of(run.deployment),
    }


def _plan_path(run: Run, folder: Path, *, destroys: bool) -> str | None:
    """Where a preview saves the engine's plan; where an update finds the one it is held to."""
    if run.operation == Operation.PREVIEW and not destroys:
        return str(folder / PLAN_FILE)
    return kept_plan(run, folder) if run.operation == Operation.UPDATE else None


def kept_plan(run: Run, folder: Path) -> str | None:
    """
    The file of the engine's plan that an update is held to, in the run's own folder; None where no
    plan was kept. Written once: the update gets the very file that was compared before.
    """
    path = folder / PLAN_FILE
    if path.exists():
        return str(path)
    plans = EnginePlan.objects.filter(run__deployment=run.deployment_id)
    kept = plans.order_by("-run_id").values_list("document", flat=True).first()
    if run.deployment_id is None or not kept:
        return None
    write_private(path, kept)
    return str(path)


def write_private(path: Path, document: Mapping[str, Any]) -> None:
    """A JSON document only this user can read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(document, file)
