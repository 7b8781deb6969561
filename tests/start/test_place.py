"""Where an installation lives, and what is refused before anything is written."""

import pathlib
import stat

import pytest

from orchestra_portal.start import place as places
from orchestra_portal.start.refusal import StartRefused


def test_defaults_are_var_and_port_8100(tmp_path):
    place = places.find_place({}, root=tmp_path)
    assert (place.home, place.port) == (tmp_path / "var", 8100)
    assert place.url == "http://127.0.0.1:8100/"


def test_the_environment_wins_over_the_env_file(tmp_path):
    (tmp_path / ".env").write_text("PORTAL_PORT=8200\nORCHESTRA_HOME=/srv/state\n")
    place = places.find_place({"PORTAL_PORT": "8300"}, root=tmp_path)
    assert (place.home, place.port) == (pathlib.Path("/srv/state"), 8300)


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("KEY=plain", "plain"),
        ("export KEY=plain", "plain"),
        ("KEY='with spaces # kept'", "with spaces # kept"),
        ('KEY="quoted"', "quoted"),
        ("KEY=value # a comment", "value"),
        ("KEY=", ""),
        ("KEY = spaced ", "spaced"),
    ],
)
def test_reads_a_line_of_the_env_file(tmp_path, line, value):
    (tmp_path / ".env").write_text(f"# KEY=comment\n\n{line}\n")
    assert places.read_env_file(tmp_path / ".env") == {"KEY": value}


@pytest.mark.parametrize("text", ["0", "65536", "-1", "http", "80 80", "٨١٠٠", "8100.0"])
def test_refuses_a_port_that_is_none(tmp_path, text):
    with pytest.raises(StartRefused, match="which is no port") as refusal:
        places.find_place({"PORTAL_PORT": text}, root=tmp_path)
    assert "8100 is the default" in refusal.value.way_out


def test_refuses_a_folder_whose_socket_would_have_too_long_a_name(tmp_path):
    with pytest.raises(StartRefused, match="too long a name"):
        places.find_place({"ORCHESTRA_HOME": f"/{'long/' * 20}"}, root=tmp_path)


def test_refuses_an_env_file_that_is_no_text(tmp_path):
    (tmp_path / ".env").write_bytes(b"\xff\xfe\x00K")
    with pytest.raises(StartRefused, match="cannot be read"):
        places.find_place({}, root=tmp_path)


def test_refuses_a_path_that_would_end_a_configuration_value(tmp_path):
    with pytest.raises(StartRefused, match="configuration files cannot hold"):
        places.find_place({"ORCHESTRA_HOME": str(tmp_path / "a ;b")}, root=tmp_path)


def test_folders_are_closed_to_other_users(place):
    for folder in (place.home, place.run, place.log, place.secrets, place.include_directory):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_refuses_a_home_that_cannot_be_written(tmp_path):
    (tmp_path / "f").write_text("no folder")
    place = places.find_place({"ORCHESTRA_HOME": str(tmp_path / "f" / "h")}, root=tmp_path)
    with pytest.raises(StartRefused, match="cannot be written: Not a directory"):
        places.prepare_folders(place)


def test_refuses_a_disk_with_too_little_space(tmp_path):
    with pytest.raises(StartRefused, match="MB free; this start needs 10000000000000 MB"):
        places.check_space(tmp_path, 10**19)


def test_a_refusal_says_what_to_do():
    assert str(StartRefused("It is so.", "Do this.")) == "It is so.\n  What to do: Do this."
