"""The admin site: menu, pages of the apps, and model admins that show and ask, never write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django.contrib import admin
from django.contrib.admin import AdminSite
from django.contrib.admin.utils import unquote
from django.db import models
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, URLResolver, path, reverse
from django.utils.safestring import mark_safe
from django.utils.text import capfirst

from apps.core.api import actor_of
from apps.core.confirming import with_refusals
from apps.core.paging import UncountedPaginator
from apps.core.permissions import may
from apps.core.searching import search

View = Callable[..., HttpResponse]
Context = dict[str, Any]
ORDER = ("environments", "deployments", "mcp", "gpu", "monitoring", "accounts", "audit", "auth")


class PortalAdminSite(AdminSite):
    """Pages that are no model's register themselves with `page`; the home page with `home`."""

    site_header = site_title = "Orchestra Portal"
    index_title = "Home"
    site_url = None
    enable_nav_sidebar = True

    def __init__(self, name: str = "admin") -> None:
        super().__init__(name)
        self.empty_value_display = "not set"
        self._pages: list[tuple[str, View, str]] = []
        self._context: list[Callable[[HttpRequest], Context]] = []
        self._home: View | None = None

    def page(self, route: str, view: View, name: str) -> None:
        """Serves `view` at `/admin/<route>` to people who are logged in; shows its refusals."""
        self._pages.append((route, with_refusals(view), name))

    def home(self, view: View) -> None:
        """Makes `view` the index."""
        self._home = view

    def context(self, provider: Callable[[HttpRequest], Context]) -> None:
        """Adds what `provider` says to the context of every page, the login page too."""
        self._context.append(provider)

    def get_urls(self) -> list[URLPattern | URLResolver]:
        pages: list[URLPattern | URLResolver] = [
            path(route, self.admin_view(view), name=name) for route, view, name in self._pages
        ]
        # Before Django's last pattern, which answers everything, and after the models' own.
        urls = super().get_urls()
        return [*urls[:-1], *pages, urls[-1]]

    def each_context(self, request: HttpRequest) -> Context:
        context = super().each_context(request)
        for provider in self._context:
            context |= provider(request)
        return context

    def index(  # type: ignore[override]  # the stubs promise a TemplateResponse; Django needs none
        self, request: HttpRequest, extra_context: Context | None = None
    ) -> HttpResponse:
        if self._home:
            return self._home(request)
        return super().index(request, extra_context)

    def app_index(  # type: ignore[override]  # the stubs promise a TemplateResponse; Django needs none
        self, request: HttpRequest, app_label: str, extra_context: Context | None = None
    ) -> HttpResponse:
        """An app is no page of its own: the sidebar has its lists on every page."""
        return HttpResponseRedirect(reverse("admin:index"))

    def has_permission(self, request: HttpRequest) -> bool:
        """Everybody with an account may come in; what they see is their roles'."""
        return bool(request.user.is_active and request.user.is_authenticated)

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        shown = super().get_app_list(request, app_label)
        for model in (model for app in shown for model in app["models"]):
            model["name"] = getattr(self._registry[model["model"]], "plural", "") or model["name"]
        return sorted(shown, key=lambda app: _place(app["app_label"]))


def _place(label: str) -> int:
    return ORDER.index(label) if label in ORDER else len(ORDER)


def _title(row: models.Model | None) -> str:
    """What kind of thing it is and which, said once."""
    if row is None:
        return ""
    kind = str(row._meta.verbose_name)  # noqa: SLF001 - Django's documented name
    text = str(row)
    named = text if text.lower().startswith(kind) else f"{kind} {text}"
    return f"{named[:1].upper()}{named[1:]}"


class VisibleFilter(admin.RelatedFieldListFilter):
    """Offers the environments that the actor may see, by rank; rows of none hold for all."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.empty_value_display = mark_safe("no single one")

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> Any:
        slugs = actor_of(request).visible_environments()
        limit = {} if slugs is None else {"slug__in": slugs}
        return field.get_choices(include_blank=False, ordering=("rank",), limit_choices_to=limit)


class LongList(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in the stubs only
    """A list as quick with 100,000 rows as with 100: nothing is counted, skipped or read whole."""

    actions = None
    change_form_template = "core/row.html"
    list_per_page = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    paginator = UncountedPaginator

    def get_paginator(self, request: HttpRequest, queryset: Any, per_page: int, *_: Any) -> Any:
        return UncountedPaginator(queryset, per_page, place=request.GET.get("p", ""))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        fields = self.get_search_fields(request)
        if not fields:
            return queryset, False
        chosen = "o" in request.GET
        return search(queryset, fields, search_term, keep_order=chosen), False


class PortalModelAdmin(LongList):
    """
    Shows rows that the actor may see. Nothing is added, changed or deleted by Django's forms: every
    change is a verb behind a confirmation page. `plural` names the list, `head` is its sentence,
    `empty` what to do while there is nothing; `tools` are buttons of the head (name of the address,
    words), and `choice` in the context of the list is one more that opens (words, addresses with
    words); `visible_by` is the path to the environment's slug where the rows have no `visible_to`.
    """

    ordering = ("-pk",)
    view_action = "view"
    visible_by = ""
    plural = ""
    head = ""
    empty = ""
    tools: Sequence[tuple[str, str]] = ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: Any = super().get_queryset(request)
        if not self.visible_by:
            return rows.visible_to(actor_of(request))  # type: ignore[no-any-return]  # ours have it
        slugs = actor_of(request).visible_environments()
        return rows if slugs is None else rows.filter(**{f"{self.visible_by}__in": slugs})  # type: ignore[no-any-return]  # Any of the stubs

    def has_add_permission(self, *_: Any) -> bool:
        return False

    def has_change_permission(self, *_: Any) -> bool:
        return False

    def has_delete_permission(self, *_: Any) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, *_: Any) -> bool:
        return self.has_module_permission(request)

    def has_module_permission(self, request: HttpRequest) -> bool:
        actor = actor_of(request)
        return bool(actor.grants) and any(
            may(actor, self.view_action, place) for _, place in actor.grants
        )

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Named after the row, under the band of its environment."""
        row = self.get_object(request, unquote(object_id))
        own: Context = {"title": _title(row), "subtitle": None, "plural": self.plural}
        place = getattr(getattr(row, "stack", row), "environment", None)
        if isinstance(place, models.Model):
            own["environment"] = place
        return super().change_view(request, object_id, form_url, {**own, **(extra_context or {})})

    def history_view(self, *_: Any, **__: Any) -> HttpResponse:
        """Django's knows nothing of the verbs: what was done stands in the audit events."""
        raise Http404

    def changelist_view(
        self, request: HttpRequest, extra_context: Context | None = None
    ) -> HttpResponse:
        tools = [(reverse(name), words) for name, words in self.tools]
        name = self.plural or capfirst(str(self.opts.verbose_name_plural))
        own = {"head": self.head, "empty": self.empty, "plural": self.plural, "tools": tools}
        own["title"] = name
        return super().changelist_view(request, {**own, **(extra_context or {})})

    def _get_obj_does_not_exist_redirect(self, *_: Any) -> HttpResponse:
        """A foreign object and one that is not there get the same answer."""
        raise Http404
