"""The configuration of supervisord and the order of a start and a stop."""

import configparser
import dataclasses
import pathlib

from orchestra_portal.start.supervisor import commands, configuration, failed_programs, stop_program


def read(place):
    parser = configparser.RawConfigParser(inline_comment_prefixes=(";", "#"))
    parser.read_string(configuration(place))
    return parser


def test_everything_listens_on_loopback_only(place):
    text = configuration(place)
    assert "-b 127.0.0.1 -p 8199" in text
    assert "0.0.0.0" not in text
    assert "inet_http_server" not in text


def test_web_starts_first_and_stops_last(place):
    parser = read(place)
    order = sorted(
        ("web", "worker", "beat"), key=lambda n: parser.getint(f"program:{n}", "priority")
    )
    assert order == ["web", "worker", "beat"]


def test_a_stop_never_signals_a_whole_group_since_runs_must_outlive_it(place):
    parser = read(place)
    for name in commands(place):
        assert parser.get(f"program:{name}", "stopasgroup") == "false"


def test_a_percent_sign_in_a_path_is_not_expanded(place):
    odd = dataclasses.replace(place, home=pathlib.Path("/srv/100%/state"))
    assert read(odd).get("supervisord", "logfile") == "/srv/100%%/state/log/supervisord.log"


def test_a_path_with_a_space_stays_one_argument(place):
    odd = dataclasses.replace(place, root=pathlib.Path("/srv/my portal"))
    assert read(odd).get("program:web", "command").startswith("'/srv/my portal/.venv/bin/python' ")


def test_the_include_stands_relative_so_that_a_space_in_the_path_does_not_split_it(place):
    assert read(place).get("include", "files") == "conf.d/*.conf"
    assert place.include_directory == place.home / "supervisor" / "conf.d"


def test_a_supervisord_that_is_gone_is_no_error(place):
    assert stop_program(place, "web") is False
    assert failed_programs(place) == []
