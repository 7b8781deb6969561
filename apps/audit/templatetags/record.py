"""An audit event as a sentence of a page."""

from __future__ import annotations

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from apps.audit.models import AuditEvent
from apps.audit.wording import parts_of
from apps.core.templatetags.portal import visible

register = template.Library()


def sentence_of(event: AuditEvent) -> str:
    """The same as plain text."""
    names = {"{who}": event.actor_name, "{what}": event.object_name}
    parts = parts_of(event.event, event.object_name)
    return "".join(names.get(part, part) for part in parts).strip()


@register.simple_tag
def told(event: AuditEvent) -> SafeString:
    """Who did what to what; both names stand out and mean nothing to the browser."""
    names = {"{who}": event.actor_name, "{what}": event.object_name}
    parts = [(names.get(part), part) for part in parts_of(event.event, event.object_name)]
    return format_html_join(
        "",
        "{}",
        (
            (part if name is None else format_html("<strong>{}</strong>", visible(name)),)
            for name, part in parts
        ),
    )
