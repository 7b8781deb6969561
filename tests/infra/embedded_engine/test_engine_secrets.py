"""Passphrase secrets: what they open, what they keep, what they refuse."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.embedded_engine.errors import EngineError
from infra.embedded_engine.secrets import PassphraseError, Secrets, map_secrets, read_passphrase

SECRETS = Secrets.new("pass")  # one derivation of the key for the whole module


@settings(max_examples=40)
@given(st.text(), st.text(max_size=8))
def test_what_was_sealed_is_opened_again(text, context):
    assert SECRETS.decrypt(SECRETS.encrypt(text, context), context) == text


def test_another_process_with_the_same_passphrase_opens_it():
    assert Secrets(SECRETS.salt, "pass").decrypt(SECRETS.encrypt("x")) == "x"


def test_an_opened_secret_keeps_its_ciphertext_in_its_place_and_only_there():
    other = Secrets(SECRETS.salt, "pass")
    sealed = SECRETS.encrypt("value", "first")
    other.decrypt(sealed, "first")
    assert other.encrypt("value", "first") == sealed
    assert other.encrypt("value", "second") != sealed
    assert other.encrypt("changed", "first") != sealed


def test_a_wrong_passphrase_is_told_at_the_first_use_not_before():
    secrets = Secrets(SECRETS.salt, "other")
    with pytest.raises(PassphraseError, match="incorrect passphrase"):
        secrets.encrypt("x")


@pytest.mark.parametrize("salt", ["", "v1", "v1::", "v1:AAAAAAAAAAA=:nonsense", "v2:a:v1:b:c"])
def test_a_malformed_salt_is_an_error_with_a_text(salt):
    with pytest.raises(PassphraseError):
        Secrets(salt, "pass").verify()


@pytest.mark.parametrize("ciphertext", ["", "v1:a", "v1:AAAAAAAAAAAAAAAA:AAAA", "v9:a:b"])
def test_damaged_ciphertext_names_its_place(ciphertext):
    with pytest.raises(EngineError, match="secret of lab:key"):
        SECRETS.decrypt(ciphertext, "lab:key")


def test_the_passphrase_comes_from_the_environment_or_the_file_it_names(tmp_path):
    file = tmp_path / "passphrase"
    file.write_text("from file\n")
    named = {"PULUMI_CONFIG_PASSPHRASE_FILE": str(file)}
    assert read_passphrase(named) == "from file"
    assert read_passphrase({**named, "PULUMI_CONFIG_PASSPHRASE": ""}) == ""
    with pytest.raises(PassphraseError, match="must be set"):
        read_passphrase({})
    with pytest.raises(PassphraseError, match="unable to read"):
        read_passphrase({"PULUMI_CONFIG_PASSPHRASE_FILE": str(tmp_path / "gone")})


def test_secrets_are_found_at_any_depth():
    secret = {
        "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270",
        "ciphertext": "c",
    }
    other = {"4dabf18193072939515e22adb298388d": "c44067f5952c0a294b673a41bacd8c17", "text": "t"}
    value = {"a": [1, {"b": secret}], "c": other}
    assert map_secrets(value, lambda s: s["ciphertext"]) == {"a": [1, {"b": "c"}], "c": other}
