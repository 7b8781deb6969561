"""Keys of an installation: made once, never replaced in silence, closed to others."""

import base64
import json
import os
import stat

import pytest

from orchestra_portal.start.keys import MAKERS, ensure_keys
from orchestra_portal.start.refusal import StartRefused


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_makes_each_key_once_with_mode_600(tmp_path):
    folder = tmp_path / "secrets"
    assert ensure_keys(folder, has_data=False).startswith("3 made")
    first = {name: (folder / name).read_text() for name in MAKERS}
    assert ensure_keys(folder, has_data=True).startswith("in place")
    assert {name: (folder / name).read_text() for name in MAKERS} == first
    assert mode(folder) == 0o700
    assert {mode(folder / name) for name in MAKERS} == {0o600}
    assert {path.name for path in folder.iterdir()} == set(MAKERS)


def test_mode_is_600_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        ensure_keys(tmp_path / "secrets", has_data=False)
    finally:
        os.umask(before)
    assert mode(tmp_path / "secrets" / "secret_key") == 0o600


def test_field_keys_are_a_ring_with_one_key_for_aes_256(tmp_path):
    ensure_keys(tmp_path, has_data=False)
    ring = json.loads((tmp_path / "field_keys").read_text())
    assert [len(base64.b64decode(key)) for key in ring.values()] == [32]


@pytest.mark.parametrize("name", ["field_keys", "pulumi_passphrase"])
def test_refuses_to_replace_a_lost_key_that_data_depends_on(tmp_path, name):
    ensure_keys(tmp_path, has_data=False)
    (tmp_path / name).unlink()
    with pytest.raises(StartRefused, match=name) as refusal:
        ensure_keys(tmp_path, has_data=True)
    assert "backup" in refusal.value.way_out
    assert not (tmp_path / name).exists()


def test_a_lost_secret_key_is_made_anew_since_it_only_signs_sessions(tmp_path):
    ensure_keys(tmp_path, has_data=False)
    (tmp_path / "secret_key").unlink()
    assert ensure_keys(tmp_path, has_data=True).startswith("1 made")


def test_closes_a_key_that_others_could_read(tmp_path):
    ensure_keys(tmp_path, has_data=False)
    (tmp_path / "secret_key").chmod(0o644)
    assert "closed to other users: secret_key" in ensure_keys(tmp_path, has_data=True)
    assert mode(tmp_path / "secret_key") == 0o600
