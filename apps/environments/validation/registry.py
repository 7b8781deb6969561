"""
The looks of a validation. Each is a small function that yields items; whoever stands above adds
its own when its app is ready:

    @environment_check("engine", order=60, why="Without an engine nothing is planned.")
    def engine(subject: Subject) -> Iterator[Item]:
        yield passed("engine.usable", "Engine", "pulumi 3.272.0 answers.")

`environment_check` looks at one environment, `setup_check` at the installation. A look that breaks
is an item of its own, `unknown`; the others go on.
"""

from __future__ import annotations

import dataclasses
import functools
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import structlog
from django.conf import settings

from apps.core.errors import PortalError
from apps.environments.choices import WORST_FIRST, Finding
from apps.environments.effective import effective_values
from apps.environments.homes import environment_home, expanded
from apps.environments.models import Environment, Secret
from apps.environments.secrets import newest_secrets, open_secrets

log = structlog.get_logger(__name__)


@dataclasses.dataclass(frozen=True)
class Item:
    """One line: what was looked at, what was found, why it matters, what to do next."""

    code: str
    what: str
    status: Finding
    detail: str
    next_step: str = ""
    why: str = ""
    # Slugs of other environments that the detail names: who may not see one does not read it.
    others: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        found = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {**found, "status": self.status.value, "others": list(self.others)}


def passed(code: str, what: str, detail: str) -> Item:
    return Item(code, what, Finding.PASSED, detail)


def warning(code: str, what: str, detail: str, next_step: str) -> Item:
    return Item(code, what, Finding.WARNING, detail, next_step)


def failed(code: str, what: str, detail: str, next_step: str) -> Item:
    return Item(code, what, Finding.FAILED, detail, next_step)


def unknown(code: str, what: str, detail: str, next_step: str = "") -> Item:
    return Item(code, what, Finding.UNKNOWN, detail, next_step)


def skipped(code: str, what: str, detail: str) -> Item:
    return Item(code, what, Finding.SKIPPED, detail)


class Subject:
    """One environment while it is looked at; what several looks need is read once."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment

    @property
    def home(self) -> Path:
        return environment_home(self.environment)

    @functools.cached_property
    def values(self) -> dict[str, Any]:
        """Settings as the program gets them."""
        found: dict[str, Any] = expanded(effective_values(self.environment), self.home)
        return found

    @functools.cached_property
    def secrets(self) -> dict[str, Secret]:
        """Secrets in use by key, sealed."""
        return {row.key: row for row in newest_secrets(self.environment)}

    @functools.cached_property
    def opened(self) -> dict[str, str]:
        """Secrets in use by key, in clear: for a look outside, never for an item's text."""
        return {row.key: value for row, value in open_secrets(self.environment)}

    def section(self, key: str) -> dict[str, Any]:
        """A setting that is a map; empty where it is missing or something else."""
        value = self.values.get(key)
        return value if isinstance(value, dict) else {}

    @property
    def servers(self) -> list[dict[str, Any]]:
        """The declared MCP servers; none where they are switched off."""
        rows = self.section("mcp").get("servers", []) if self.values.get("mcp_enabled") else []
        return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


class Installation:
    """The portal itself while it is looked at."""

    @property
    def home(self) -> Path:
        return Path(settings.ORCHESTRA_HOME)

    @functools.cached_property
    def environments(self) -> list[Environment]:
        rows = Environment.objects.select_related("stack", "protection")
        return list(rows.order_by("rank"))


Seen = TypeVar("Seen")
EnvironmentLook = Callable[[Subject], Iterable[Item]]
SetupLook = Callable[[Installation], Iterable[Item]]


@dataclasses.dataclass(frozen=True)
class Registered:
    """A look with its name (by which it can be left out), its place and why it matters."""

    name: str
    order: int
    why: str
    look: Callable[[Any], Iterable[Item]]
    # Only asked when the installation is to be ready for production.
    production: bool = False


_environment: dict[str, Registered] = {}
_setup: dict[str, Registered] = {}


def environment_check(
    name: str, *, order: int, why: str
) -> Callable[[EnvironmentLook], EnvironmentLook]:
    """Adds a look at one environment. A second one of the same name takes the place."""

    def add(look: EnvironmentLook) -> EnvironmentLook:
        _environment[name] = Registered(name, order, why, look)
        return look

    return add


def setup_check(
    name: str, *, order: int, why: str, production: bool = False
) -> Callable[[SetupLook], SetupLook]:
    """Adds a look at the installation; with `production` one for its readiness only."""

    def add(look: SetupLook) -> SetupLook:
        _setup[name] = Registered(name, order, why, look, production)
        return look

    return add


def validate(environment: Environment, *, leave_out: Collection[str] = ()) -> list[Item]:
    """Every look at one environment, in the order of the registry; reads only."""
    return _carry_out(_environment, Subject(environment), leave_out)


def validate_setup(*, production_ready: bool) -> list[Item]:
    """Every look at the installation; those for its readiness where that is asked."""
    left_out = [row.name for row in _setup.values() if row.production and not production_ready]
    return _carry_out(_setup, Installation(), left_out)


def _carry_out(
    registry: dict[str, Registered], subject: object, leave_out: Collection[str]
) -> list[Item]:
    rows = sorted(registry.values(), key=lambda row: (row.order, row.name))
    return [item for row in rows if row.name not in leave_out for item in _one(row, subject)]


def _one(row: Registered, subject: object) -> Iterator[Item]:
    try:
        for item in row.look(subject):
            yield item if item.why else dataclasses.replace(item, why=row.why)
    except PortalError as error:
        yield Item(error.code, row.name, Finding.FAILED, error.detail, error.next_step, row.why)
    except Exception as error:
        log.exception("validation.look_failed", look=row.name)
        yield Item(
            "validation.look_failed",
            row.name,
            Finding.UNKNOWN,
            f"The look at {row.name} broke: {error.__class__.__name__}.",
            "Read web.log; the other looks are not concerned.",
            row.why,
        )


def verdict(items: Sequence[Item]) -> Finding:
    """The word for the whole: `failed`, `warning` (also where something is unknown) or `passed`."""
    found = {item.status for item in items}
    if Finding.FAILED in found:
        return Finding.FAILED
    return Finding.WARNING if found & {Finding.WARNING, Finding.UNKNOWN} else Finding.PASSED


def sentence(statuses: Iterable[str]) -> str:
    """`2 failed, 1 warning, 14 passed`, worst first; what does not concern is not counted."""
    counts = Counter(Finding(status) for status in statuses)
    shown = [status for status in WORST_FIRST if counts[status] and status != Finding.SKIPPED]
    return ", ".join(_counted(status, counts[status]) for status in shown) or "no looks"


def _counted(status: Finding, count: int) -> str:
    plural = "s" if status == Finding.WARNING and count > 1 else ""
    return f"{count} {status.label.lower()}{plural}"
