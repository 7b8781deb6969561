"""The whole matrix of rights, written out a second time by hand."""

import itertools

import pytest

from apps.core.errors import Forbidden, NotFound
from apps.core.permissions import ACTIONS, NOBODY, ROLES, Actor, check, may, system

# viewer, operator, approver, admin, auditor
MATRIX = {
    "view": "voaxu",
    "deploy": "ox",
    "destroy": "ox",
    "cancel": "ox",
    "approve": "ax",
    "recover": "ox",
    "check": "oax",
    "edit_settings": "ox",
    "edit_secrets": "x",
    "edit_protection": "x",
    "freeze": "ax",
    "stop_the_line": "oax",
    "break_glass": "x",
    "report_evidence": "oax",
    "reject_revision": "oax",
    "lift_rejection": "ax",
    "edit_program": "x",
    "manage_access": "x",
    "view_audit": "xu",
}
LETTER = dict(zip(ROLES, "voaxu", strict=True))


def somebody(role, place="staging", scopes=(), kind="user"):
    return Actor(
        kind=kind, id=1, name="x", grants=frozenset({(role, place)}), scopes=frozenset(scopes)
    )


def test_every_action_stands_in_the_matrix():
    assert set(MATRIX) == set(ACTIONS)


@pytest.mark.parametrize(("action", "role"), list(itertools.product(MATRIX, ROLES)))
def test_a_role_holds_what_the_matrix_says_where_it_is_bound_and_nowhere_else(action, role):
    wanted = LETTER[role] in MATRIX[action]
    assert may(somebody(role), action, "staging") is wanted
    assert may(somebody(role, "*"), action, "staging") is wanted
    assert not may(somebody(role), action, "production")
    assert not may(somebody(role), action, "*")
    assert not may(NOBODY, action, "staging")
    assert may(system("sweeper"), action, "staging")


@pytest.mark.parametrize("action", MATRIX)
def test_a_token_that_reads_only_reads(action):
    token = somebody("admin", scopes=["read"], kind="token")
    assert may(token, action, "staging") is (action in {"view", "view_audit"})
    writer = somebody("admin", scopes=["read", "write"], kind="token")
    assert may(writer, action, "staging")


def test_where_one_may_not_look_there_is_nothing_and_where_one_may_the_reason_is_told():
    with pytest.raises(NotFound):
        check(somebody("admin", "production"), "deploy", "staging")
    with pytest.raises(Forbidden) as refusal:
        check(somebody("viewer"), "deploy", "staging")
    assert "in staging is viewer" in refusal.value.text
    assert "admin or operator" in refusal.value.text
    check(somebody("operator"), "deploy", "staging")


def test_an_action_nobody_defined_is_a_bug_not_a_no():
    with pytest.raises(KeyError):
        may(somebody("admin"), "deplyo", "staging")


def test_visible_environments_are_those_of_the_grants():
    assert NOBODY.visible_environments() == frozenset()
    assert somebody("viewer").visible_environments() == {"staging"}
    assert somebody("viewer", "*").visible_environments() is None
    assert system("sweeper").visible_environments() is None
