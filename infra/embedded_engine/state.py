"""
The state of a stack as records: resources, pending operations, URNs, integrity, renaming.

Property values pass through as they are: JSON in files, values during a run (see `CODED`).
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from infra.embedded_engine.backend import now_text
from infra.embedded_engine.errors import VERSION, EngineError

ROOT_TYPE = "pulumi:pulumi:Stack"
PROVIDER_PREFIX = "pulumi:providers:"
FEATURES = {name: name for name in ("refreshBeforeUpdate", "replaceWith", "taint")}
FEATURES["hooks"] = "resourceHooks"  # feature → the key of an entry that asks for it
INTEGRITY_PREFIX = "snapshot integrity failure; refusing to use it: "


def make_urn(stack: str, project: str, parent: str, type_: str, name: str) -> str:
    """The URN of a resource; `parent` is a URN or empty. The root stack gives no prefix."""
    prefix = split_urn(parent)[2] if parent else ""
    if prefix and prefix != ROOT_TYPE:
        type_ = f"{prefix}${type_}"
    return f"urn:pulumi:{stack}::{project}::{type_}::{name}"


def split_urn(urn: str) -> tuple[str, str, str, str]:
    """Stack, project, qualified type, name (which may hold `::`). ValueError when it is none."""
    head, project, type_, name = urn.split("::", 3)
    if not head.startswith("urn:pulumi:"):
        raise ValueError(f"'{urn}' is not a URN")
    return head.removeprefix("urn:pulumi:"), project, type_, name


def urn_type(urn: str) -> str:
    return split_urn(urn)[2].rsplit("$", 1)[-1]


def urn_name(urn: str) -> str:
    return split_urn(urn)[3]


def is_provider(type_: str) -> bool:
    return type_.startswith(PROVIDER_PREFIX)


def split_reference(reference: str) -> tuple[str, str]:
    urn, _, id_ = reference.rpartition("::")
    return urn, id_


@dataclass(slots=True, kw_only=True)
class Resource:
    """An entry of the state. Empty fields are absent keys; `unknown` keeps keys of newer ones."""

    urn: str
    type: str
    custom: bool = False
    delete: bool = False
    id: str = ""
    inputs: Any = field(default_factory=dict)
    outputs: Any = field(default_factory=dict)
    parent: str = ""
    protect: bool | None = False  # None: nothing was said, as with retain_on_delete
    taint: bool = False
    external: bool = False
    dependencies: list[str] = field(default_factory=list)
    init_errors: list[str] = field(default_factory=list)
    provider: str = ""
    property_dependencies: dict[str, list[str]] = field(default_factory=dict)
    pending_replacement: bool = False
    additional_secret_outputs: list[str] = field(default_factory=list)
    aliases: list[str] = field(default_factory=list)
    custom_timeouts: dict[str, float] = field(default_factory=dict)
    import_id: str = ""
    retain_on_delete: bool | None = False
    deleted_with: str = ""
    replace_with: list[str] = field(default_factory=list)
    created: str = ""
    modified: str = ""
    source_position: str = ""
    stack_trace: list[Any] = field(default_factory=list)
    ignore_changes: list[str] = field(default_factory=list)
    hide_diff: list[str] = field(default_factory=list)
    replace_on_changes: list[str] = field(default_factory=list)
    replacement_trigger: Any = None
    refresh_before_update: bool = False
    view_of: str = ""
    resource_hooks: dict[str, list[str]] = field(default_factory=dict)
    unknown: dict[str, Any] = field(default_factory=dict)

    def references(self) -> Iterator[tuple[str, str]]:
        """All that this entry refers to, as (kind, URN): the edges of the dependency graph."""
        provider = split_reference(self.provider)[0]
        for kind, urns in (
            ("parent", [self.parent]),
            ("provider", [provider]),
            ("dependency", self.dependencies),
            *(("property dependency", urns) for urns in self.property_dependencies.values()),
            ("deletedWith", [self.deleted_with]),
            ("replaceWith", self.replace_with),
        ):
            yield from ((kind, urn) for urn in urns if urn)

    def rewritten(self, change: Callable[[str], str]) -> Resource:
        """A copy whose URNs are changed, its own included; an empty answer drops a reference."""

        def changed(urns: list[str]) -> list[str]:
            return [new for urn in urns if (new := change(urn))]

        copy = dataclasses.replace(self)
        for name in ("urn", "parent", "deleted_with", "view_of"):
            setattr(copy, name, getattr(self, name) and change(getattr(self, name)))
        for name in ("dependencies", "aliases", "replace_with"):
            setattr(copy, name, changed(getattr(self, name)))
        by_key = self.property_dependencies.items()
        copy.property_dependencies = {key: changed(urns) for key, urns in by_key}
        provider, id_ = split_reference(self.provider)
        copy.provider = self.provider and f"{change(provider)}::{id_}"
        return copy


_KEYS = {
    f.name: re.sub(r"_(\w)", lambda letter: letter[1].upper(), f.name)
    for f in dataclasses.fields(Resource)
    if f.name != "unknown"
} | {"import_id": "importID"}
_FIELDS = {key: name for name, key in _KEYS.items()}
CODED = ("inputs", "outputs", "replacement_trigger")
_ALWAYS = ("urn", "custom", "type")
_EMPTY = Resource(urn="", type="")
_LOOSE = ("stack_trace", "hide_diff", "replace_on_changes")  # lists that are only handed on


def decode_resource(raw: Mapping[str, Any]) -> Resource:
    """A record from an entry of the file; EngineError when it is none."""
    values = {_FIELDS[k]: v for k, v in raw.items() if k in _FIELDS and v is not None}
    if str(values.get("urn")).count("::") < 3 or not values.get("type"):
        raise EngineError(f"{INTEGRITY_PREFIX}an entry of the state has no URN or no type")
    for name, value in values.items():
        if not _fits(name, value):
            what = f"`{_KEYS[name]}` of {values['urn']} has another form than it must have"
            raise EngineError(f"{INTEGRITY_PREFIX}{what}")
    resource = Resource(**values)
    resource.unknown = {k: v for k, v in raw.items() if k not in _FIELDS}
    deps = resource.property_dependencies
    resource.property_dependencies = {key: urns or [] for key, urns in deps.items()}
    return resource


def _fits(name: str, value: Any) -> bool:
    """Whether a value from a file is of the kind of its field; a trigger may be anything."""
    empty = getattr(_EMPTY, name)
    if name == "property_dependencies" and isinstance(value, dict):
        return all(_fits("dependencies", urns or []) for urns in value.values())
    if isinstance(empty, list) and name not in _LOOSE and isinstance(value, list):
        return all(isinstance(item, str) for item in value)
    return empty is None or isinstance(value, type(empty))


def encode_resource(
    resource: Resource, encode: Callable[[Any], Any] | None = None
) -> dict[str, Any]:
    raw: dict[str, Any] = {}
    for name, key in _KEYS.items():
        value = getattr(resource, name)
        if name in CODED and encode:
            value = encode(value)
        if name in _ALWAYS or value or (name == "replacement_trigger" and value is not None):
            raw[key] = value
    return {**raw, **resource.unknown}


@dataclass(slots=True)
class Operation:
    """A pending operation: `type` is creating, updating, deleting, reading or importing."""

    resource: Resource
    type: str


@dataclass(slots=True)
class Snapshot:
    """A deployment: entries in topological order, pending operations, what else the file held."""

    resources: list[Resource] = field(default_factory=list)
    pending: list[Operation] = field(default_factory=list)
    salt: str = ""  # under which the file's secrets were sealed
    manifest: dict[str, Any] = field(default_factory=dict)  # the file's own, for `verify`
    unknown: dict[str, Any] = field(default_factory=dict)


_LATEST = ("manifest", "secrets_providers", "resources", "pending_operations", "metadata")


def decode_latest(latest: Mapping[str, Any] | None) -> Snapshot:
    """A snapshot from `checkpoint.latest` or an exported `deployment`; empty from nothing."""
    try:
        latest = latest or {}
        operations = latest.get("pending_operations") or []
        return Snapshot(
            [decode_resource(raw) for raw in latest.get("resources") or []],
            [Operation(decode_resource(o["resource"]), o["type"]) for o in operations],
            salt_of(latest),
            dict(latest.get("manifest") or {}),
            {k: v for k, v in latest.items() if k not in _LATEST},
        )
    except (TypeError, KeyError, AttributeError, ValueError) as error:
        raise EngineError(f"{INTEGRITY_PREFIX}an entry is malformed ({error})") from error


def salt_of(latest: Mapping[str, Any]) -> str:
    return str(((latest.get("secrets_providers") or {}).get("state") or {}).get("salt") or "")


def decode_checkpoint(document: Mapping[str, Any], name: str) -> Snapshot:
    check_version(document, name)
    return decode_latest(document["checkpoint"].get("latest"))


def check_version(document: Mapping[str, Any], name: str) -> None:
    """`document` is a state file or an export of stack `name`."""
    version = document.get("version")
    if not isinstance(version, int) or version < 3:
        only = "which only the Pulumi CLI can convert"
        raise EngineError(f"the stack '{name}' has format {version}, {only}")
    if version > 4:
        old = "this version of the Pulumi CLI understands. Please update your version of the"
        raise EngineError(f"the stack '{name}' is newer than what {old} Pulumi CLI")
    if foreign := sorted(set(document.get("features") or []) - FEATURES.keys()):
        needs = "this stack's deployment needs support for the following features"
        raise EngineError(f"{needs}: {', '.join(foreign)}")


def encode_latest(snapshot: Snapshot) -> dict[str, Any]:
    """The deployment as `checkpoint.latest` and exports hold it, with a manifest of this moment."""
    salt, pending = snapshot.salt, snapshot.pending
    latest: dict[str, Any] = {
        "manifest": {"time": now_text(), "magic": _magic(VERSION), "version": VERSION},
        "secrets_providers": salt and {"type": "passphrase", "state": {"salt": salt}},
        "resources": [encode_resource(r) for r in snapshot.resources],
        "pending_operations": [
            {"resource": encode_resource(o.resource), "type": o.type} for o in pending
        ],
    }
    return {**{k: v for k, v in latest.items() if v}, "metadata": {}, **snapshot.unknown}


def versioned(latest: Mapping[str, Any], key: str, value: Mapping[str, Any]) -> dict[str, Any]:
    """`{"version", "features"?, key: value}`: version 4 only when the deployment uses a feature."""
    raws = latest.get("resources") or []
    used = sorted(f for f, mark in FEATURES.items() if any(raw.get(mark) for raw in raws))
    return {"version": 4, "features": used, key: value} if used else {"version": 3, key: value}


def checkpoint_document(latest: Mapping[str, Any], qualified_name: str) -> dict[str, Any]:
    return versioned(latest, "checkpoint", {"stack": qualified_name, "latest": latest})


def sort_topologically(resources: Iterable[Resource]) -> list[Resource]:
    """Entries with everything that they refer to before them; otherwise the given order is kept."""
    stack = list(resources)[::-1]
    by_urn: dict[str, list[Resource]] = {}
    for resource in stack:
        by_urn.setdefault(resource.urn, []).insert(0, resource)
    seen: set[int] = set()
    out: dict[int, Resource] = {}
    while stack:
        resource, fresh = stack[-1], id(stack[-1]) not in seen
        seen.add(id(resource))
        wanted = [r for _, u in resource.references() for r in by_urn.get(u, ()) if fresh]
        wanted = [r for r in reversed(wanted) if id(r) not in seen]
        stack += wanted
        if not wanted:
            out.setdefault(id(resource), stack.pop())
    return list(out.values())


def verify(snapshot: Snapshot) -> None:
    """EngineError when the manifest or a reference between entries is wrong."""
    version, magic = (snapshot.manifest.get(key) for key in ("version", "magic"))
    if snapshot.manifest and magic != _magic(str(version or "")):
        raise EngineError(f"{INTEGRITY_PREFIX}magic cookie mismatch; the file was tampered with")
    for text in integrity_errors(snapshot.resources):
        raise EngineError(INTEGRITY_PREFIX + text)


def _magic(version: str) -> str:
    return hashlib.sha256(version.encode()).hexdigest()


def integrity_errors(resources: list[Resource]) -> Iterator[str]:
    """What is wrong with the list, without prefix, one text for each finding."""
    later = {r.urn for r in resources}
    seen: set[str] = set()
    live: set[str] = set()
    providers = {""}
    for resource in resources:
        urn = resource.urn
        if is_provider(resource.type):
            if not resource.id:
                yield f"provider {urn} is not referenceable: it has no id"
            providers.add(f"{urn}::{resource.id}")
        if resource.provider not in providers and not resource.pending_replacement:
            yield f"resource {urn} refers to unknown provider {resource.provider}"
        references = ((k, u) for k, u in resource.references() if k != "provider")
        yield from (_wrong_order(urn, k, u, later) for k, u in references if u not in seen)
        if resource.id and not resource.custom:
            yield f"resource {urn} has an id, but is a component"
        if urn in live and not resource.delete:
            yield f"duplicate resource {urn} (not marked for deletion)"
        seen.add(urn)
        live |= set() if resource.delete else {urn}


def _wrong_order(urn: str, kind: str, target: str, later: set[str]) -> str:
    if target in later:
        return f"resource {urn}'s {kind} {target} comes after it"
    if kind == "parent":
        return f"child resource {urn} refers to missing parent {target}"
    return f"resource {urn} {kind} refers to missing resource {target}"


def rename_references(resource: Resource, renamed: Mapping[str, str]) -> Resource:
    """The entry, or a copy whose references to URNs matched by an alias name the new ones."""
    if not any(urn in renamed for _, urn in resource.references()):
        return resource
    copy = resource.rewritten(lambda urn: renamed.get(urn, urn))
    copy.urn, copy.aliases = resource.urn, resource.aliases
    return copy


def rename_stack(snapshot: Snapshot, project: str, old: str, new: str) -> Snapshot:
    """The snapshot with every URN of stack `old` moved to stack `new`, root resource included."""

    def change(urn: str) -> str:
        stack, owner, type_, name = split_urn(urn)
        if stack != old:
            return urn
        if type_ == ROOT_TYPE and name == f"{project}-{old}":
            name = f"{project}-{new}"
        return f"urn:pulumi:{new}::{owner}::{type_}::{name}"

    return dataclasses.replace(
        snapshot,
        resources=[r.rewritten(change) for r in snapshot.resources],
        pending=[Operation(o.resource.rewritten(change), o.type) for o in snapshot.pending],
    )
