"""
What every list of the REST API shares: keyset pages, filters named after fields, and an ordering
out of a fixed list. A parameter nobody knows is refused: a misspelt filter would show everything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.db import models
from rest_framework.exceptions import NotFound as DrfNotFound
from rest_framework.filters import BaseFilterBackend
from rest_framework.pagination import CursorPagination as DrfCursorPagination
from rest_framework.request import Request
from rest_framework.views import APIView

from apps.core.errors import Invalid
from apps.core.lookups import NUMBER, field_of

PAGING = frozenset({"cursor", "page_size", "ordering", "format"})
# More than an index is asked for at once; a name that many rows lead to is left to the join.
MOST_KEYS = 20


class CursorPagination(DrfCursorPagination):
    """Keyset pages, newest first; `?page_size=` from 1 to 500. No total is counted."""

    page_size = 100
    max_page_size = 500
    page_size_query_param = "page_size"
    ordering = "-id"

    def get_page_size(self, request: Request) -> int | None:
        given = request.query_params.get(self.page_size_query_param)
        if given is None:
            return self.page_size
        if not given.isascii() or not given.isdigit() or not 1 <= int(given) <= self.max_page_size:
            text = f"page_size is a whole number from 1 to {self.max_page_size}."
            raise Invalid("input.invalid", text, errors={"page_size": text})
        return int(given)

    def paginate_queryset(
        self, queryset: Any, request: Request, view: APIView | None = None
    ) -> list[Any] | None:
        """Raises Invalid (`cursor.invalid`) for a cursor that no page of this list ever gave."""
        try:
            return super().paginate_queryset(queryset, request, view)
        except (DrfNotFound, ValueError, ValidationError, OverflowError) as error:
            text = "This cursor is not one that a page of this list gave."
            raise Invalid(
                "cursor.invalid",
                text,
                next_step="Begin without a cursor and follow `next`.",
                errors={"cursor": text},
            ) from error


class FieldFilter(BaseFilterBackend):
    """
    Reads `filters` (parameter → ORM look-up) and `orderings` (fields, the key always among them)
    from the view; `extra_parameters` names what the view itself reads.
    """

    param_description: ClassVar[str] = "Only rows with this value."

    def filter_queryset(
        self, request: Request, queryset: models.QuerySet[Any], view: Any
    ) -> models.QuerySet[Any]:
        lookups: Mapping[str, str] = getattr(view, "filters", {})
        known = {*lookups, *PAGING, *getattr(view, "extra_parameters", ())}
        for name in request.query_params:
            if name not in known:
                raise _refusal(name, f"There is no filter {name}. There are {_words(lookups)}.")
        for name, lookup in lookups.items():
            if name in request.query_params:
                value = request.query_params[name]
                queryset = self._narrowed(queryset, name, lookup, value)
        return queryset

    def _narrowed(
        self, queryset: models.QuerySet[Any], name: str, lookup: str, value: str
    ) -> models.QuerySet[Any]:
        field = field_of(queryset.model, lookup)
        choices = [str(key) for key, _ in field.flatchoices] if field is not None else []
        if choices and value not in choices:
            raise _refusal(name, f"{name} is one of {', '.join(choices)}.")
        if isinstance(field, models.BooleanField):
            if value not in {"true", "false"}:
                raise _refusal(name, f"{name} is true or false.")
            return queryset.filter(**{lookup: value == "true"})
        if isinstance(field, models.IntegerField | models.ForeignKey) and not NUMBER.fullmatch(
            value
        ):
            raise _refusal(name, f"{name} is a whole number of at most 18 digits.")
        if "\0" in value:
            raise _refusal(name, f"{name} holds a character that no value here has.")
        try:
            return queryset.filter(**named_first(queryset.model, lookup, value))
        except (ValueError, TypeError, ValidationError) as error:
            raise _refusal(name, f"This is not a value of {name}.") from error

    def get_ordering(
        self, request: Request, _queryset: models.QuerySet[Any], view: Any
    ) -> Sequence[str] | None:
        """What CursorPagination sorts by; the key breaks ties."""
        given = request.query_params.get("ordering")
        default = getattr(view, "default_ordering", "-id")
        if given is None:
            return (default,) if default.lstrip("-") == "id" else (default, "-id")
        allowed: Sequence[str] = getattr(view, "orderings", ("id",))
        if given.removeprefix("-") not in allowed:
            raise _refusal(
                "ordering",
                f"ordering is one of {', '.join(allowed)}, with - in front for the reverse.",
            )
        return (given,) if given.removeprefix("-") == "id" else (given, "-id")

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        """OpenAPI, read by drf-spectacular."""
        model = view.get_queryset().model
        parameters = [
            {
                "name": name,
                "in": "query",
                "required": False,
                "description": self.param_description,
                "schema": _schema(field_of(model, lookup)),
            }
            for name, lookup in getattr(view, "filters", {}).items()
        ]
        words = [sign + name for name in getattr(view, "orderings", ("id",)) for sign in ("", "-")]
        ordering = {"type": "string", "enum": words}
        parameters.append(
            {"name": "ordering", "in": "query", "required": False, "schema": ordering}
        )
        return parameters


def named_first(model: type[models.Model], lookup: str, value: str) -> dict[str, Any]:
    """
    The filter of a look-up. One that goes to another table by a unique name (an environment's) is
    asked for that row's key first: with the key an index gives a rare one's rows at once, while a
    join walks the list, newest first, until it has found a page of them.
    """
    head, _, rest = lookup.partition("__")
    end = field_of(model, lookup)
    if not rest or end is None or not end.unique:
        return {lookup: value}
    related = field_of(model, head)
    if related is None or related.related_model is None:
        return {lookup: value}
    rows = related.related_model._default_manager.filter(**{rest: value}).order_by("pk")  # noqa: SLF001 - Django's public model API
    keys = list(rows.values_list("pk", flat=True)[: MOST_KEYS + 1])
    if len(keys) > MOST_KEYS:
        return {lookup: value}
    return {head: keys[0]} if len(keys) == 1 else {f"{head}__in": keys}


def _schema(field: models.Field[Any, Any] | None) -> dict[str, Any]:
    if field is not None and field.flatchoices:
        return {"type": "string", "enum": [str(key) for key, _ in field.flatchoices]}
    if isinstance(field, models.BooleanField):
        return {"type": "boolean"}
    if isinstance(field, models.IntegerField | models.ForeignKey):
        return {"type": "integer"}
    return {"type": "string"}


def _words(names: Mapping[str, str]) -> str:
    return ", ".join(sorted({*names, "page_size", "cursor", "ordering"}))


def _refusal(name: str, text: str) -> Invalid:
    return Invalid("filter.invalid", text, errors={name: text})
