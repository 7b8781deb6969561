"""Evidence about a revision: who may tell what, what counts, and what it holds up."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.accounts.actors import actor_for_token, actor_for_user
from apps.accounts.models import Token
from apps.audit.models import AuditEvent
from apps.core.errors import Forbidden, Invalid, Refused
from apps.deployments import gates, services
from apps.deployments.identity import Identity
from apps.deployments.models import Deployment, Evidence
from apps.deployments.naming import named_revision
from apps.environments.models import Protection
from tests.conftest import person

COMMIT, TREE = "c" * 40, "d" * 64


def deployment(environment, **keys):
    revision = {"commit": COMMIT, "branch": "main", "program_digest": TREE}
    fields = {"status": "awaiting_approval", "fingerprint": "f" * 64, "revision": revision}
    return Deployment.objects.create(environment=environment, **{**fields, **keys})


def report(user, kind, result="passed", **keys):
    actor = user if hasattr(user, "grants") else actor_for_user(user)
    revision = keys.pop("revision", Identity(COMMIT, TREE))
    return services.report_evidence(actor, revision=revision, kind=kind, result=result, **keys)


def asks_for(environment, *kinds):
    Protection.objects.filter(environment=environment).update(required_evidence=list(kinds))
    environment.refresh_from_db()


def codes(row):
    return [blocker.code for blocker in gates.blockers(Deployment.objects.get(pk=row.pk))]


def test_what_is_asked_for_and_missing_blocks_and_passes_once_reported(staging, olga):
    asks_for(staging, "tests", "documentation")
    row = deployment(staging)
    assert codes(row) == ["evidence.missing", "evidence.missing"]
    report(olga, "tests", link="https://ci.example/1")
    assert "Documentation" in gates.blockers(row)[0].detail
    report(olga, "documentation")
    assert codes(row) == []


def test_a_code_review_takes_two_different_people(staging, olga, ada):
    asks_for(staging, "code_review")
    row = deployment(staging)
    report(olga, "code_review")
    report(olga, "code_review")
    assert "1 of 2 people" in gates.blockers(row)[0].detail
    report(ada, "code_review")
    assert codes(row) == []


def test_two_spellings_of_a_name_are_one_person(staging, root):
    asks_for(staging, "code_review")
    token = actor_for_token(Token.objects.create(user=root, name="ci", key="k", digest="d"))
    report(token, "code_review", who="Vera")
    report(token, "code_review", who=" vera ")
    assert codes(deployment(staging)) == ["evidence.missing"]


def test_a_no_blocks_whoever_else_said_yes_until_the_same_person_says_otherwise(staging, olga, ada):
    asks_for(staging, "security_review")
    row = deployment(staging)
    report(ada, "security_review", "failed", comment="open redirect")
    report(olga, "security_review")
    (blocker,) = gates.blockers(row)
    assert blocker.code == "evidence.negative"
    assert "ada" in blocker.detail
    assert "open redirect" in blocker.detail
    report(ada, "security_review")
    assert codes(row) == []


def test_evidence_of_another_commit_or_tree_does_not_count(staging, olga):
    asks_for(staging, "tests")
    row = deployment(staging)
    report(olga, "tests", revision=Identity("e" * 40))
    report(olga, "tests", revision=Identity(COMMIT, "0" * 64))
    assert codes(row) == ["evidence.missing"]
    report(olga, "tests", revision=Identity(COMMIT))
    assert codes(row) == []


def test_evidence_of_a_commit_says_nothing_about_a_tree_that_was_changed_since(staging, olga):
    asks_for(staging, "tests")
    changed = {"commit": COMMIT, "branch": "main", "program_digest": TREE, "modified": True}
    row = deployment(staging, revision=changed)
    report(olga, "tests", revision=Identity(COMMIT))
    assert codes(row) == ["evidence.missing"]
    named = named_revision(actor_for_user(olga), deployment=row.pk)
    assert named == Identity("", TREE)
    report(olga, "tests", revision=named)
    assert codes(row) == []


def test_an_approval_without_the_evidence_is_refused_and_names_it(staging, olga, ada):
    asks_for(staging, "performance")
    row = deployment(staging)
    Protection.objects.filter(environment=staging).update(required_approvals=1)
    with pytest.raises(Refused) as caught:
        services.approve_deployment(
            actor_for_user(ada), deployment=row.pk, fingerprint=row.fingerprint
        )
    assert caught.value.code == "deployment.blocked"
    assert caught.value.blocked_by[0]["code"] == "evidence.missing"
    assert row.approvals.count() == 0


def test_a_rule_that_names_no_kind_of_evidence_blocks_and_says_so(staging):
    asks_for(staging, "reviews")
    (blocker,) = gates.blockers(deployment(staging))
    assert blocker.code == "evidence.unknown_kind"
    assert "code_review" in blocker.detail


def test_a_rollback_needs_no_evidence_but_a_no_still_holds(staging, olga):
    asks_for(staging, "tests")
    row = deployment(staging, kind="rollback")
    assert codes(row) == []
    report(olga, "tests", "failed")
    assert codes(row) == ["evidence.negative"]


def test_destroying_needs_no_evidence(staging):
    asks_for(staging, "tests")
    assert codes(deployment(staging, kind="destroy")) == []


def test_people_speak_for_themselves_and_an_admins_token_for_others(db, olga, root, ada):
    with pytest.raises(Forbidden) as caught:
        report(ada, "code_review", who="olga")
    assert caught.value.code == "evidence.not_yours"
    token = actor_for_token(Token.objects.create(user=olga, name="ci", key="a", digest="d"))
    with pytest.raises(Forbidden):
        report(token, "code_review", who="vera")
    token = actor_for_token(Token.objects.create(user=root, name="ci", key="b", digest="d"))
    row = report(token, "code_review", who="vera")
    assert (row.who, row.reported_by_kind) == ("vera", "token")
    assert AuditEvent.objects.get(event="deployments.evidence.reported").detail["who"] == "vera"


def test_a_role_in_one_environment_is_not_enough_for_what_counts_in_all(staging):
    local = person("lea", "operator@staging")
    with pytest.raises(Forbidden) as caught:
        report(local, "tests")
    assert caught.value.code == "permission.denied"
    assert not Evidence.objects.exists()


@pytest.mark.parametrize(
    ("keys", "field"),
    [
        ({"kind": "reviews"}, "kind"),
        ({"result": "maybe"}, "result"),
        ({"link": "javascript:alert(1)"}, "link"),
        ({"at": timezone.now() + timedelta(days=1)}, "at"),
    ],
)
def test_evidence_nobody_can_use_is_refused_by_field(olga, keys, field):
    with pytest.raises(Invalid) as caught:
        report(olga, **{"kind": "tests", **keys})
    assert set(caught.value.errors) == {field}


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"commit": "main"},
        {"commit": COMMIT[:12]},
        {"program_digest": "x"},
        {"commit": COMMIT, "deployment": 1},
    ],
)
def test_a_branch_or_a_short_form_names_no_revision(olga, keys):
    with pytest.raises(Invalid) as caught:
        named_revision(actor_for_user(olga), **keys)
    assert caught.value.code == "revision.malformed"
