"""The matrix as a page, its files, and the page between *explain* and the verb."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone

from apps.core.api import actor_of
from apps.core.confirming import Confirmation, confirm, why_not
from apps.core.permissions import Actor
from apps.environments.matrix import Row, State, build_matrix
from apps.environments.matrix.export import as_csv, as_document
from apps.environments.matrix.showing import SHOWN, grouped, sentence, shown_rows
from apps.environments.models import Environment
from apps.environments.services import explain_difference, explain_sharing
from apps.environments.validation_page import environment_or_404
from apps.live.sequences import last_sequence


def page(request: HttpRequest, frame: Mapping[str, Any]) -> HttpResponse:
    """Every environment side by side, or the part of the page that moved."""
    matrix = build_matrix().seen_by(actor_of(request))
    show, wanted = asked(request)
    counts = matrix.counts()
    context = {
        "matrix": matrix,
        "groups": grouped(shown_rows(matrix, show, wanted)),
        "columns": len(matrix.environments) + 1,
        "sentence": sentence(matrix),
        "open_count": counts[State.UNEXPLAINED],
        "tabs": [
            (name, name.capitalize(), sum(counts[state] for state in states))
            for name, states in SHOWN.items()
        ],
        "show": show,
        "wanted": wanted,
        "as_of": timezone.now(),
        "after": last_sequence(),
    }
    if request.GET.get("fragment"):
        return render(request, "environments/_matrix.html", context)
    title = "Environment matrix"
    return render(request, "environments/matrix.html", {**frame, "title": title, **context})


def asked(request: HttpRequest) -> tuple[str, str]:
    """The filter and the text of the address; an unknown filter is the usual one."""
    show = request.GET.get("show", "differences")
    return (show if show in SHOWN else "differences"), request.GET.get("q", "")[:200]


def export(request: HttpRequest, kind: str) -> HttpResponse:
    """The lines that the page shows, as `csv` or `json`."""
    matrix = build_matrix().seen_by(actor_of(request))
    rows = shown_rows(matrix, *asked(request))
    if kind == "csv":
        answer = HttpResponse(as_csv(matrix, rows), content_type="text/csv; charset=utf-8")
    elif kind == "json":
        text = json.dumps(as_document(matrix, rows), indent=2, ensure_ascii=False)
        answer = HttpResponse(text, content_type="application/json")
    else:
        raise Http404
    answer["Content-Disposition"] = f'attachment; filename="environment-matrix.{kind}"'
    return answer


def ask(request: HttpRequest, slug: str) -> HttpResponse:
    """Asks for the reason of one difference or sharing."""
    place, key = environment_or_404(request, slug), request.GET.get("key", "")
    row = next((row for row in build_matrix().rows if row.key == key), None)
    if row is None:
        raise Http404
    back = f"{reverse('admin:environments_environment_matrix')}?show=unexplained"
    shared = next(cell for cell in row.cells if cell.environment.pk == place.pk).shared_with

    def act(actor: Actor, given: Mapping[str, str]) -> str:
        note = given.get("reason", "")
        if shared:
            at = row.key.removeprefix("secrets.")
            explain_sharing(actor, environment=slug, place=at, other=shared, note=note)
        else:
            explain_difference(actor, environment=slug, key=key, note=note)
        return back

    right = "edit_protection" if shared else "edit_settings"
    asked_for = _confirmation(actor_of(request), place, row, shared, back)
    asked_for.blocked = why_not(actor_of(request), right, slug)
    return confirm(request, asked_for, place, act)


def _confirmation(
    actor: Actor, place: Environment, row: Row, shared: str, back: str
) -> Confirmation:
    visible = actor.visible_environments()
    cells = [cell for cell in row.cells if visible is None or cell.environment.slug in visible]
    return Confirmation(
        title=f"Explain {row.key} of {place.slug}?",
        sentence=f"It has the same value as in {shared}."
        if shared
        else "It differs from the highest environment's.",
        button=f"Explain {row.key} of {place.slug}",
        back=back,
        lines=[("", f"{cell.environment.slug}: {cell.text}") for cell in cells],
        heading="Nothing is changed but the note",
        ask_reason="Why it is meant (holds for these values only)",
        reading=True,
    )
