"""Every way to look at a list: the pages, each filter, each search, each order."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.db.models import Count, Model
from django.test import RequestFactory

from apps.accounts.actors import actor_for_user
from apps.core.listing import field_of
from orchestra_portal.api import router

# A text that no row has.
NOWHERE = "zzz-nothing"


def lists() -> list[str]:
    """Labels of the models that have a list in the admin: all that are registered."""
    return [model._meta.label for model in admin.site._registry]


def of_list(model: type[Model]) -> dict[str, Any]:
    """`{"address", "looks": {name: query}}` of the model's list."""
    shown = admin.site.get_model_admin(model)
    request = RequestFactory().get("/")
    request.user = get_user_model().objects.get(username="root")
    request.actor = actor_for_user(request.user)  # type: ignore[attr-defined]  # as the middleware
    queries = {"first page": "", "last page": "?p=last"}
    queries |= dict(filters(model, shown.get_list_filter(request)))
    if fields := shown.get_search_fields(request):
        queries |= dict(searches(fields))
    address = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
    return {"address": address, "looks": queries}


def filters(model: type[Model], given: Any) -> Iterator[tuple[str, str]]:
    """A value that half of the rows have, and one that hardly any has."""
    for each in given:
        name = each[0] if isinstance(each, tuple) else each
        if not isinstance(name, str):
            words = name.parameter_name
            yield f"filter {words}", f"?{words}=trouble"
            continue
        field = field_of(model, name)
        key = f"{name}__id__exact" if field is not None and field.remote_field else f"{name}__exact"
        for word, value in values_of(model, name).items():
            shown = int(value) if isinstance(value, bool) else value
            yield f"filter {name}, {word}", f"?{key}={shown}"


def values_of(model: type[Model], lookup: str) -> dict[str, Any]:
    rows = model._default_manager.order_by().values_list(lookup).annotate(Count("pk"))
    counted = sorted((count, str(value), value) for value, count in rows if value is not None)
    if not counted:
        return {}
    found = {"usual": counted[-1][2]}
    return found | ({"rare": counted[0][2]} if len(counted) > 1 else {})


def searches(fields: Any) -> Iterator[tuple[str, str]]:
    name = next((each for each in fields if not each.startswith("=") and "__" not in each), "")
    if name:
        yield "search, in most rows", f"?q={name.replace('_', '-')}"
        yield "search, in one row", "?q=needle"
        yield "search, two letters", "?q=zq"
    yield "search, in no row", f"?q={NOWHERE}"


def of_api() -> list[dict[str, Any]]:
    """`[{"model", "address", "looks": {name: query}}]` of every list with pages."""
    found = []
    for prefix, view, _ in router.registry:
        if hasattr(view, "list") and view.pagination_class is not None and view.filter_backends:
            model = view.queryset.model
            looks = dict(ways(model, view.filters, view.orderings))
            found.append(
                {"model": model._meta.label, "address": f"/api/v1/{prefix}/", "looks": looks}
            )
        found += [each for each in parts(prefix, view) if each["model"]]
    return found


# Lists below one row: the row that half of all of them belong to.
PARTS = {
    ("monitoring/checks", "results"): "monitoring.CheckResult",
    ("monitoring/checks", "hours"): "monitoring.CheckHour",
    ("monitoring/incidents", "timeline"): "monitoring.IncidentEntry",
    ("mcp/servers", "tools"): "mcp.ToolDefinition",
    ("runs", "events"): "deployments.RunEvent",
}


def parts(prefix: str, view: Any) -> Iterator[dict[str, Any]]:
    for action in view.get_extra_actions():
        label = PARTS.get((prefix, action.url_path))
        if label is None:
            continue
        place = f"/api/v1/{prefix}/{'slug-1' if prefix == 'mcp/servers' else 1}/{action.url_path}/"
        if action.url_path == "events":
            looks = {"first page": "?limit=100", "in the middle": "?limit=100&after=350"}
        else:
            model = getattr(view.queryset.model, NAMES[action.url_path]).rel.related_model
            looks = dict(ways(model, action.kwargs.get("filters", {}), action.kwargs["orderings"]))
        yield {"model": label, "address": place, "looks": looks}


NAMES = {"results": "results", "hours": "hours", "timeline": "entries", "tools": "tools"}


def ways(model: type[Model], filters: Any, orderings: Any) -> Iterator[tuple[str, str]]:
    """The first and a deep page, each filter, each order."""
    yield "first page", ""
    if "id" in orderings:
        yield "deep page", f"?cursor={cursor('450')}"
    for name, lookup in filters.items():
        field = field_of(model, lookup)
        for word, value in values_of(model, lookup).items():
            shown = str(value).lower() if isinstance(value, bool) else value
            yield f"filter {name}, {word}", f"?{name}={shown}"
        if field is not None and not field.flatchoices and field.get_internal_type() == "CharField":
            yield f"filter {name}, none", f"?{name}={NOWHERE}"
    for name in orderings:
        yield f"order {name}", f"?ordering={name}"
        yield f"order -{name}", f"?ordering=-{name}"


def cursor(position: str) -> str:
    """A cursor as the pages give it: beyond the row with this key."""
    return base64.b64encode(f"p={position}".encode()).decode()
