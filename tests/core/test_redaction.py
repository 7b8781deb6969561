"""No spelling of a secret gets through, however the text is cut."""

import base64
import json
import urllib.parse

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from apps.core.redaction import MASK, SHORTEST, Redactor

SECRETS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Zl", "Zp"]),
    min_size=8,
    max_size=40,
).filter(lambda text: text.strip() == text)
AROUND = st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=30)


def spellings(secret):
    raw = secret.encode()
    yield secret
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield urllib.parse.quote(secret, safe="")
    yield urllib.parse.quote_plus(secret)
    yield base64.b64encode(raw).decode()
    yield base64.urlsafe_b64encode(raw).decode()
    yield base64.b64encode(b"user:" + raw).decode()
    yield base64.b64encode(b"ab" + raw + b"cd").decode()


def core_of(secret, spelling):
    """What must not be seen: of base64 the characters that depend on the secret alone."""
    if spelling == secret or "%" in spelling or "\\" in spelling:
        return spelling
    return spelling[8:-6] if len(spelling) > 24 else None


def in_pieces(redactor, text, cuts):
    stream, parts, last = redactor.stream(), [], 0
    for cut in [*sorted(cut % (len(text) + 1) for cut in cuts), len(text)]:
        parts.append(stream.feed(text[last:cut]))
        last = cut
    return "".join([*parts, stream.close()])


@given(SECRETS, AROUND, AROUND, st.lists(st.integers(0, 400), max_size=8))
@example("correct horse battery", "token=", "&", [7, 8, 9, 20])
def test_every_spelling_in_every_split_is_masked(secret, before, after, cuts):
    redactor = Redactor([secret])
    for spelling in spellings(secret):
        core = core_of(secret, spelling)
        text = f"{before}{spelling}{after}"
        if core is None or core in before + after:
            continue
        for masked in (redactor.text(text), in_pieces(redactor, text, cuts)):
            assert core not in masked
            assert MASK in masked


@given(SECRETS, st.text(max_size=200), st.lists(st.integers(0, 400), max_size=8))
def test_text_without_a_secret_comes_through_unchanged_however_it_is_cut(secret, text, cuts):
    redactor = Redactor([secret])
    assume(not redactor.spans(text))
    assert in_pieces(redactor, text, cuts) == text == redactor.text(text)


@given(st.lists(SECRETS, min_size=2, max_size=4), st.lists(st.integers(0, 400), max_size=6))
def test_secrets_that_touch_or_overlap_are_all_masked(secrets, cuts):
    redactor = Redactor(secrets)
    text = "".join(secrets) + secrets[0][:-1] + secrets[1]
    for masked in (redactor.text(text), in_pieces(redactor, text, cuts)):
        assert all(secret not in masked for secret in secrets)


def test_every_line_of_a_secret_of_many_lines_is_masked():
    key = "-----BEGIN KEY-----\nMIIEowIBAAKCAQEA\nzKkP0yXJ8vQ2\n-----END KEY-----"
    masked = Redactor([key]).text("line: MIIEowIBAAKCAQEA and zKkP0yXJ8vQ2")
    assert "MIIE" not in masked
    assert "zKkP" not in masked


def test_values_are_masked_at_any_depth_and_in_keys():
    value = {"a": [{"b-canary-1": ["x canary-1 y", 7, None, True]}], "canary-1": "canary-1"}
    masked = Redactor(["canary-1"]).value(value)
    assert "canary-1" not in json.dumps(masked)
    assert masked["a"][0][f"b-{MASK}"][1:] == [7, None, True]


@pytest.mark.parametrize("secrets", [[], [""], ["abc"]])
def test_a_secret_too_short_to_be_one_masks_nothing(secrets):
    assert len(secrets) == 0 or len(secrets[0]) < SHORTEST
    assert Redactor(secrets).text("abc abcd") == "abc abcd"
