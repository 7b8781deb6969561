"""Who may approve: n of m, never one's own, a person once, bound to the plan and the role."""

from datetime import timedelta

import pytest

from apps.accounts.actors import actor_for_token, actor_for_user
from apps.accounts.models import RoleBinding, Token
from apps.core.errors import Forbidden, Invalid, Refused
from apps.deployments import services
from apps.deployments.models import Deployment, Run
from apps.environments.models import Freeze, Protection
from apps.environments.services import set_setting
from tests.conftest import person


@pytest.fixture
def asked(staging, hinted, olga, ada, root):
    """Staging wants two approvals; olga asked; the plan is there."""
    Protection.objects.filter(environment=staging).update(required_approvals=2)
    return plan(services.request_deployment(actor_for_user(olga), environment="staging"))


def plan(row):
    Run.objects.filter(deployment=row).update(status="succeeded")
    Deployment.objects.filter(pk=row.pk).update(
        status="awaiting_approval", fingerprint="f" * 64, plan={"summary": {}, "changes": [1]}
    )
    row.refresh_from_db()
    return row


def approve(user, row, **keys):
    actor = user if hasattr(user, "grants") else actor_for_user(user)
    return services.approve_deployment(
        actor, deployment=row.pk, fingerprint=row.fingerprint, **keys
    )


def test_one_of_two_does_not_release_it_and_the_second_does(asked, ada, root):
    assert approve(ada, asked).status == "awaiting_approval"
    assert approve(root, asked).status == "applying"
    assert asked.runs.get(operation="update").status == "queued"


def test_a_person_counts_once(asked, ada):
    approve(ada, asked)
    with pytest.raises(Forbidden) as caught:
        approve(ada, asked)
    assert caught.value.code == "approval.given"


def test_nobody_approves_their_own_not_even_a_superuser(staging, hinted, root):
    Protection.objects.filter(environment=staging).update(required_approvals=1)
    row = plan(services.request_deployment(actor_for_user(root), environment="staging"))
    with pytest.raises(Forbidden) as caught:
        approve(root, row)
    assert caught.value.code == "approval.own"


def test_the_last_editor_of_a_setting_does_not_count(asked, root):
    set_setting(actor_for_user(root), environment="staging", key="own_key", value="x")
    with pytest.raises(Forbidden) as caught:
        approve(root, asked)
    assert caught.value.code == "approval.editor"
    assert "own_key" in caught.value.detail


def test_a_token_never_counts(asked, ada):
    token = Token.objects.create(user=ada, name="ci", key="k", digest="d")
    with pytest.raises(Forbidden) as caught:
        approve(actor_for_token(token), asked)
    assert caught.value.code == "approval.person_needed"


def test_an_operator_without_the_role_is_refused(asked):
    oscar = person("oscar", "operator")
    with pytest.raises(Forbidden) as caught:
        approve(oscar, asked)
    assert caught.value.code == "permission.denied"


def test_losing_the_role_voids_the_approval(asked, ada, root):
    approve(ada, asked)
    RoleBinding.objects.filter(user=ada).delete()
    assert approve(root, asked).status == "awaiting_approval"
    vera = person("vera", "approver@staging")
    assert approve(vera, asked).status == "applying"


def test_production_asks_for_its_name(production, hinted, olga, ada, settings):
    settings.ALLOW_EMBEDDED_ENGINE_IN_PRODUCTION = True
    Protection.objects.filter(environment=production).update(required_approvals=1)
    row = plan(services.request_deployment(actor_for_user(olga), environment="production"))
    with pytest.raises(Invalid) as caught:
        approve(ada, row, confirm="producton")
    assert caught.value.code == "confirm.mismatch"
    assert "producton" in caught.value.detail
    assert approve(ada, row, confirm="production").status == "applying"


def test_production_refuses_the_embedded_engine(
    production, hinted, olga, settings, tmp_path, monkeypatch
):
    monkeypatch.setenv("PATH", "/nowhere")
    settings.ORCHESTRA_HOME = tmp_path
    with pytest.raises(Refused) as caught:
        services.request_deployment(actor_for_user(olga), environment="production")
    assert caught.value.code == "engine.not_for_production"


def test_a_freeze_lets_an_approved_plan_wait_and_then_start(asked, ada, root, staging):
    from django.utils import timezone

    from apps.deployments.runner import claim, sweep

    now = timezone.now()
    freeze = Freeze.objects.create(
        environment=staging,
        reason="holidays",
        starts_at=now - timedelta(hours=1),
        ends_at=now + timedelta(hours=1),
        created_by="ada",
    )
    approve(ada, asked)
    row = approve(root, asked)
    assert row.status == "scheduled"
    assert "holidays" in row.status_reason
    assert sweep.start_scheduled() == 0
    Freeze.objects.filter(pk=freeze.pk).update(lifted_at=now)
    started = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(claim, "spawn", started.append)
        assert sweep.start_scheduled() == 1
    assert Deployment.objects.get(pk=row.pk).status == "applying"
    assert started[0].operation == "update"


def test_a_program_that_was_not_verified_upstream_is_refused(asked, ada, staging):
    Protection.objects.filter(environment=staging).update(verified_in=["development"])
    with pytest.raises(Refused) as caught:
        approve(ada, asked)
    assert caught.value.blocked_by[0]["code"] == "revision.not_verified"


def test_a_foreign_branch_is_refused(asked, ada, staging):
    Protection.objects.filter(environment=staging).update(allowed_branches=["release/*"])
    with pytest.raises(Refused) as caught:
        approve(ada, asked)
    assert caught.value.blocked_by[0]["code"] == "branch.not_allowed"


def test_breaking_the_glass_needs_right_reason_and_name_and_stays_visible(asked, ada, root):
    with pytest.raises(Forbidden):
        services.break_glass(
            actor_for_user(ada),
            deployment=asked.pk,
            fingerprint=asked.fingerprint,
            confirm="staging",
            reason="fire",
        )
    keys = {"deployment": asked.pk, "fingerprint": asked.fingerprint, "confirm": "staging"}
    with pytest.raises(Invalid):
        services.break_glass(actor_for_user(root), reason=" ", **keys)
    row = services.break_glass(actor_for_user(root), reason="the disk burns", **keys)
    assert row.status == "applying"
    assert row.approvals.get().break_glass


def test_a_plan_nobody_applies_expires(asked, staging):
    from django.utils import timezone

    from apps.deployments.runner import expiring

    Deployment.objects.filter(pk=asked.pk).update(planned_at=timezone.now() - timedelta(hours=25))
    assert expiring.expire_plans() == 1
    asked.refresh_from_db()
    assert (asked.status, asked.status_next_step) == ("expired", "Plan again.")
