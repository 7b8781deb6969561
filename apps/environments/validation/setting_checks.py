"""Settings: complete, typed, exactly pinned, and free of credentials in clear."""

from __future__ import annotations

from collections.abc import Iterator

from apps.environments.choices import SettingKind
from apps.environments.effective import effective_settings
from apps.environments.endpoints import credentials
from apps.environments.productions import production_values
from apps.environments.schema import EXACT_VERSION, KNOWN, NEEDED, Problem, check_setting
from apps.environments.validation.registry import (
    Item,
    Subject,
    environment_check,
    failed,
    passed,
    skipped,
    warning,
)


@environment_check(
    "settings", order=10, why="A deployment plans with exactly these; a wrong one fails half-way."
)
def settings(subject: Subject) -> Iterator[Item]:
    slug, what = subject.environment.slug, "Settings"
    missing = [key for key in NEEDED if key not in subject.values and key not in subject.secrets]
    if missing:
        yield failed(
            "settings.missing",
            what,
            f"{slug} has no setting {', '.join(missing)}.",
            f"Set it: PUT /api/v1/environments/{slug}/settings/{missing[0]}/. It holds"
            f" {KNOWN[missing[0]][2][0].lower()}{KNOWN[missing[0]][2][1:]}.",
        )
    problems = list(_malformed(subject))
    for key, problem in problems:
        yield failed(
            "settings.malformed", what, problem, f"Correct the setting {key} and validate again."
        )
    if not missing and not problems:
        yield passed(
            "settings.complete", what, f"All {len(subject.values)} are there and of their kind."
        )


def _malformed(subject: Subject) -> Iterator[tuple[str, str]]:
    for row in effective_settings(subject.environment):
        kind = KNOWN[row.key][0] if row.key in KNOWN else row.kind
        try:
            check_setting(row.key, SettingKind(kind), row.value)
        except Problem as problem:
            yield row.key, str(problem)


@environment_check(
    "production_values",
    order=14,
    why="What is tried in a lower environment must not reach production's things.",
)
def of_production(subject: Subject) -> Iterator[Item]:
    what, slug = "Production's things", subject.environment.slug
    if subject.environment.is_production:
        yield skipped("settings.is_production", what, f"{slug} is production itself.")
        return
    found = production_values(subject.environment, subject.values)
    for entry in found:
        yield failed(
            "settings.production_value",
            what,
            f"{entry.place} names {entry.host}, which belongs to {entry.of}.",
            f"Name a host of {slug}'s own, or let an admin explain {entry.host} for {slug}.",
        )
    if not found:
        yield passed("settings.apart", what, "The settings name no host of production.")


@environment_check(
    "plain_credentials",
    order=12,
    why="A setting is shown to everybody who may look; a secret never comes back out.",
)
def plain_credentials(subject: Subject) -> Iterator[Item]:
    found = sorted(place for place, _ in credentials(subject.values))
    for place in found:
        yield warning(
            "settings.credential",
            "Credentials",
            f"The setting {place} looks like a credential and stands in clear.",
            "Set it as a secret, remove it from the settings, and change it where it is checked.",
        )
    if not found:
        yield passed("settings.no_credential", "Credentials", "None stands in the settings.")


@environment_check(
    "packages", order=50, why="A package that is not pinned is another one tomorrow."
)
def packages(subject: Subject) -> Iterator[Item]:
    rows = list(subject.servers)
    bridge = subject.section("mcp").get("bridge")
    if isinstance(bridge, dict) and any(row.get("transport") == "stdio" for row in rows):
        rows.append(bridge)
    loose = [row for row in rows if not EXACT_VERSION.fullmatch(str(row.get("version", "")))]
    for row in loose:
        yield failed(
            "package.not_pinned",
            "Packages",
            f"{row.get('package', 'A package')} has the version {row.get('version')!r}, which is"
            " not one exact version.",
            "Name one exact version in the setting mcp.",
        )
    if not rows:
        yield skipped("package.none", "Packages", "No package is declared.")
    elif not loose:
        yield passed("package.pinned", "Packages", f"All {len(rows)} have one exact version.")
