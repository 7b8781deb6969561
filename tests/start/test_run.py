"""The order of a start, its refusals, and the first deployment."""

import dataclasses
import errno
import http.server
import json
import pathlib
import subprocess
import sys
import threading

import pytest

from orchestra_portal.start import __main__ as entry
from orchestra_portal.start import first_deployment, run, under_way
from orchestra_portal.start.refusal import StartRefused
from orchestra_portal.start.stop import StopAsked, describe_run, wait_for_runs


@pytest.fixture
def with_python(place, tmp_path):
    """The place with a stand-in for its Python: a script that the test writes."""
    python = tmp_path / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)

    def make(script):
        python.write_text(f"#!/bin/sh\n{script}\n")
        python.chmod(0o755)
        return dataclasses.replace(place, settings={"ORCHESTRA_VENV": str(tmp_path / "venv")})

    return make


@pytest.fixture
def supervisord():
    """A process that stands for supervisord: it is only asked whether it lives."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        yield process
        process.kill()


class Answer(http.server.BaseHTTPRequestHandler):
    status = 200

    def do_GET(self):
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *_arguments):
        pass


@pytest.fixture
def portal():
    """An HTTP server that answers every path; yields its port."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server.server_port
        server.shutdown()


def test_an_old_python_is_told_what_to_install(monkeypatch, capsys):
    monkeypatch.setattr(sys, "version_info", (3, 8, 10))
    monkeypatch.setattr(entry, "newer_python", lambda: None)
    assert entry.main() == 2
    text = capsys.readouterr().err
    assert "Python 3.8 is too old: the portal needs 3.11 or newer" in text
    assert "make run PYTHON3=python3.11" in text


def test_an_old_python_hands_over_to_a_newer_one(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 8, 10))
    monkeypatch.setattr(sys, "argv", ["start"])
    monkeypatch.setattr(entry, "newer_python", lambda: "/opt/python3.12")
    handed = []
    monkeypatch.setattr(entry.os, "execv", lambda path, words: handed.append((path, words)))
    monkeypatch.setattr(run, "main", lambda _arguments: 0)
    entry.main()
    assert handed == [("/opt/python3.12", ["/opt/python3.12", "-m", "orchestra_portal.start"])]


def test_a_version_managers_stub_is_no_newer_python(monkeypatch, tmp_path):
    stub = tmp_path / "python3.13"
    stub.write_text("#!/bin/sh\nexit 127\n")
    stub.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert entry.newer_python() is None
    (tmp_path / "python3.12").symlink_to(sys.executable)
    assert entry.newer_python() == str(tmp_path / "python3.12")


def test_old_pythons_can_read_the_entry():
    import ast

    ast.parse(pathlib.Path(entry.__file__).read_text(), feature_version=(3, 7))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_told_with_its_way_out(monkeypatch, capsys, number):
    def full(*_arguments):
        raise OSError(number, "full")

    monkeypatch.setattr(run, "find_place", full)
    monkeypatch.setattr(run, "listen_for_stop", lambda: None)
    assert run.main([]) == run.REFUSED
    assert "The disk is full" in capsys.readouterr().out


def test_another_error_of_the_system_is_not_called_a_full_disk(monkeypatch):
    def broken(*_arguments):
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(run, "find_place", broken)
    monkeypatch.setattr(run, "listen_for_stop", lambda: None)
    with pytest.raises(OSError, match="broken"):
        run.main([])


def test_ctrl_c_before_the_portal_is_up_says_that_nothing_is_lost(monkeypatch, capsys):
    def stopped(*_arguments):
        raise StopAsked

    monkeypatch.setattr(run, "find_place", stopped)
    monkeypatch.setattr(run, "listen_for_stop", lambda: None)
    assert run.main([]) == run.INTERRUPTED
    assert "The next start goes on from here" in capsys.readouterr().out


def test_a_database_that_cannot_be_prepared_is_told_with_the_last_words(with_python):
    place = with_python("echo 'connection refused' >&2; exit 1")
    with pytest.raises(StartRefused, match="connection refused") as refusal:
        run.prepare_database(place)
    assert str(place.log / "preparation.log") in refusal.value.way_out
    assert not place.prepared.exists()


def test_a_prepared_database_is_remembered(with_python):
    answer = {"migrations": 3, "administrator": None, "deployed": False}
    place = with_python(f"echo noise; echo '{json.dumps(answer)}'")
    assert run.prepare_database(place) == answer
    assert place.prepared.exists()


def test_the_portal_is_up_when_healthz_answers(place, portal, supervisord):
    up = dataclasses.replace(place, port=portal)
    first_deployment.wait_for_portal(up, supervisord, limit=5)


def test_a_portal_that_does_not_answer_is_told_with_its_log(place, supervisord):
    (place.log / "web.log").write_text("Traceback\nImproperlyConfigured: no such setting\n")
    with pytest.raises(StartRefused, match="ImproperlyConfigured: no such setting"):
        first_deployment.wait_for_portal(place, supervisord, limit=0.3)


def test_a_portal_that_answers_with_an_error_is_not_up(place, portal, supervisord, monkeypatch):
    monkeypatch.setattr(Answer, "status", 500)
    broken = dataclasses.replace(place, port=portal)
    with pytest.raises(StartRefused, match="does not answer"):
        first_deployment.wait_for_portal(broken, supervisord, limit=0.3)


def test_a_supervisord_that_ended_is_told_at_once(place, supervisord):
    supervisord.kill()
    supervisord.wait()
    (place.log / "supervisord.out").write_text("Error: bad configuration\n")
    with pytest.raises(StartRefused, match=r"ended with status -9: Error: bad configuration"):
        first_deployment.wait_for_portal(place, supervisord)


def test_the_first_deployment_is_asked_for_once_whatever_becomes_of_it(with_python):
    place = with_python('echo "$@" > "$ORCHESTRA_HOME/asked"; exit 7')
    assert first_deployment.is_first(place, deployed=False)
    assert first_deployment.deploy_development(place) == 7
    asked = (place.home / "asked").read_text().split()
    assert asked == ["manage.py", "deploy", "development", "--watch", "--yes"]
    assert not first_deployment.is_first(place, deployed=False)


def test_an_installation_with_deployments_has_no_first_one(place):
    assert not first_deployment.is_first(place, deployed=True)


def test_a_failed_first_deployment_leaves_the_portal_up_and_says_where_to_look(with_python, capsys):
    run.first_deployment(with_python("exit 3"))
    text = capsys.readouterr().out
    assert "did not succeed (status 3)" in text
    assert "What to do" in text


ROW = {"run": "7", "operation": "update", "environment": "staging", "status": "running"}


def test_a_stop_waits_for_the_runs_under_way_and_names_them(with_python, capsys):
    wait_for_runs(with_python(f"echo '{json.dumps([ROW])}'; echo '[]'; exit 0"), limit=5)
    text = capsys.readouterr().out
    assert "waiting up to 5 s for run 7 (update of staging, running)" in text
    assert text.rstrip().endswith("done")


def test_a_stop_does_not_wait_for_ever(with_python, capsys):
    wait_for_runs(with_python(f"echo '{json.dumps([ROW])}'; exit 1"), limit=5)
    assert "not done within 5 s; left under way" in capsys.readouterr().out


def test_a_stop_without_runs_says_nothing_about_them(with_python, capsys):
    wait_for_runs(with_python("echo '[]'"), limit=5)
    assert capsys.readouterr().out == ""


def test_a_run_is_named_by_what_it_does():
    assert describe_run(ROW) == "run 7 (update of staging, running)"


def test_a_workers_container_runs_its_command_to_the_end_before_it_waits(monkeypatch, tmp_path):
    order = []
    monkeypatch.setattr(
        under_way, "wait_for_runs", lambda host, limit: order.append((host, limit)) or True
    )
    monkeypatch.setattr(under_way.signal, "signal", lambda *_arguments: None)
    command = [sys.executable, "-c", f"open({str(tmp_path / 'ran')!r}, 'w')"]
    assert under_way.main(["--wait", "9", "--after", *command]) == 0
    assert (tmp_path / "ran").exists()
    assert order == [(under_way.socket.gethostname(), 9.0)]


def test_a_workers_failure_stays_its_containers_exit_status(monkeypatch):
    monkeypatch.setattr(under_way, "wait_for_runs", lambda *_arguments: True)
    monkeypatch.setattr(under_way.signal, "signal", lambda *_arguments: None)
    assert under_way.main(["--after", sys.executable, "-c", "raise SystemExit(5)"]) == 5


class Picky(Answer):
    """Answers as Django does that allows one host name and insists on TLS."""

    def do_GET(self):
        allowed = self.headers["Host"] == "portal.example.org"
        self.status = 200 if allowed and self.headers["X-Forwarded-Proto"] == "https" else 400
        super().do_GET()


def test_asks_for_health_by_an_allowed_name_as_a_proxy_would(place):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Picky) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        plain = dataclasses.replace(place, port=server.server_port)
        settings = {"PORTAL_ALLOWED_HOSTS": ".portal.example.org, other.example.org"}
        assert first_deployment.answers(dataclasses.replace(plain, settings=settings))
        assert not first_deployment.answers(plain)
        server.shutdown()
