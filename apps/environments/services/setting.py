"""Typed settings: what the program reads, of one environment or of the base for all."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import transaction

from apps.audit.services import record
from apps.core.errors import Invalid, NotFound
from apps.core.permissions import Actor, check
from apps.environments.announcing import announce_change
from apps.environments.choices import SettingKind
from apps.environments.cleaning import clean_row
from apps.environments.effective import merged
from apps.environments.lookup import find_environment
from apps.environments.models import BaseSetting, Environment, Setting
from apps.environments.moved import refuse_moved
from apps.environments.productions import refuse_production
from apps.environments.schema import Problem, check_setting, kind_of


def set_setting(
    actor: Actor,
    *,
    environment: str,
    key: str,
    value: Any,
    kind: str = "",
    note: str = "",
    seen: str = "",
) -> Setting:
    """
    Sets one typed setting; of a map that the base has, too, only what differs. A note explains
    this very value: a new value without one has none. `seen` is the mark of what was looked at.
    Raises Invalid (`settings.malformed`) naming what is wrong, Refused
    (`setting.production_value`, `edit.moved`).
    """
    place = find_environment(actor, environment)
    check(actor, "edit_settings", environment)
    with transaction.atomic():
        old = Setting.objects.select_for_update().filter(environment=place, key=key).first()
        refuse_moved(old, seen, f"{key} of {environment}", old.changed_by if old else "")
        base = BaseSetting.objects.filter(key=key).first()
        kind = _kind(old or base, kind, key, value)
        effective = merged(base.value, value) if base else value
        _check_value(key, kind, effective)
        refuse_production(place, key, effective)
        row = old or Setting(environment=place, key=key, kind=kind)
        before = old.value if old else None
        row.note = note or (row.note if before == value else "")
        row.value = value
        row.changed_by, row.changed_by_id = actor.name, actor.user_id
        clean_row(row)
        row.save()
        record(
            actor,
            "environments.setting.changed",
            row,
            environment=environment,
            key=key,
            old=before,
            new=value,
        )
        announce_change(environment, "setting.changed", key=key)
    return row


def remove_setting(actor: Actor, *, environment: str, key: str, seen: str = "") -> None:
    """
    Removes one own setting; what the base has comes through again. Raises NotFound, Invalid,
    Refused (`edit.moved`).
    """
    place = find_environment(actor, environment)
    check(actor, "edit_settings", environment)
    with transaction.atomic():
        row = Setting.objects.select_for_update().filter(environment=place, key=key).first()
        if row is None:
            raise NotFound("setting.unknown", f"{environment} has no setting {key} of its own.")
        refuse_moved(row, seen, f"{key} of {environment}", row.changed_by)
        base = BaseSetting.objects.filter(key=key).first()
        if base is not None:
            _check_value(key, base.kind, base.value)
        record(actor, "environments.setting.removed", row, environment=environment, old=row.value)
        row.delete()
        announce_change(environment, "setting.removed", key=key)


def set_base_setting(
    actor: Actor, *, key: str, value: Any, kind: str = "", note: str = "", seen: str = ""
) -> BaseSetting:
    """
    Sets what every environment inherits; the right is needed in all of them. Raises Invalid
    (`settings.malformed`) where an environment could not use what it would come to, Refused
    (`setting.production_value`, `edit.moved`).
    """
    check(actor, "edit_settings")
    with transaction.atomic():
        old = BaseSetting.objects.select_for_update().filter(key=key).first()
        refuse_moved(old, seen, f"{key} of the base", old.changed_by if old else "")
        kind = _kind(old, kind, key, value)
        for place, effective in _in_each(key, value):
            _check_value(key, kind, effective, place.slug)
            refuse_production(place, key, effective)
        row = old or BaseSetting(key=key, kind=kind)
        before = old.value if old else None
        row.value, row.note = value, note
        row.changed_by, row.changed_by_id = actor.name, actor.user_id
        clean_row(row)
        row.save()
        record(actor, "environments.base_setting.changed", row, key=key, old=before, new=value)
        for place in Environment.objects.order_by("rank"):
            announce_change(place.slug, "setting.changed", key=key)
    return row


def remove_base_setting(actor: Actor, *, key: str, seen: str = "") -> None:
    """
    Removes one setting of the base. Raises NotFound, Invalid where an own one needs it, Refused
    (`edit.moved`).
    """
    check(actor, "edit_settings")
    with transaction.atomic():
        row = BaseSetting.objects.select_for_update().filter(key=key).first()
        if row is None:
            raise NotFound("setting.unknown", f"The base has no setting {key}.")
        refuse_moved(row, seen, f"{key} of the base", row.changed_by)
        for own in Setting.objects.filter(key=key).select_related("environment"):
            _check_value(key, own.kind, own.value, own.environment.slug)
        record(actor, "environments.base_setting.removed", row, key=key, old=row.value)
        row.delete()
        for place in Environment.objects.order_by("rank"):
            announce_change(place.slug, "setting.removed", key=key)


def _in_each(key: str, value: Any) -> Iterable[tuple[Environment, Any]]:
    """What a value of the base comes to in each environment."""
    own = {row.environment_id: row.value for row in Setting.objects.filter(key=key)}
    for place in Environment.objects.order_by("rank"):
        yield place, merged(value, own[place.pk]) if place.pk in own else value


def _kind(old: Setting | BaseSetting | None, kind: str, key: str, value: Any) -> str:
    found = str(old.kind) if old else kind or kind_of(key, value)
    if found not in SettingKind.values:
        raise Invalid(
            "settings.malformed",
            f"{kind!r} is no kind of setting; the kinds are {', '.join(SettingKind.values)}.",
        )
    return found


def _check_value(key: str, kind: str, value: Any, place: str = "") -> None:
    try:
        check_setting(key, kind, value)
    except Problem as problem:
        where = f" In {place}:" if place else ""
        raise Invalid(
            "settings.malformed",
            f"The setting was not changed:{where} {problem}",
            next_step="Correct the value and set it again.",
            errors={"value": str(problem)},
        ) from problem
