"""Rules about differences: what to ignore, what replaces, what an unknowing provider means."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from infra.embedded_engine import paths, values

INVERSE = {"add": "delete", "delete": "add"}


@dataclass(slots=True)
class Diff:
    """What a provider says about a change. `changed` is None when it does not know."""

    changed: bool | None = False
    replaces: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    detailed: dict[str, dict[str, Any]] = field(default_factory=dict)  # path → diffKind, inputDiff?
    delete_first: bool = False

    @property
    def replaced(self) -> bool:
        kinds = (entry["diffKind"] for entry in self.detailed.values())
        return bool(self.replaces) or any(kind.endswith("-replace") for kind in kinds)

    def known(self, old: Any, new: Any) -> Diff:
        """Itself, from the inputs when the provider does not know; its `replaces` still count."""
        if self.changed is None:
            found = list(values.differences(old, new))
            self.changed = bool(found) or bool(self.replaces)
            self.keys = sorted({str(path[0]) for path, _ in found})
            texts = ((paths.format_path(path), kind) for path, kind in found)
            self.detailed = {text: {"diffKind": kind, "inputDiff": True} for text, kind in texts}
        return self

    def inverted(self) -> dict[str, dict[str, Any]]:
        out = {}
        for path, entry in self.detailed.items():
            kind, dash, rest = entry["diffKind"].partition("-")
            out[path] = {**entry, "diffKind": INVERSE.get(kind, kind) + dash + rest}
        return out

    def replace_on(self, wanted: Iterable[str], *, init_errors: bool) -> None:
        """Turns changes below the wanted paths into ones that ask for a replacement."""
        outer = [paths.parse_path(text) for text in wanted]
        for text, entry in self.detailed.items():
            if not entry["diffKind"].endswith("-replace") and _covered(outer, text):
                entry["diffKind"] += "-replace"
        marks = ["#initerror"] if init_errors else []
        for key in [*(k for k in self.keys if k not in self.replaces), *marks]:
            if any(paths.contains(path, (key,)) for path in outer):
                self.replaces.append(key)
        self.changed = self.changed or self.replaced


def _covered(outer: Iterable[paths.Path], text: str) -> bool:
    try:
        inner = paths.parse_path(text)
    except paths.PathError:
        return False  # a provider may name its details as it likes
    return any(paths.contains(path, inner) for path in outer)


def shown(value: Any) -> str:
    if values.has_secret(value):
        return "[secret]"
    return value if isinstance(value, str) else values.json_text(value)


def ignore_changes(
    old: dict[str, Any], new: dict[str, Any], wanted: Iterable[str]
) -> tuple[dict[str, Any], list[str]]:
    """The new inputs with the old values at the paths, and the paths where that cannot be."""
    invalid = []
    for text in wanted:
        try:
            new = _reset(old, new, paths.parse_path(text))
        except paths.PathError:
            invalid.append(text)
    return new, invalid


def _reset(old: Any, new: Any, path: paths.Path) -> Any:
    """`new` with what `old` has at the path; PathError when only one of them has the place."""
    old = values.opened(old)
    if isinstance(new, values.Secret):
        return values.secret(_reset(old, new.value, path))
    step, rest = path[0], path[1:]
    if step == paths.ANY:
        for each in _steps(old, new):
            new = _reset(old, new, (each, *rest))
        return new
    in_old, in_new = paths.has(old, step), paths.has(new, step)
    if not in_old and not in_new:
        return new
    if rest and in_new:
        item = _reset(old[step] if in_old else None, new[step], rest)
    elif not rest and in_old and (in_new or (isinstance(step, str) and isinstance(new, dict))):
        item = old[step]
    elif not rest and isinstance(step, str) and in_new:
        return paths.delete(new, (step,))
    else:
        raise paths.PathError
    return paths.set(new, (step,), item)


def _steps(old: Any, new: Any) -> Iterable[Any]:
    """What `*` means for the two: all keys of maps, the common indices of lists."""
    if isinstance(new, dict) and isinstance(old, dict):
        return [*new, *(k for k in old if k not in new)]
    both = isinstance(new, list) and isinstance(old, list)
    return range(min(len(old), len(new))) if both else ()
