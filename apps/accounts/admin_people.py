"""
Accounts in the admin: name, password, address. Django's own forms make them, for superusers only;
what a person may do are roles, on the person's page. Accounts are disabled, never deleted: the
record names them.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group, User
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.accounts.asking import page_of
from apps.accounts.places import manages_somewhere
from apps.audit import services as audit
from apps.core.admin import LongList
from apps.core.api import actor_of
from apps.core.templatetags.portal import at

admin.site.unregister(User)
# Groups hold Django's permissions, which nothing here asks.
admin.site.unregister(Group)


@admin.register(User)
class PersonAdmin(LongList, UserAdmin):  # type: ignore[type-arg]  # generic in the stubs only
    list_display = ("person", "email", "is_active", "is_superuser", "last_seen")
    list_display_links = None
    add_form_template = "accounts/person_add.html"
    change_user_password_template = "accounts/person_password.html"  # noqa: S105 - a template
    list_filter = ("is_active", "is_superuser")
    search_fields = ("username", "email")
    search_help_text = "Name or address"
    plural = "People"
    filter_horizontal = ()
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("Person", {"fields": ("first_name", "last_name", "email")}),
        ("Account", {"fields": ("is_active", "is_superuser")}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )

    @admin.display(description="Person", ordering="username")
    def person(self, row: User) -> SafeString:
        return format_html('<a href="{}">{}</a>', page_of(row.pk), row.get_username())

    @admin.display(description="Last login", ordering="last_login")
    def last_seen(self, row: User) -> SafeString | str:
        return at(row.last_login) if row.last_login else "never"

    def has_module_permission(self, request: HttpRequest) -> bool:
        return manages_somewhere(actor_of(request))

    def has_view_permission(self, request: HttpRequest, *_: Any) -> bool:
        return self.has_module_permission(request)

    def has_delete_permission(self, *_: Any) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: Any) -> None:
        """Everybody with an account may come in; what they see is their roles'."""
        obj.is_staff = True
        super().save_model(request, obj, form, change)

    def log_addition(self, request: HttpRequest, obj: User, message: Any) -> Any:
        audit.record(actor_of(request), "accounts.person.created", obj)
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: User, message: Any) -> Any:
        # A changed password is told as a sentence, changed fields as a list.
        parts = message if isinstance(message, list) else [{"changed": {"fields": ["password"]}}]
        fields = [name for part in parts for name in part.get("changed", {}).get("fields", [])]
        audit.record(actor_of(request), "accounts.person.changed", obj, fields=fields)
        return super().log_change(request, obj, message)

    def changeform_view(self, *arguments: Any, **named: Any) -> HttpResponse:
        answer = super().changeform_view(*arguments, **named)
        if isinstance(answer, TemplateResponse) and answer.context_data is not None:
            answer.context_data["plural"] = self.plural
        return answer

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        own = {
            "plural": self.plural,
            "head": "Who has an account. A person's page shows their roles.",
            "empty": "A superuser adds a person.",
        }
        return super().changelist_view(request, {**own, **(extra_context or {})})
