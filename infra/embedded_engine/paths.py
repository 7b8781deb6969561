"""
Property paths: `a.b`, `a[0]`, `a["odd key"]`, `*`, as configuration keys and options use them.

A path is a tuple of keys (text) and indices (numbers); `*` matches any one step. Values are never
changed in place: the answer is a new value that shares what did not change.
"""

import re
from typing import Any

Step = str | int
Path = tuple[Step, ...]
ANY = "*"
_STEP = re.compile(r'\["((?:\\"|[^"])*)"\]|\[(\d+|\*)\]|([^.\[]+)|\.')


class PathError(ValueError):
    """The text is no path, or the path leads through a value that has no parts."""


def parse_path(text: str) -> Path:
    steps: list[Step] = []
    at = 0
    while match := _STEP.match(text, at):
        quoted, index, name = match.groups()
        if quoted is not None:
            steps.append(quoted.replace('\\"', '"'))
        elif index or name:
            steps.append(int(index) if index and index != ANY else name or ANY)
        at = match.end()
    if not steps or at < len(text):
        raise PathError(f"'{text}' is no path; write a.b, a[0] or a[\"odd key\"]")
    return tuple(steps)


def format_path(steps: Path) -> str:
    """The text of a path; keys that would not read back as one step are quoted."""
    out = ""
    for step in steps:
        if isinstance(step, int):
            out += f"[{step}]"
        elif not step or any(c in step for c in '.[]"'):
            quoted = step.replace('"', '\\"')
            out += f'["{quoted}"]'
        else:
            out += f".{step}" if out else step
    return out


def contains(outer: Path, inner: Path) -> bool:
    """Whether `inner` is `outer` or a path below it, `*` in `outer` matching any step."""
    pairs = zip(outer, inner, strict=False)
    return len(outer) <= len(inner) and all(want in (ANY, step) for want, step in pairs)


def has(value: Any, step: Step) -> bool:
    if isinstance(step, int):
        return isinstance(value, list) and step < len(value)
    return isinstance(value, dict) and step in value


def set(value: Any, path: Path, new: Any) -> Any:  # noqa: A001 - reads as paths.set(…)
    """
    `value` with `new` at the path. Missing containers are made, gaps of a list become null.

    The last step may overwrite anything; PathError when an inner one leads through a scalar.
    """
    if not path:
        return new
    step, rest = path[0], path[1:]
    kind: Any = list if isinstance(step, int) else dict
    if value is not None and not isinstance(value, kind):
        what = "map" if kind is dict else "list"
        raise PathError(f"the step '{step}' needs a {what}, but there is another value")
    items = kind(value or ())
    if isinstance(step, int):
        items += [None] * (step + 1 - len(items))
    items[step] = set(items[step] if rest and has(items, step) else None, rest, new)
    return items


def delete(value: Any, path: Path) -> Any:
    """`value` without what is at the path: a list closes the gap; nothing there is no error."""
    if not path or not has(value, path[0]):
        return value
    items, step, rest = value.copy(), path[0], path[1:]
    if rest:
        items[step] = delete(value[step], rest)
    else:
        del items[step]
    return items
