"""What a resource type is: typed inputs and six verbs over one real thing."""

import dataclasses
import threading
import types
import typing
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Generic, TypeVar

from infra.orchestra_provider.errors import Failure
from infra.orchestra_provider.values import Properties, has_unknown

Inputs = TypeVar("Inputs")


@dataclasses.dataclass(frozen=True)
class Call:
    """Whose call it is, and whether the engine still wants it."""

    urn: str
    canceled: threading.Event


@dataclasses.dataclass(frozen=True)
class Found:
    """What `read` found. A difference in the inputs is what an operator sees as drift."""

    inputs: Properties
    outputs: Properties


class ResourceType(ABC, Generic[Inputs]):
    """
    One kind of real thing. Ids come from inputs, so that a create whose record was lost finds its
    own leftover.
    """

    token: ClassVar[str]
    inputs: ClassVar[type[Any]]
    # A change of one of these means another thing.
    replaced_by: ClassVar[frozenset[str]] = frozenset()
    delete_before_replace: ClassVar[bool] = False
    # Outputs that nobody knows before the create.
    computed: ClassVar[frozenset[str]] = frozenset()
    # Inputs that `derive` makes; unknown as long as one of the others is.
    derived: ClassVar[frozenset[str]] = frozenset()

    def derive(self, inputs: Inputs) -> Properties:
        """Inputs that follow from the others; added by `check` when all of those are known."""
        return {}

    def check(self, inputs: Inputs, old: Inputs | None) -> list[Failure]:
        """
        What the world has against these inputs. Runs in previews too, changes nothing.

        A field that is not known yet holds UNKNOWN; a failure about it is dropped.
        """
        return []

    @abstractmethod
    def identify(self, inputs: Inputs) -> str: ...

    @abstractmethod
    def create(self, call: Call, inputs: Inputs) -> Properties:
        """Makes the thing or adopts its own leftover; refuses a foreign one. Answers outputs."""

    @abstractmethod
    def read(self, call: Call, identifier: str, inputs: Inputs) -> Found | None:
        """The truth, or None when the thing is gone."""

    @abstractmethod
    def update(self, call: Call, identifier: str, old: Inputs, new: Inputs) -> Properties:
        """Changes the thing in place. Answers the outputs."""

    @abstractmethod
    def delete(self, call: Call, identifier: str, inputs: Inputs) -> None:
        """Removes the thing and reads back that it is gone. Already gone is well."""


def check_fields(kind: type[Any], news: Mapping[str, Any]) -> list[Failure]:
    """
    Compares properties (without secret wrappers) with the fields of an inputs class. Unknown
    values pass.
    """
    fields = {field.name: field for field in dataclasses.fields(kind)}
    hints = typing.get_type_hints(kind)
    failures = [
        Failure(name, f"{name} is not a setting of {kind.__name__}; it takes {', '.join(fields)}.")
        for name in news
        if name not in fields
    ]
    for name, field in fields.items():
        value = news.get(name)
        if value is None:
            if _required(field):
                failures.append(Failure(name, f"{name} is missing."))
        elif not has_unknown(value) and not _fits(value, hints[name]):
            failures.append(Failure(name, f"{name} takes {_words(hints[name])}."))
    return failures


def with_defaults(kind: type[Any], news: Mapping[str, Any]) -> Properties:
    """The properties as given, and the defaults of the fields that are not."""
    filled = {name: value for name, value in news.items() if value is not None}
    for field in dataclasses.fields(kind):
        if field.name in filled or _required(field):
            continue
        factory = field.default_factory
        default = field.default if factory is dataclasses.MISSING else factory()
        if default is not None:
            filled[field.name] = default
    return filled


def parse(kind: type[Inputs], values: Mapping[str, Any]) -> Inputs:
    """
    An inputs object from stored properties; what an older version of the provider left out has its
    default.
    """
    names = {field.name for field in dataclasses.fields(typing.cast("Any", kind))}
    return kind(**{k: v for k, v in values.items() if k in names and v is not None})


def _required(field: dataclasses.Field[Any]) -> bool:
    missing = dataclasses.MISSING
    return field.default is missing and field.default_factory is missing


def _fits(value: Any, hint: Any) -> bool:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, entry) for entry in arguments)
    if origin is list:
        return isinstance(value, list) and all(_fits(entry, arguments[0]) for entry in value)
    if origin is dict:
        return isinstance(value, dict) and all(_fits(v, arguments[1]) for v in value.values())
    if hint is Any:
        return True
    if hint in (int, float):
        wanted = (int,) if hint is int else (int, float)
        return isinstance(value, wanted) and not isinstance(value, bool)
    return isinstance(value, hint)


def _words(hint: Any) -> str:
    names = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_words(h) for h in typing.get_args(hint) if h is not type(None))
    if origin is list:
        return f"a list, each entry {_words(typing.get_args(hint)[0])}"
    if origin is dict:
        return f"a map, each value {_words(typing.get_args(hint)[1])}"
    return names.get(hint, "another kind of value")
