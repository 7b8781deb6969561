"""The record of who did what, for those who may read it."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString

from apps.audit.models import AuditEvent
from apps.audit.templatetags.record import sentence_of, told
from apps.core.admin import PortalModelAdmin
from apps.core.templatetags.portal import at, visible


@admin.register(AuditEvent)
class AuditEventAdmin(PortalModelAdmin):
    list_display = ("moment", "environment", "sentence", "event")
    search_fields = ("event", "actor_name", "environment", "object_name")
    search_help_text = "Event, person, environment or object"
    view_action = "view_audit"
    head = "Everything that was done or refused. Rows are never changed."

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Named after what was done."""
        row = self.get_object(request, unquote(object_id))
        own = {"title": visible(sentence_of(row))} if row else {}
        return super().change_view(request, object_id, form_url, {**own, **(extra_context or {})})

    @admin.display(description="When", ordering="id")
    def moment(self, row: AuditEvent) -> str:
        return at(row.at, seconds=True)

    @admin.display(description="What was done")
    def sentence(self, row: AuditEvent) -> SafeString:
        return told(row)
