"""The steps of a recovery behind their confirmation pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse

from apps.core.api import actor_of
from apps.core.confirming import Ask, Confirmation, confirm, why_not
from apps.core.permissions import Actor
from apps.deployments import ladder, services
from apps.deployments.models import Deployment
from apps.deployments.rungs import take_step

# What a step does to the world, for the page before it.
CONSEQUENCES = {
    "prove-death": "Looks for every process of the lost run. Changes nothing.",
    "look-at-state": "Reads state and locks, and keeps a copy of the state. Changes nothing.",
    "remove-lock": "Removes the lock of the lost run from the backend, and no other.",
    "read-back": "A refresh: every resource is asked, and the state says then what they are.",
    "clear-pending-creates": "Drops the entries from the state. What the creates left behind stays,"
    " and the next update adopts it.",
    "plan": "Plans again. The plan waits for a decision.",
}


def step_page(request: HttpRequest, pk: int, step: str) -> HttpResponse:
    """One step of one recovery."""
    rows = Deployment.objects.visible_to(actor_of(request)).select_related("environment__stack")
    row = rows.filter(pk=pk).first()
    found = (
        next((entry for entry in ladder.steps(row) if entry.name == step), None) if row else None
    )
    if row is None or found is None:
        raise Http404
    back = reverse("admin:deployments_deployment_change", args=[pk])

    def act(actor: Actor, _given: Mapping[str, str]) -> str:
        take_step(actor, deployment=pk, step=step)
        return back

    page = to_step(actor_of(request), row, found, back)
    return confirm(request, page, row.environment, act)


def to_step(actor: Actor, row: Deployment, step: ladder.Step, back: str) -> Confirmation:
    return Confirmation(
        title=f"{step.button} in {row.environment.slug}?",
        sentence=step.fact,
        button=f"{step.button} in {row.environment.slug}",
        back=back,
        lines=[("", CONSEQUENCES[step.name])],
        heading=step.title,
        reading=step.name in ("prove-death", "look-at-state", "plan"),
        blocked=why_not(actor, "recover", row.environment.slug),
    )


def adoption_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Which real thing each unfinished create left behind, by its id."""
    rows = Deployment.objects.visible_to(actor_of(request)).select_related("environment__stack")
    row = rows.filter(pk=pk).first()
    left = ladder.pending_creates(row) if row else []
    if row is None or not left:
        raise Http404
    back = reverse("admin:deployments_deployment_change", args=[pk])

    def act(actor: Actor, given: Mapping[str, str]) -> str:
        ids = {
            str(entry["urn"]): given[f"id-{number}"]
            for number, entry in enumerate(left)
            if given.get(f"id-{number}", "").strip()
        }
        services.adopt_pending_creates(
            actor, deployment=pk, ids=ids, confirm=given.get("confirm", "")
        )
        return back

    page = to_adopt(actor_of(request), row, left, back)
    return confirm(request, page, row.environment, act)


def to_adopt(actor: Actor, row: Deployment, left: list[dict[str, Any]], back: str) -> Confirmation:
    slug = row.environment.slug
    names = [str(entry["urn"]).rpartition("::")[2] for entry in left]
    return Confirmation(
        title=f"Adopt what is there in {slug}?",
        sentence="The state lists creates that nobody finished. With the id of the real thing it is"
        " recorded, and a refresh reads it back.",
        button=f"Adopt in {slug}",
        back=back,
        lines=[
            ("", "What has no id here is cleared from the state; the real thing stays as it is."),
            ("", "What is not there under its id is forgotten again by the refresh."),
            ("", "No real thing is made, changed or removed."),
        ],
        asks=[
            Ask(
                f"id-{number}",
                f"Id of {name}",
                help=f"{entry.get('type')}. Empty: the entry is cleared.",
            )
            for number, (name, entry) in enumerate(zip(names, left, strict=True))
        ],
        typed=slug,
        heading="What happens then",
        blocked=why_not(actor, "recover", slug),
    )
