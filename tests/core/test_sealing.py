"""Sealed texts open only with their key and in their own row."""

import base64

import pytest
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from apps.core.errors import OurFault
from apps.core.sealing import seal, unseal

OLD, NEW = b"o" * 32, b"n" * 32


@given(st.text(st.characters(exclude_categories=["Cs"])), st.text(max_size=30))
def test_what_was_sealed_opens_in_its_own_row(text, place):
    identity = "row:" + place.encode(errors="replace").hex()
    assert unseal(seal(text, identity), identity) == text


def test_the_same_text_never_looks_the_same():
    assert seal("text", "row:1") != seal("text", "row:1")
    assert "text" not in seal("text", "row:1")


@pytest.mark.parametrize("spoil", ["row", "bit", "cut", "key", "garbage", "empty"])
def test_anything_else_does_not_open_and_says_what_to_do(spoil):
    sealed, identity = seal("canary", "row:1"), "row:1"
    key, _, text = sealed.partition(":")
    raw = bytearray(base64.b64decode(text))
    raw[-1] ^= 1
    sealed, identity = {
        "row": (sealed, "row:2"),
        "bit": (f"{key}:{base64.b64encode(raw).decode()}", identity),
        "cut": (sealed[:-8], identity),
        "key": (f"k9:{text}", identity),
        "garbage": ("k1:not base64", identity),
        "empty": ("", identity),
    }[spoil]
    with pytest.raises(OurFault) as failure:
        unseal(sealed, identity)
    assert failure.value.code == "secret.sealed"
    assert "field_keys" in failure.value.text
    assert "canary" not in failure.value.text


def test_after_a_rotation_the_new_key_seals_and_the_old_one_still_opens():
    with override_settings(FIELD_KEYS={"k1": OLD}):
        before = seal("text", "row:1")
    with override_settings(FIELD_KEYS={"k1": OLD, "k2": NEW}):
        assert seal("text", "row:1").startswith("k2:")
        assert unseal(before, "row:1") == "text"
    with override_settings(FIELD_KEYS={"k2": NEW}), pytest.raises(OurFault):
        unseal(before, "row:1")
