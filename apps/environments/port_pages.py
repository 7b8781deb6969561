"""The pages before a port is allocated or given back."""

from __future__ import annotations

from collections.abc import Mapping

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse

from apps.core.api import actor_of
from apps.core.confirming import Ask, Confirmation, confirm, why_not
from apps.core.errors import Invalid
from apps.core.permissions import Actor
from apps.environments.models import Environment, Port
from apps.environments.port_states import free_after, listening
from apps.environments.services import allocate_port, release_port
from apps.environments.validation_page import environment_or_404

FIRST = 8000


def back() -> str:
    return reverse("admin:environments_port_changelist")


def allocate(request: HttpRequest, slug: str) -> HttpResponse:
    place = environment_or_404(request, slug)

    def act(actor: Actor, given: Mapping[str, str]) -> str:
        number = given.get("port", "")
        if not number.isdecimal():
            raise Invalid(
                "input.invalid", f"“{number}” is no port; ports are numbers from 1 to 65535."
            )
        allocate_port(
            actor,
            environment=slug,
            host=given.get("host", "").strip(),
            port=int(number),
            owner=given.get("owner", "").strip(),
            note=given.get("note", "").strip(),
            look=True,
        )
        return back()

    return confirm(request, _to_allocate(actor_of(request), place), place, act)


def _to_allocate(actor: Actor, place: Environment) -> Confirmation:
    known = place.ports.values_list("host", flat=True).first() or "127.0.0.1"
    return Confirmation(
        title=f"Allocate a port to {place.slug}?",
        sentence="It is kept for its owner on this address, whatever the environment. One that"
        " somebody has, or that a stranger's process holds, is refused.",
        button=f"Allocate the port to {place.slug}",
        back=back(),
        asks=(
            Ask("host", "Address", value=known, required=True),
            Ask(
                "port",
                "Port",
                value=str(free_after(known, FIRST) or ""),
                help="The next free one is filled in.",
                required=True,
                kind="number",
            ),
            Ask("owner", "What listens there", required=True),
            Ask("note", "Note"),
        ),
        blocked=why_not(actor, "edit_settings", place.slug),
    )


def release(request: HttpRequest, pk: int) -> HttpResponse:
    row = Port.objects.select_related("environment").filter(pk=pk).first()
    if row is None or row.environment is None:
        raise Http404
    slug = environment_or_404(request, row.environment.slug).slug

    def act(actor: Actor, _given: Mapping[str, str]) -> str:
        release_port(actor, environment=slug, host=row.host, port=row.port, protocol=row.protocol)
        return back()

    page = Confirmation(
        title=f"Release port {row.port} of {slug}?",
        sentence=f"It is kept for {row.owner} on {row.host} until now. Whoever asks next may have"
        " it. No process is stopped.",
        button=f"Release port {row.port} of {slug}",
        back=back(),
        lines=[("", f"Now: {listening(row).words()}")],
        blocked=why_not(actor_of(request), "edit_settings", slug),
    )
    return confirm(request, page, row.environment, act)
