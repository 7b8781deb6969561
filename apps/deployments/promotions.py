"""What a promotion would bring: the revision that is verified below, and both differences."""

from __future__ import annotations

import dataclasses
from typing import Any

from django.db.models import Q

from apps.core.errors import Refused
from apps.core.redaction import Redactor
from apps.deployments import rollbacks
from apps.deployments.blocking import Blocker
from apps.deployments.choices import DeploymentStatus, Kind, Verification
from apps.deployments.configuration import every_secret, read_configuration
from apps.deployments.differences import (
    Difference,
    FileDifference,
    configurations_between,
    programs_between,
)
from apps.deployments.identity import Identity, identity_of
from apps.deployments.keeping import kept_program, pinned_revision
from apps.deployments.models import Deployment
from apps.deployments.revision_gates import revision_blockers
from apps.deployments.soaking import CHANGING, soak_in
from apps.environments.homes import environment_home
from apps.environments.models import Environment
from apps.environments.rules import lower_environments

# Differ by their nature, or say the same in other words.
OWN_PLACES = ("orchestra:environment", "orchestra:home", "orchestra:supervisor")
MOST_SHOWN = 200


@dataclasses.dataclass(frozen=True)
class Promotion:
    """
    `brings` is the deployment below whose revision goes up, `runs` what the environment above has
    now; `files` lead from its program to the new one, `settings` from the configuration below to
    the one above, which stays its own.
    """

    below: Environment
    above: Environment
    brings: Deployment
    runs: Deployment | None
    files: list[FileDifference]
    settings: list[Difference]
    blockers: list[Blocker]

    @property
    def identity(self) -> Identity:
        return identity_of(self.brings.revision)

    @property
    def runs_identity(self) -> Identity | None:
        return identity_of(self.runs.revision) if self.runs else None

    @property
    def revision(self) -> dict[str, Any]:
        """Of the new deployment: the same commit, the same program tree."""
        tree = self.brings.revision.get("program_digest", "")
        return {**pinned_revision(self.brings), "program_digest": tree}

    def document(self) -> dict[str, Any]:
        """What the new deployment keeps of it."""
        return {
            "from": self.below.slug,
            "deployment": self.brings.pk,
            "replaces": self.runs.pk if self.runs else None,
            "files": [dataclasses.asdict(entry) for entry in self.files[:MOST_SHOWN]],
            "settings": [dataclasses.asdict(entry) for entry in self.settings[:MOST_SHOWN]],
        }


def latest(place: Environment) -> Deployment | None:
    """The deployment that the environment stands at: applied last, or found nothing to change."""
    rows = Deployment.objects.filter(environment=place, kind__in=CHANGING).order_by("-pk")
    stood = Q(started_at__isnull=False) | Q(status=DeploymentStatus.UNCHANGED)
    found = rows.filter(stood).first()
    return None if found is None or found.kind == Kind.DESTROY else found


def verified_now(place: Environment) -> Deployment | None:
    """The deployment by which what the environment stands at is verified; None where it is not."""
    found = latest(place)
    if found is None:
        return None
    soak = soak_in(place.slug, identity_of(found.revision))
    return soak.by if soak is not None and soak.since is not None else None


def promotion(below: Environment, above: Environment) -> Promotion | None:
    """None where nothing below is verified now, or its program was not kept."""
    brings = verified_now(below)
    if brings is None or kept_program(str(brings.revision.get("program_digest", ""))) is None:
        return None
    runs = rollbacks.current(above)
    found = Promotion(
        below,
        above,
        brings,
        runs,
        files_from(runs, brings),
        settings_between(brings, above),
        [],
    )
    row = Deployment(environment=above, kind=Kind.DEPLOY, revision=found.revision)
    return dataclasses.replace(found, blockers=revision_blockers(row))


def files_from(runs: Deployment | None, brings: Deployment) -> list[FileDifference]:
    """From the program above to the one that comes; empty where nothing runs there yet."""
    if runs is None:
        return []
    digest = str(brings.revision.get("program_digest", ""))
    return programs_between(runs.kept.program_digest, digest)


def settings_between(brings: Deployment, above: Environment) -> list[Difference]:
    """From the configuration verified below to the one above as it is now, secrets masked."""
    mask = Redactor(every_secret(above))
    there = mask.value(read_configuration(above).described())
    return configurations_between(
        _without_places(brings.configuration, brings.environment), _without_places(there, above)
    )


def _without_places(configuration: Any, place: Environment) -> dict[str, Any]:
    """The environment's own folder is `{home}` in both: it is no difference."""
    home = str(environment_home(place))
    kept = {key: value for key, value in configuration.items() if key not in OWN_PLACES}
    found = _replaced(kept, home)
    assert isinstance(found, dict)
    return found


def _replaced(value: Any, home: str) -> Any:
    if isinstance(value, str):
        return value.replace(home, "{home}")
    if isinstance(value, dict):
        return {key: _replaced(entry, home) for key, entry in value.items()}
    return [_replaced(entry, home) for entry in value] if isinstance(value, list) else value


def targets(below: Environment) -> list[Environment]:
    """Environments above that take revisions from here, nearest first."""
    rows = Environment.objects.filter(rank__gt=below.rank).select_related("protection")
    return [row for row in rows.order_by("rank") if takes_from(row, below)]


def takes_from(above: Environment, below: Environment) -> bool:
    """By the order of environments, and by the rule above where there is one."""
    places = above.protection.verified_in
    return below.rank < above.rank and (not places or below.slug in places)


def look_at(below: Environment, above: Environment) -> Promotion:
    """
    The promotion that may be asked for. Raises Refused naming what is in its way: the order of the
    environments, what is not verified, what the rules above have against the revision.
    """
    if not takes_from(above, below):
        raise _order(below, above)
    found = promotion(below, above)
    if found is None:
        raise _nothing(below)
    closed = [blocker for blocker in found.blockers if not blocker.waits]
    if closed:
        raise Refused(
            "deployment.blocked",
            " ".join(blocker.detail for blocker in closed),
            next_step="Nothing was planned.",
            blocked_by=[blocker.as_dict() for blocker in closed],
        )
    return found


def _order(below: Environment, above: Environment) -> Refused:
    named = [str(slug) for slug in above.protection.verified_in]
    sources = named or lower_environments(above)
    words = f"{above.slug} takes revisions from {' or '.join(sources)}"
    if not sources:
        words = f"{above.slug} is the first environment; nothing is promoted to it"
    return Refused(
        "promotion.order",
        f"{words}, not from {below.slug}.",
        next_step="Promote along the order of the environments.",
        blocked_by=[{"code": "promotion.order", "detail": f"{words}."}],
    )


def _nothing(below: Environment) -> Refused:
    row = latest(below)
    if row is None:
        words, step = f"Nothing is deployed in {below.slug}.", f"Deploy to {below.slug} first."
        return Refused("promotion.nothing_deployed", words, next_step=step)
    if verified_now(below) is not None:
        return Refused(
            "promotion.not_kept",
            f"The program of deployment {row.pk} was not kept when it was applied.",
            next_step=f"Deploy to {below.slug} again, then promote.",
        )
    state = Verification(row.verification).label.lower()
    words = (
        f"What {below.slug} stands at is not verified: deployment {row.pk} is"
        f" {row.get_status_display().lower()}, its verification {state}."
    )
    return Refused(
        "promotion.not_verified",
        words,
        next_step=f"Bring {below.slug} to a verified state first.",
        blocked_by=[
            {
                "code": "revision.not_verified",
                "detail": words,
                "deployment": row.pk,
                "verification": row.verification or "not_run",
            }
        ],
    )
