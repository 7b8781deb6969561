"""What the program wants: registrations as records, their URNs, which old state they continue."""

import functools
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from infra.embedded_engine import state, values
from infra.embedded_engine.errors import EngineError, RefusedError
from infra.embedded_engine.state import Resource

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
# Field of the state → field of the request, for what is taken over as it is.
_TAKEN = {"type": "type", "parent": "parent", "provider": "provider", "import_id": "importId",
          "deleted_with": "deletedWith", "custom": "custom", "dependencies": "dependencies",
          "ignore_changes": "ignoreChanges", "replace_on_changes": "replaceOnChanges",
          "additional_secret_outputs": "additionalSecretOutputs", "hide_diff": "hideDiffs",
          "replace_with": "replace_with"}  # fmt: skip
# Field of a request → what the refusal says, when the program gives it.
_LEFT_OUT = {
    "packageRef": "parameterized packages",
    "transforms": "transforms",
    "hooks": "resource hooks",
    "envVarMappings": "environment variable mappings of providers",
    "state_migrations": "state migrations",
    "snippetId": "snippets",
    "remote": "remote components",
}


@dataclass(slots=True)
class Alias:
    """Another identity: a whole URN, or parts that differ from the resource's own (None: same)."""

    urn: str = ""
    name: str | None = None
    type: str | None = None
    project: str | None = None
    stack: str | None = None
    parent: str | None = None  # "" means no parent


@dataclass(slots=True)
class Goal:
    """
    A registration: the state that it is to lead to, and what only this run has to know.

    `state.protect` and `state.retain_on_delete` are None when the program is silent: then the
    parent's count. `providers` are those that a component passes on to its children.
    """

    name: str
    state: Resource
    inputs: dict[str, Any] = field(default_factory=dict)  # as the program gave them
    providers: dict[str, str] = field(default_factory=dict)
    version: str = ""
    download_url: str = ""
    delete_before_replace: bool | None = None
    aliases: list[Alias] = field(default_factory=list)

    def with_engine_inputs(self) -> dict[str, Any]:
        """The inputs of a provider resource, with the version and address of its plugin."""
        if not self.version and not self.download_url:
            return self.inputs
        engine = {"pluginDownloadURL": self.download_url} if self.download_url else {}
        version = {"version": self.version} if self.version else {}
        return {**self.inputs, **version, "__internal": engine}


def default_provider(package: str, version: str, url: str, inputs: dict[str, Any]) -> Goal:
    parts = ("".join(c if c.isalnum() or c == "-" else "_" for c in t) for t in (version, url) if t)
    new = Resource(urn="", type=state.PROVIDER_PREFIX + package, custom=True)
    return Goal("_".join(["default", *parts]), new, inputs, version=version, download_url=url)


def from_request(request: Any, folder: str) -> Goal:
    """The goal of a registration or a read; RefusedError for options that would be dropped."""
    fields = request.DESCRIPTOR.fields_by_name
    for key, what in _LEFT_OUT.items():
        given: Any = getattr(request, key) if key in fields else None
        if given.ByteSize() if hasattr(given, "ByteSize") else given:
            raise RefusedError(f"{what} ({request.type})" if key == "remote" else what)
    new = Resource(urn="", type=request.type, custom=True)
    for name, key in _TAKEN.items():
        if key in fields:
            value = getattr(request, key)
            setattr(new, name, value if isinstance(value, str | bool) else list(value))
    frames = request.stackTrace.frames
    new.stack_trace = [{"sourcePosition": _position(frame.pc, folder)} for frame in frames]
    if request.sourcePosition.uri:
        new.source_position = _position(request.sourcePosition, folder)
    goal = Goal(request.name, new)
    goal.version, goal.download_url = request.version, request.pluginDownloadURL
    if "properties" in fields:  # a read
        new.external = True
        new.inputs = values.from_struct(request.properties)
    else:
        _registered(goal, request)
    goal.inputs = new.inputs
    return goal


def _registered(goal: Goal, request: Any) -> None:
    """What only the registration of an owned resource says."""
    new, found = goal.state, dict[str, set[str]]()
    new.inputs = values.from_struct(request.object, found)
    sent = {key: list(deps.urns) for key, deps in request.propertyDependencies.items()}
    for key in new.inputs:
        urns = sent.get(key, []) if sent else list(request.dependencies)
        new.property_dependencies[key] = list(dict.fromkeys([*urns, *sorted(found[key])]))
    new.dependencies += sorted(set().union(*found.values()) - set(request.dependencies))
    new.protect = request.protect if request.HasField("protect") else None
    new.retain_on_delete = request.retainOnDelete if request.HasField("retainOnDelete") else None
    if request.HasField("replacement_trigger"):
        new.replacement_trigger = values.from_value(request.replacement_trigger, set())
    for name in ("create", "update", "delete"):
        if time := seconds(getattr(request.customTimeouts, name)):
            new.custom_timeouts[name] = values.number(time)
    goal.providers = dict(request.providers)
    if request.deleteBeforeReplaceDefined or request.deleteBeforeReplace:
        goal.delete_before_replace = request.deleteBeforeReplace
    goal.aliases = [*map(Alias, request.aliasURNs), *map(_alias, request.aliases)]


def _alias(message: Any) -> Alias:
    spec = message.spec
    own = (spec.name or None, spec.type or None, spec.project or None, spec.stack or None)
    return Alias(message.urn, *own, "" if spec.noParent else spec.parentUrn or None)


def seconds(text: str) -> float:
    """A Go duration (`1h30m`, `90s`, `1.5h`) in seconds; an empty text is 0."""
    parts = re.findall(r"([0-9.]+)(h|ms|us|µs|ns|m|s)", text)
    if "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"'{text}' is not a duration such as 5m or 1h30m")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def _position(message: Any, folder: str) -> str:
    column = f",{message.column}" if message.column else ""
    return f"{_project_path(message.uri, folder)}#{message.line}{column}"


@functools.cache
def _project_path(uri: str, folder: str) -> str:
    return "project:///" + os.path.relpath(unquote(urlsplit(uri).path), folder)


class Identities:
    """The URNs of one run. An old state is continued by at most one registration."""

    def __init__(self, stack: str, project: str, olds: Iterable[Resource]) -> None:
        self._stack, self._project = stack, project
        self.seen: dict[str, Goal] = {}  # URN → its registration in this run
        self.continued: dict[str, str] = {}  # old URN matched by an alias → new URN
        self._origin: dict[str, str] = {}  # new URN → old URN that it continues
        self.reset(olds)

    def reset(self, olds: Iterable[Resource]) -> None:
        self.olds = {r.urn: r for r in olds if not r.delete}

    def urn(self, goal: Goal) -> str:
        new = goal.state
        return state.make_urn(self._stack, self._project, new.parent, new.type, goal.name)

    def claim(self, goal: Goal) -> str:
        """The URN of a registration, now taken; EngineError when that cannot be."""
        urn = goal.state.urn = self.urn(goal)
        if goal.state.parent and goal.state.parent not in self.seen:
            raise EngineError(f"could not find parent resource {goal.state.parent}")
        if urn in self.seen:
            raise EngineError(f"Duplicate resource URN '{urn}'; try giving it a unique name")
        origin = next((u for u in (urn, *self._aliases(goal)) if u in self.olds), urn)
        other = self.continued.get(origin) or (origin if origin in self.seen else "")
        if other:
            first, second = (other, urn) if origin == urn else (urn, other)
            raise EngineError(
                f"Duplicate resource alias '{origin}' applied to resource with URN '{first}' "
                f"conflicting with resource with URN '{second}'"
            )
        if origin != urn:
            self.continued[origin] = urn
            self._origin[urn] = origin
        self.seen[urn] = goal
        return urn

    def old(self, urn: str) -> Resource | None:
        return self.olds.get(self._origin.get(urn, urn))

    def matched(self, urn: str) -> list[str]:
        return [self._origin[urn]] if urn in self._origin else []

    def provider(self, reference: str) -> Resource | None:
        found = self.olds.get(state.split_reference(reference)[0])
        return found if found is not None and state.is_provider(found.type) else None

    def _aliases(self, goal: Goal) -> Iterator[str]:
        """Every other URN under which the resource may have been known, in order."""
        own, parent = goal.state.type, goal.state.parent
        for alias in goal.aliases:
            yield alias.urn or self._resolve(goal, alias)
        for alias in (Alias(), *goal.aliases) if parent in self._origin else ():
            name, type_ = alias.name or goal.name, alias.type or own
            if alias.urn:
                name, type_ = state.urn_name(alias.urn), state.urn_type(alias.urn)
            before, now = self._origin[parent], state.urn_name(parent)
            if name.startswith(now):  # named after its parent, which had another name
                name = state.urn_name(before) + name.removeprefix(now)
            yield state.make_urn(self._stack, self._project, before, type_, name)

    def _resolve(self, goal: Goal, alias: Alias) -> str:
        parent = goal.state.parent if alias.parent is None else alias.parent
        parent = self._origin.get(parent, parent)
        if parent and state.split_urn(parent)[2] == state.ROOT_TYPE:
            parent = ""
        stack, project = alias.stack or self._stack, alias.project or self._project
        name = goal.name if alias.name is None else alias.name
        return state.make_urn(stack, project, parent, alias.type or goal.state.type, name)
