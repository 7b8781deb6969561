"""A rejected revision goes nowhere, through no door, until somebody lifts it."""

import pytest

from apps.accounts.actors import actor_for_user
from apps.audit.models import AuditEvent
from apps.core.errors import Forbidden, Invalid, NotFound, Refused
from apps.deployments import services
from apps.deployments.identity import Identity, identity_of
from apps.deployments.models import RejectedRevision
from tests.conftest import person

TREE = "b" * 64  # what the twin of the engine host says of its program


def reject(user, revision, reason="It loses messages."):
    return services.reject_revision(actor_for_user(user), revision=revision, reason=reason)


def test_a_planned_deployment_of_it_is_not_applied(world, ada):
    deployment = world.planned()
    reject(ada, Identity("", TREE))
    with pytest.raises(Refused) as caught:
        world.approve(deployment)
    assert caught.value.blocked_by[0]["code"] == "revision.rejected"
    assert "It loses messages." in caught.value.detail
    assert deployment.runs.count() == 1


def test_one_rejected_after_its_approval_is_stopped_before_the_change(world, ada):
    deployment = world.planned()
    world.approve(deployment)
    reject(ada, identity_of(deployment.revision))
    run = world.carry_out(deployment)
    deployment.refresh_from_db()
    assert (deployment.status, deployment.status_code) == ("stale", "deployment.blocked")
    assert "rejected by ada" in deployment.status_reason
    assert not run.events.exists()


def test_asking_for_it_is_refused_at_once_where_the_commit_is_known(world, ada, monkeypatch):
    from apps.deployments.services import requesting

    monkeypatch.setattr(
        requesting, "revision_to_deploy", lambda *_: {"commit": "a" * 40, "branch": "main"}
    )
    reject(ada, Identity("a" * 40))
    with pytest.raises(Refused) as caught:
        world.request()
    assert caught.value.blocked_by[0]["code"] == "revision.rejected"
    # What holds it already may still be taken away.
    assert world.request(kind="destroy").status == "planning"


def test_not_even_a_broken_glass_opens_it(world, ada, root):
    deployment = world.planned()
    reject(ada, identity_of(deployment.revision))
    with pytest.raises(Refused) as caught:
        services.break_glass(
            actor_for_user(root),
            deployment=deployment.pk,
            fingerprint=deployment.fingerprint,
            confirm="development",
            reason="fire",
        )
    assert caught.value.blocked_by[0]["code"] == "revision.rejected"


def test_lifting_is_explicit_needs_a_reason_and_is_recorded(world, ada):
    deployment = world.planned()
    row = reject(ada, identity_of(deployment.revision))
    with pytest.raises(Invalid):
        services.lift_rejection(actor_for_user(ada), rejection=row.pk, reason=" ")
    with pytest.raises(Forbidden):
        services.lift_rejection(world.olga, rejection=row.pk, reason="I am in a hurry")
    services.lift_rejection(actor_for_user(ada), rejection=row.pk, reason="False alarm.")
    with pytest.raises(Refused) as caught:
        services.lift_rejection(actor_for_user(ada), rejection=row.pk, reason="Again.")
    assert caught.value.code == "rejection.lifted"
    assert AuditEvent.objects.filter(event__startswith="deployments.revision.").count() == 2
    world.approve(deployment)
    assert world.carry_out(deployment).status == "succeeded"


def test_a_second_rejection_names_the_first(db, ada, olga):
    reject(ada, Identity("a" * 40, TREE))
    with pytest.raises(Refused) as caught:
        reject(olga, Identity("a" * 40))
    assert caught.value.code == "revision.is_rejected"
    assert "ada" in caught.value.detail
    assert RejectedRevision.objects.count() == 1


def test_another_tree_at_the_same_commit_is_another_revision(world, ada):
    deployment = world.planned()
    reject(ada, Identity("", "9" * 64))
    world.approve(deployment)
    assert world.carry_out(deployment).status == "succeeded"


def test_a_rejection_needs_reason_and_right(db, ada):
    with pytest.raises(Invalid):
        reject(ada, Identity("a" * 40), reason="")
    with pytest.raises(Invalid):
        reject(ada, Identity("a" * 40), reason="x" * 301)
    with pytest.raises(Forbidden):
        reject(person("lea", "viewer"), Identity("a" * 40))
    with pytest.raises(NotFound):
        services.lift_rejection(actor_for_user(ada), rejection=99, reason="why")
