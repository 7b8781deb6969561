"""Secrets, unknowns and diffs: what every resource type relies on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.orchestra_provider import values
from infra.orchestra_provider.catalogue import RESOURCE_TYPES
from infra.orchestra_provider.diffs import diff_response, differences
from infra.orchestra_provider.values import UNKNOWN, keep_secret, unwrap, wrap

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), PLAIN, max_size=4))
def test_properties_survive_the_wire(properties):
    assert unwrap(values.from_struct(values.to_struct(properties))) == properties


@given(PLAIN)
def test_a_wrapped_value_unwraps_to_itself(value):
    assert unwrap(wrap(wrap(value))) == value


def test_an_output_that_repeats_a_secret_under_another_name_is_secret():
    sources = {"password": wrap("hunter22"), "host": "db"}
    kept = keep_secret(
        {"url": "postgres://u:hunter22@db", "list": ["x", "hunter22"], "host": "db"}, sources
    )
    assert [values.is_secret(kept[key]) for key in ("url", "list", "host")] == [True, True, False]


def test_a_key_that_was_secret_stays_secret_with_another_value():
    assert values.is_secret(keep_secret({"token": "new"}, {"token": wrap("old")})["token"])


def test_very_short_secrets_do_not_make_everything_secret():
    assert keep_secret({"a": "banana"}, {"pin": wrap("a")}) == {"a": "banana"}


@pytest.mark.parametrize("value", [UNKNOWN, [1, UNKNOWN], {"a": {"b": UNKNOWN}}, wrap(UNKNOWN)])
def test_unknowns_are_found_at_any_depth(value):
    assert values.has_unknown(value)
    assert not values.has_unknown({"a": "known"})


@given(PLAIN)
def test_nothing_differs_from_itself(value):
    assert list(differences(value, value)) == []


def test_paths_are_pulumis():
    old = {"a": {"b": [1, 2]}, "odd key": 1, "gone": 1}
    new = {"a": {"b": [1, 3, 4]}, "odd key": 2, "new": 1}
    assert dict(differences(old, new)) == {
        "a.b[1]": "update",
        "a.b[2]": "add",
        '["odd key"]': "update",
        "gone": "delete",
        "new": "add",
    }


def test_a_replacement_says_which_input_asks_for_it_and_in_which_order():
    answer = diff_response(
        {"p": 1, "q": 1}, {"p": 2, "q": 2}, frozenset({"p"}), delete_before_replace=True
    )
    assert (list(answer.replaces), answer.deleteBeforeReplace) == (["p"], True)
    assert answer.detailedDiff["p"].kind == answer.detailedDiff["p"].UPDATE_REPLACE
    assert answer.detailedDiff["q"].kind == answer.detailedDiff["q"].UPDATE
    same = diff_response({"p": 1}, {"p": 1}, frozenset({"p"}), delete_before_replace=True)
    assert same.changes == same.DIFF_NONE
    assert not same.deleteBeforeReplace


def test_every_token_of_the_catalogue_is_the_type_that_it_names():
    assert len(RESOURCE_TYPES) == 5
    for token, kind in RESOURCE_TYPES.items():
        assert kind.token == token
