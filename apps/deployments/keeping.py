"""
Revisions that can come back: the program under ORCHESTRA_HOME by its digest, the configuration
sealed in the database. Everything that depends on whether a deployment is pinned is asked here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.conf import settings

from apps.core.sealing import seal, unseal
from apps.deployments import git
from apps.deployments.choices import RUNS_PROGRAM, Kind
from apps.deployments.configuration import (
    Configuration,
    SecretVersion,
    build_configuration,
    read_configuration,
)
from apps.deployments.models import Deployment, KeptRevision, Run
from apps.deployments.revision import current_revision
from apps.environments.models import Environment
from apps.environments.sources import source_of


def programs_folder() -> Path:
    """Where programs lie, each in a folder named by its digest."""
    return Path(settings.ORCHESTRA_HOME) / "programs"


def kept_program(digest: str) -> Path | None:
    """The folder of a kept program; None when it was not kept."""
    folder = programs_folder() / digest
    return folder if digest and (folder / "Pulumi.yaml").is_file() else None


def revision_now(deployment: Deployment) -> dict[str, Any]:
    """What a new plan of the deployment is of: what is here, or what it is pinned to."""
    pinned = deployment.returns_to or deployment.promoted_from
    if pinned is not None:
        return pinned_revision(pinned)
    source = source_of(deployment.environment)
    if source and deployment.revision.get("program") == source.place:
        # Asked for at that commit: what its branch has meanwhile is another deployment's.
        return pinned_revision(deployment)
    return revision_to_deploy(deployment.environment, str(deployment.kind))


def revision_to_deploy(place: Environment, kind: str = Kind.DEPLOY) -> dict[str, Any]:
    """
    What a new deployment is of, as far as it is known before its plan. A ref is resolved here and
    now. What runs no program is the portal's own doing. Raises Refused (`source.…`), Unavailable.
    """
    source = source_of(place) if kind in RUNS_PROGRAM else None
    if source is None:
        return current_revision()
    commit, branch = git.resolve(git.remote_of(source), source.ref)
    return {"commit": commit, "branch": branch, "program": source.place}


def pinned_revision(row: Deployment) -> dict[str, Any]:
    """The revision of an earlier deployment, for one that brings exactly that."""
    names = ("commit", "branch", "modified", "program")
    return {name: row.revision[name] for name in names if name in row.revision}


def commit_now(deployment: Deployment) -> str:
    """
    The commit that goes into the fingerprint, asked again before the update. Once the environment
    takes its program from elsewhere, none is approved.
    """
    if deployment.returns_to is None and deployment.promoted_from is None:
        source = source_of(deployment.environment) if deployment.kind in RUNS_PROGRAM else None
        if deployment.revision.get("program") != (source.place if source else None):
            return f"of {source.url if source else 'the built-in program'}"
    return str(revision_now(deployment).get("commit", ""))


def program_of(deployment: Deployment | None) -> dict[str, Any]:
    """The `program` of a host's request; one from git is fetched first, once."""
    if deployment is not None and deployment.returns_to is not None:
        return _kept(deployment.returns_to.kept.program_digest)
    if deployment is not None and deployment.promoted_from is not None:
        return _kept(str(deployment.promoted_from.revision.get("program_digest", "")))
    place = deployment.revision.get("program") if deployment is not None else None
    if deployment is None or not place:
        return {"kind": "builtin"}
    source = source_of(deployment.environment)
    remote = git.remote_of(source) if source and source.place == place else None
    folder = git.checked_out(remote, commit=str(deployment.revision["commit"]), **place)
    return {"kind": "directory", "path": str(folder)}


def _kept(digest: str) -> dict[str, Any]:
    """A kept program, as the host is asked to run it."""
    kinds = KeptRevision.objects.filter(program_digest=digest)
    kind = kinds.values_list("program_kind", flat=True).order_by("-pk").first()
    return {"kind": kind or "builtin", "path": str(programs_folder() / digest)}


def configuration_for(run: Run) -> Configuration:
    """
    Settings and secrets for a run: the environment's own of now, or those that its deployment
    brings back. Raises OurFault (`secret.sealed`).
    """
    environment = run.stack.environment
    pinned = run.deployment.returns_to if run.deployment else None
    if pinned is None:
        return read_configuration(environment)
    found = json.loads(unseal(pinned.kept.sealed, kept_identity(pinned.pk)))
    secrets = {
        key: SecretVersion(entry["value"], entry["version"])
        for key, entry in found["secrets"].items()
    }
    return build_configuration(environment, found["settings"], secrets)


def keep_revision(run: Run, configuration: Configuration, program: dict[str, Any]) -> None:
    """
    Writes down what this update applies, right before it does. `program` is what the host said of
    it in its hello. A second update of the deployment takes the place of the first.
    """
    assert run.deployment_id is not None
    document = {
        "settings": dict(configuration.declared),
        "secrets": {
            key: {"value": secret.value, "version": secret.version}
            for key, secret in configuration.secrets.items()
        },
    }
    KeptRevision.objects.update_or_create(
        deployment_id=run.deployment_id,
        defaults={
            "program_kind": str(program.get("kind") or "builtin"),
            "program_digest": str(program.get("digest") or ""),
            "config_digest": configuration.digest(),
            "sealed": seal(json.dumps(document), kept_identity(run.deployment_id)),
        },
    )


def kept_identity(deployment_id: int) -> str:
    """The row that a kept configuration is bound to."""
    return f"revision:deployment:{deployment_id}"
