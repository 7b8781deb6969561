"""What the confirmation pages of deployments say: what will change, and what to type."""

from __future__ import annotations

from typing import Any

from django.urls import reverse

from apps.core.confirming import Confirmation, why_not
from apps.core.permissions import Actor
from apps.deployments import approvals, picture, plans, too_late, validating
from apps.deployments.choices import Kind
from apps.deployments.models import Deployment, Run
from apps.environments.effective import effective_values
from apps.environments.matrix import differences_before
from apps.environments.models import Environment

SHOWN = 12


def to_plan(actor: Actor, place: Environment, kind: str) -> Confirmation:
    """Before anything is planned: nothing changes yet."""
    blocked = why_not(actor, kind, place.slug)
    slug, back = place.slug, reverse("admin:environment", args=[place.slug])
    if kind == "destroy":
        return Confirmation(
            title=f"Destroy {slug}?",
            sentence="This plans the removal of everything the stack holds. Nothing changes yet:"
            " you see the plan, and confirm it by typing the name.",
            button=f"Plan the removal of {slug}",
            back=back,
            ask_reason="Reason (kept with the deployment)",
            heading="Nothing is changed by planning",
            danger=True,
            blocked=blocked,
        )
    return Confirmation(
        title=f"Deploy to {slug}?",
        sentence="This plans the deployment with the settings as they are now. Nothing changes"
        " yet: you see the plan, and confirm it.",
        button=f"Plan deployment to {slug}",
        back=back,
        lines=[*unexplained(place), *declared(place)],
        ask_reason="Reason (kept with the deployment)",
        heading="What the settings declare",
        blocked=blocked,
    )


def to_apply(actor: Actor, row: Deployment, back: str) -> Confirmation:
    """The last page before something changes."""
    slug, summary = row.environment.slug, row.plan.get("summary") or {}
    count = plans.change_count(row.plan)
    noun = "resource" if count == 1 else "resources"
    destroys = row.kind == "destroy"
    verb = f"Destroy {count} {noun} in {slug}" if destroys else None
    if verb is None:
        word = "change" if count == 1 else "changes"
        verb = f"Apply {count} {word} to {slug}"
    if row.kind == "import":
        verb = f"Restore the state of {slug}"
    if approvals.needed(row):
        verb = f"Approve and apply to {slug}"
    return Confirmation(
        title=f"{verb}?",
        sentence=f"Deployment {row.pk}, requested by {row.requested_by}.",
        button=verb,
        back=back,
        lines=[*unexplained(row.environment), *warned(actor, row), *lines_of(row)],
        summary={name: n for name, n in summary.items() if name != "same"},
        note="Applied exactly as planned, or not at all: if the plan no longer holds,"
        " nothing is changed.",
        typed=slug if approvals.asks_typed_confirmation(row) else "",
        ask_reason="Comment (kept with the decision)",
        danger=destroys or row.kind == "import",
        hidden={"fingerprint": row.fingerprint},
        blocked=too_late.to_decide(row) or picture.refusal_to_apply(actor, row),
    )


def to_reject(actor: Actor, row: Deployment, back: str) -> Confirmation:
    return Confirmation(
        title=f"Reject deployment {row.pk}?",
        sentence="Its plan is dropped. Nothing in the environment changes.",
        button=f"Reject deployment {row.pk}",
        back=back,
        ask_reason="Why (kept with the decision)",
        danger=True,
        hidden={"fingerprint": row.fingerprint},
        blocked=why_not(actor, approvals.right_to_apply(row), row.environment.slug)
        or too_late.to_decide(row),
    )


def to_cancel(actor: Actor, row: Deployment, back: str) -> Confirmation:
    run = row.runs.order_by("-pk").first()
    under_way = run is not None and not run.is_terminal
    return Confirmation(
        title=f"Cancel deployment {row.pk}?",
        sentence=(
            "The engine is asked to stop after the resource under way. What is done stays done."
            if under_way
            else "Its plan is dropped. Nothing in the environment changes."
        ),
        button=f"Cancel deployment {row.pk}",
        back=back,
        note="It says canceled only when no process of the run is left." if under_way else "",
        danger=True,
        blocked=why_not(actor, "cancel", row.environment.slug) or too_late.to_cancel(row),
    )


def to_cancel_run(actor: Actor, run: Run, back: str) -> Confirmation:
    return Confirmation(
        title=f"Cancel run {run.pk}?",
        sentence="The engine is asked to stop after the resource under way. What is done stays"
        " done.",
        button=f"Cancel run {run.pk}",
        back=back,
        note="It says canceled only when no process of the run is left.",
        danger=True,
        blocked=why_not(actor, "cancel", run.stack.environment.slug) or too_late.to_cancel_run(run),
    )


def to_replan(actor: Actor, row: Deployment, back: str) -> Confirmation:
    slug = row.environment.slug
    return Confirmation(
        title=f"Plan deployment {row.pk} again?",
        sentence="A new plan voids every approval. Nothing in the environment changes.",
        button="Plan again",
        back=back,
        reading=True,
        blocked=why_not(actor, "destroy" if row.kind == Kind.DESTROY else "deploy", slug)
        or too_late.to_plan_again(row),
    )


def to_recover(actor: Actor, row: Deployment, back: str) -> Confirmation:
    slug = row.environment.slug
    return Confirmation(
        title=f"Recover {slug} after deployment {row.pk}?",
        sentence=row.status_reason,
        button=f"Recover {slug}",
        back=back,
        lines=[
            ("", "The real things are read back into the state."),
            (
                "",
                "Creates that were begun and not recorded are cleared; what they left is adopted.",
            ),
            ("", "Then it plans again by itself, and waits for a decision."),
        ],
        note="Refused while a process of the lost run may still live.",
        blocked=why_not(actor, "recover", slug) or too_late.to_recover(row),
    )


def unexplained(place: Environment) -> list[tuple[str, str]]:
    """What nobody has explained about the way from the environment below, before all else."""
    found = [
        ("", f"Unexplained difference: {entry.sentence(place.slug)}")
        for entry in differences_before(place)
    ]
    if len(found) > SHOWN:
        found[SHOWN:] = [("", f"and {len(found) - SHOWN} more, all in the matrix")]
    return found


def declared(place: Environment) -> list[tuple[str, str]]:
    """What the settings ask for, one line for each layer."""
    values = effective_values(place)
    database, mcp = values.get("database") or {}, values.get("mcp") or {}
    servers = mcp.get("servers", []) if values.get("mcp_enabled") else []
    lines = [("", f"Database: {database.get('kind', 'none')}")]
    lines += [
        ("", f"MCP server {row['name']} on port {row['port']}: {row['package']} {row['version']}")
        for row in servers
    ]
    files = [name for name, wanted in (values.get("monitoring") or {}).items() if wanted is True]
    if files:
        lines.append(("", f"Monitoring files: {', '.join(files)}"))
    return lines


def warned(actor: Actor, row: Deployment) -> list[tuple[str, str]]:
    """What the validation found that does not block, before what will change."""
    return [("", f"Warning: {item['detail']}") for item in validating.warnings(actor, row)]


def lines_of(row: Deployment) -> list[tuple[str, str]]:
    """One line for each change to a real resource, the dangerous ones first."""
    changes: list[dict[str, Any]] = [
        change for change in row.plan.get("changes", []) if not change.get("component")
    ]
    found = [
        (change["operation"], f"{change['name']} ({change['type'].split(':', 1)[-1]})")
        for change in changes[:SHOWN]
    ]
    if len(changes) > SHOWN:
        found.append(("", f"and {len(changes) - SHOWN} more, all in the plan"))
    return found
