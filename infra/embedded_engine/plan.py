"""
Update plans: what a preview foresaw, saved as a file, and later enforced on an update.

An entry of a plan says for one resource how its inputs and outputs change (against the state), its
options, the kinds of its steps in order, and the random seed of its check. Entries are kept in the
form of the file: `{"goal": {…options, "inputDiff", "outputDiff"}, "steps", "state", "seed"}`, only
with values in place of their JSON.
"""

import base64
import dataclasses
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from infra.embedded_engine import goals, state, values
from infra.embedded_engine.backend import replace_file
from infra.embedded_engine.errors import EngineError
from infra.embedded_engine.executor import Step
from infra.embedded_engine.secrets import Secrets

# What a planned step may turn out to be, besides itself.
ALLOWED = {
    **dict.fromkeys(("create", "update"), ("same",)),
    **dict.fromkeys(("replace", "create-replacement", "delete-replaced"), ("same", "update")),
}
# Options in the order in which they are compared, and what the text calls them.
COMPARED = {key: key for key in ("custom", "provider", "parent", "protect", "deleteBeforeReplace",
            "id", "customTimeouts", "ignoreChanges", "additionalSecretOutputs", "dependencies",
            "structuredAliases")}  # fmt: skip
COMPARED |= {"custom": "kind", "id": "importID", "customTimeouts": "custom timeouts"}
COMPARED["structuredAliases"] = "aliases"
PLANNED = ("type", "custom", "parent", "dependencies", "provider", "propertyDependencies",
           "ignoreChanges", "additionalSecretOutputs", "id")  # fmt: skip
NOT_MISSED = ("same", "delete", "delete-replaced", "replace")  # steps that may stay out


class Plan:
    """What a run decides: noted for a preview that saves it, checked by an `Enforced` plan."""

    def __init__(self) -> None:
        self._entries: dict[str, dict[str, Any]] = {}
        self._olds: dict[str, state.Resource] = {}
        self._news: dict[str, state.Resource] = {}

    def _entry(self, urn: str) -> dict[str, Any]:
        seed = base64.b64encode(os.urandom(32)).decode()
        return self._entries.setdefault(urn, {"steps": [], "state": None, "seed": seed})

    def seed(self, urn: str) -> bytes:
        """What Check of a resource is given as its random seed."""
        return base64.b64decode(self._entry(urn)["seed"])

    def goal(self, goal: goals.Goal, old: state.Resource | None) -> None:
        """A registration, after its check."""
        new = goal.state
        self._news[new.urn] = new
        self._olds |= {new.urn: old} if old else {}
        changed = {"inputDiff": _change(old.inputs if old else {}, new.inputs), "outputDiff": {}}
        self._entry(new.urn)["goal"] = {**_options(goal), **changed}

    def steps(self, chain: Sequence[Step]) -> None:
        """Steps that were decided, before any of them is begun."""
        for step in chain:
            self._entry(step.urn)["steps"].append(step.op)

    def outputs(self, urn: str, outputs: dict[str, Any]) -> None:
        """What a component or the stack registered as its outputs."""
        old = self._olds[urn].outputs if urn in self._olds else {}
        self._entry(urn)["goal"]["outputDiff"] = _change(old, outputs)

    def finish(self) -> None:
        """The end of a run without errors."""

    def save(self, path: str, config: Mapping[str, Any], secrets: Secrets) -> None:
        """Writes the file, readable by its owner alone."""
        for urn, new in self._news.items():
            self._entries[urn]["state"] = new.outputs
        document = {"manifest": state.encode_latest(state.Snapshot())["manifest"]}
        document |= {"config": dict(config)} if config else {}
        document["resourcePlans"] = values.to_json(
            dict(sorted(self._entries.items())),
            lambda value: {"ciphertext": secrets.encrypt(values.json_text(value), path)},
        )
        text = json.dumps(document, indent=4, ensure_ascii=False) + "\n"
        try:
            replace_file(Path(path), text.encode(), 0o600)
        except OSError as error:
            raise EngineError(f"open {path}: {str(error.strerror).lower()}") from error
        sys.stderr.write(
            f"Update plan written to '{path}'\nRun `pulumi up --plan='{path}'` to constrain the "
            "update to the operations planned by this preview\n"
        )


def opened(path: str, secrets: Secrets) -> Plan:
    """The plan in a file, to be followed; without a path one that only notes."""
    if not path:
        return Plan()
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise EngineError(f"open {path}: {str(error.strerror).lower()}") from error
    except ValueError as error:
        raise EngineError(f"the plan {path} is damaged ({error}); make a new one") from error
    return Enforced(document, secrets.decrypt)


class Enforced(Plan):
    """A saved plan: every registration and every step has to be in it."""

    def __init__(self, document: Mapping[str, Any], unseal: Callable[[str], str]) -> None:
        super().__init__()
        try:
            for urn, raw in document["resourcePlans"].items():
                entry = {**values.from_json(raw, unseal), "steps": [*map(str, raw["steps"] or [])]}
                self._entries[urn] = {**entry, "seed": str(raw.get("seed") or "")}
                self.seed(urn)
                for diff in ("inputDiff", "outputDiff"):
                    _parts((entry.get("goal") or {}).get(diff))  # damage shows now, not half-way
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise EngineError(f"the plan is damaged ({error!r}); make a new one") from error

    def seed(self, urn: str) -> bytes:
        return super().seed(urn) if urn in self._entries else os.urandom(32)

    def goal(self, goal: goals.Goal, old: state.Resource | None) -> None:
        new = goal.state
        entry = self._entries.get(new.urn)
        before = old.inputs if old else {}
        self._olds |= {new.urn: old} if old else {}
        if entry is None:
            if old is not None:
                _verify(new.urn, {}, before, new.inputs)
            return
        planned, actual = entry.get("goal"), _options(goal)
        if not planned:
            what = "resource unexpectedly not deleted"
            raise EngineError(f"resource {new.urn} violates plan: {what}")
        for key, what in COMPARED.items():
            if not _same_option(key, planned.get(key), actual.get(key)):
                sides = f"{_plain(planned.get(key))} (planned) to {_plain(actual.get(key))}"
                text = f"resource {new.urn} violates plan: {what} changed from {sides}"
                raise EngineError(text)
        _verify(new.urn, planned.get("inputDiff"), before, new.inputs)

    def steps(self, chain: Sequence[Step]) -> None:
        for step in chain:
            left = self._entries[step.urn]["steps"] if step.urn in self._entries else None
            if left:
                planned = left.pop(0)
                if step.op == planned or step.op in ALLOWED.get(planned, ()):
                    continue
                why = f"this resource is constrained to {planned}"
            else:
                more = "more " if left is not None else ""
                why = f"no {more}steps were expected for this resource"
            raise EngineError(f"{step.op} is not allowed by the plan: {why}")

    def outputs(self, urn: str, outputs: dict[str, Any]) -> None:
        planned = self._entries.get(urn, {}).get("goal")
        if planned:
            old = self._olds[urn].outputs if urn in self._olds else {}
            _verify(urn, planned.get("outputDiff"), old, outputs)

    def finish(self) -> None:
        for urn, entry in self._entries.items():
            left = entry["steps"] if entry.get("goal") and urn not in self._olds else []
            if left and "same" not in left and left[0] not in NOT_MISSED:
                raise EngineError(f"expected resource operations for {urn} but none were seen")


def _options(goal: goals.Goal) -> dict[str, Any]:
    """A goal as plans hold it, without its diffs; empty options are left out."""
    new = goal.state
    raw = state.encode_resource(dataclasses.replace(new, id=new.import_id))
    aliases = [{k: v for k, v in dataclasses.asdict(a).items() if v} for a in goal.aliases]
    first = goal.delete_before_replace
    return {
        **{key: raw[key] for key in PLANNED if key in raw},
        **({"structuredAliases": aliases} if aliases else {}),
        **({} if first is None else {"deleteBeforeReplace": first}),
        "name": goal.name,
        "protect": bool(new.protect),
        "customTimeouts": new.custom_timeouts,
    }


def _change(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    parts = {
        "adds": {k: v for k, v in new.items() if k not in old},
        "deletes": sorted(k for k in old if k not in new),
        "updates": {k: v for k, v in new.items() if k in old and not values.same(old[k], v)},
    }
    return {name: part for name, part in parts.items() if part}


def _parts(change: Mapping[str, Any] | None) -> tuple[dict[str, Any], list[str], dict[str, Any]]:
    """What a change adds, deletes and updates."""
    given = change or {}
    adds, updates = ({**(given.get(part) or {})} for part in ("adds", "updates"))
    return adds, list(given.get("deletes") or ()), updates


def _verify(
    urn: str, planned: Mapping[str, Any] | None, old: Mapping[str, Any], new: Mapping[str, Any]
) -> None:
    """EngineError when the real change does what the planned one does not allow."""
    adds, deletes, updates = _parts(planned)
    wanted = {**adds, **updates}
    found = []
    for key in sorted({*old, *new, *wanted}):
        actual = _text(new.get(key))
        if key in wanted:
            sign = "++" if key in adds else "~~"
            if not _matches(wanted[key], new.get(key)):
                found.append(f"{sign}{key}[{_text(wanted[key])}!={actual}]")
        elif key in deletes:
            found += [f"-{key}[{actual}]"] if key in new else []
        elif (key in old) != (key in new) or not values.same(old.get(key), new.get(key)):
            found.append(f"=~{key}[{actual}]")
    if found:
        raise EngineError(f"resource {urn} violates plan: properties changed: {', '.join(found)}")


def _matches(planned: Any, actual: Any) -> bool:
    """Whether a value is the planned one; what was unknown then may be anything."""
    planned, actual = values.opened(planned), values.opened(actual)
    if planned is values.UNKNOWN:
        return True
    if isinstance(planned, dict) and isinstance(actual, dict):
        return all(_matches(planned.get(k), actual.get(k)) for k in {*planned, *actual})
    if isinstance(planned, list) and isinstance(actual, list):
        return len(planned) == len(actual) and all(map(_matches, planned, actual))
    return values.same(planned, actual)


def _text(value: Any) -> str:
    return "[secret]" if values.has_secret(value) else f"{{{values.json_text(value)}}}"


def _same_option(key: str, planned: Any, actual: Any) -> bool:
    if key == "provider" and planned and actual:
        urn, id_ = state.split_reference(planned)
        return state.split_reference(actual)[0] == urn and (
            id_ == values.UNKNOWN_TEXT or actual == planned
        )
    if key == "dependencies":
        return set(planned or ()) == set(actual or ())
    return (planned or None) == (actual or None)


def _plain(value: Any) -> str:
    return "none" if value in (None, "", [], {}) else str(value)
