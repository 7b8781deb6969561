"""Configuration values: keys, secrets inside them, paths."""

import pytest

from infra.embedded_engine import config
from infra.embedded_engine.errors import EngineError
from infra.embedded_engine.paths import PathError


@pytest.mark.parametrize("value", ["text", {"secure": "c"}, ["list"], 5])
def test_a_path_through_something_else_is_an_error(value):
    with pytest.raises(PathError):
        config.changed({"a": value}, ("a", "b"), "x")


def test_a_secret_has_no_inside():
    with pytest.raises(KeyError):
        config.inside({"a": {"secure": "c"}}, ("a", "secure"))
    assert config.changed({"a": {"secure": "c"}}, ("a",), "x") == {"a": "x"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("12", 12),
        ("-3", -3),
        ("0", 0),
        ("007", "007"),
        ("+1", "+1"),
        ("1.5", "1.5"),
        ("", ""),
    ],
)
def test_values_below_a_path_get_their_type(text, value):
    found = config.coerce(text)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("key", "full"),
    [("a", "shop:a"), ("aws:region", "aws:region"), ("aws:config:region", "aws:region")],
)
def test_keys_get_the_namespace_of_the_project(key, full):
    assert config.full_key(key, "shop") == full


@pytest.mark.parametrize("key", ["", "a:b:c", ":x", "x:", "a:config:b:c"])
def test_keys_of_another_shape_are_refused(key):
    with pytest.raises(EngineError, match="invalid configuration key"):
        config.full_key(key, "shop")


def test_a_secret_anywhere_makes_the_key_secret():
    value = {"list": [1, {"secure": "CIPHER"}]}
    assert config.is_secret(value)
    assert config.masked(value) == '{"list":[1,"[secret]"]}'
    assert config.shown(value, None) == {"secret": True}
    assert config.shown(value, str.lower) == {
        "value": '{"list":[1,"cipher"]}', "objectValue": {"list": [1, "cipher"]}, "secret": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("value", "text"),
    [(True, "true"), (5, "5"), ({"secure": "X"}, "x"), ({"b": 1, "a": [2]}, '{"a":[2],"b":1}')],
)
def test_the_program_receives_texts(value, text):
    assert config.to_text(value, str.lower) == text
