"""The engine's download: tried once a day, never longer than its limit, never in the way."""

import dataclasses
import json
import sys
import time

import pytest

from orchestra_portal.start import engine
from orchestra_portal.start.engine import EngineDownload
from orchestra_portal.start.processes import all_processes


@pytest.fixture
def place_here(place, tmp_path, monkeypatch):
    """A place whose virtual environment is the one the tests run in."""
    (tmp_path / "root" / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / "root" / ".venv" / "bin" / "python").symlink_to(sys.executable)
    return dataclasses.replace(place, root=tmp_path / "root")


def install_script(monkeypatch, text):
    monkeypatch.setattr(engine, "INSTALL", text)


def test_takes_a_pulumi_root_without_a_download(place):
    named = dataclasses.replace(place, settings={"PULUMI_ROOT": "/opt/pulumi"})
    download = EngineDownload(named)
    download.start()
    assert download.process is None
    assert download.finish() == "Pulumi CLI in /opt/pulumi (PULUMI_ROOT)"


def test_takes_the_cli_on_path(place, tmp_path):
    program = tmp_path / "pulumi"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    named = dataclasses.replace(place, settings={"PATH": str(tmp_path)})
    assert EngineDownload(named).finish() == f"Pulumi CLI {program}"


@pytest.mark.parametrize("text", ["0", "false", "No", "off"])
def test_a_download_can_be_switched_off(place, text):
    named = dataclasses.replace(place, settings={"ENGINE_DOWNLOAD": text, "PATH": ""})
    assert EngineDownload(named).finish() == "embedded (ENGINE_DOWNLOAD is off)"


def test_keeps_a_finished_download(place_here, monkeypatch):
    install_script(
        monkeypatch,
        "import pathlib, sys; p = pathlib.Path(sys.argv[1]) / 'bin'; p.mkdir(parents=True);"
        "(p / 'pulumi').touch(0o755)",
    )
    download = EngineDownload(place_here)
    download.start()
    assert download.finish().endswith("home/engine/bin/pulumi, fetched now")
    assert EngineDownload(place_here).finish().endswith("home/engine/bin/pulumi")
    assert not download.partial.exists()


def test_a_failed_try_is_told_in_one_line_and_not_repeated_for_a_day(place_here, monkeypatch):
    install_script(monkeypatch, "raise SystemExit('get.pulumi.com: Name or service not known')")
    download = EngineDownload(place_here)
    download.start()
    assert "Name or service not known; next try in a day" in download.finish()
    install_script(monkeypatch, "raise SystemExit('asked again')")
    again = EngineDownload(place_here)
    again.start()
    assert again.process is None
    assert again.finish().startswith(
        "embedded (the Pulumi CLI could not be fetched less than an hour ago: get."
    )


def test_tries_again_after_a_day(place_here, monkeypatch):
    download = EngineDownload(place_here)
    download.record.write_text(json.dumps({"tried_at": time.time() - 90_000, "reason": "old"}))
    assert EngineDownload(place_here).text == ""


def test_a_damaged_record_counts_as_none(place_here):
    EngineDownload(place_here).record.write_text("{half")
    assert EngineDownload(place_here).text == ""


def test_a_closed_network_costs_no_more_than_the_limit_and_leaves_no_process(
    place_here, monkeypatch
):
    mark = "4711.25"
    install_script(
        monkeypatch,
        "import subprocess, pathlib, sys; pathlib.Path(sys.argv[1]).mkdir();"
        f"subprocess.run(['sleep', '{mark}'])",
    )
    download = EngineDownload(place_here, time_limit=0.4)
    began = time.monotonic()
    download.start()
    assert "not done within 0 s" in download.finish()
    assert time.monotonic() - began < 3
    assert not download.partial.exists()
    assert not [p for p in all_processes() if mark in p.command]
