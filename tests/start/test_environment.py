"""The virtual environment: filled once, and clear words when it cannot be."""

import subprocess
import sys

import pytest

from orchestra_portal.start import environment, node
from orchestra_portal.start.refusal import StartRefused


@pytest.fixture
def root(tmp_path):
    """A project with an empty lock: a real environment is made, and nothing is fetched."""
    (tmp_path / "requirements.txt").write_text("# nothing\n")
    (tmp_path / "requirements-dev.txt").write_text("# nothing\n")
    return tmp_path


@pytest.mark.slow
def test_a_second_call_does_nothing_until_the_lock_changes(root):
    assert "0 pinned packages installed" in environment.ensure_environment(root)
    assert "unchanged" in environment.ensure_environment(root)
    (root / "requirements.txt").write_text("# changed\n")
    assert "installed" in environment.ensure_environment(root)
    assert "installed" in environment.ensure_environment(root, environment.DEVELOPMENT)
    assert "unchanged" in environment.ensure_environment(root)


@pytest.mark.slow
def test_an_environment_without_its_interpreter_is_made_anew(root):
    environment.ensure_environment(root)
    (root / ".venv" / "bin" / "python").unlink()
    assert "installed" in environment.ensure_environment(root)
    assert (root / ".venv" / "bin" / "python").exists()


@pytest.mark.slow
def test_a_file_with_a_wrong_hash_is_not_installed(root, tmp_path):
    (tmp_path / "wheels").mkdir()
    wheel = tmp_path / "wheels" / "nothing-1.0-py3-none-any.whl"
    wheel.write_bytes(b"not what was pinned")
    lock = f"--no-index\n--find-links {wheel.parent}\nnothing==1.0 --hash=sha256:{'0' * 64}\n"
    (root / "requirements.txt").write_text(lock)
    with pytest.raises(StartRefused) as refusal:
        environment.ensure_environment(root)
    assert "not the pinned one" in refusal.value.way_out
    assert not environment.is_stamped(root / ".venv", root / "requirements.txt")


def test_a_python_without_ensurepip_names_the_package(root, monkeypatch):
    broken = root / "python3"
    broken.write_text("#!/bin/sh\necho 'ensurepip is not available.' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(broken))
    with pytest.raises(StartRefused, match="without the venv or ensurepip module") as refusal:
        environment.make_venv(root / ".venv")
    assert "-venv) and run the command again" in refusal.value.way_out


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("OSError: [Errno 28] No space left on device", "The disk is full"),
        ("ConnectionError: Temporary failure in name resolution", "reaches a package index"),
        ("THESE PACKAGES DO NOT MATCH THE HASHES", "do not install around it"),
        ("error: subprocess-exited-with-error", "install.log"),
    ],
)
def test_pips_last_words_become_a_way_out(text, words):
    assert words in environment.way_out_of(text)


def test_the_start_needs_no_third_party_package():
    """`-S -I`: no site-packages, no environment: what a fresh machine's Python has."""
    code = f"""
import sys; sys.path.insert(0, {str(environment.ROOT)!r})
import orchestra_portal.start.__main__, orchestra_portal.start.run
outside = [m for m in ("django", "celery", "pulumi", "supervisor") if m in sys.modules]
print(outside)
"""
    done = subprocess.run(
        [sys.executable, "-S", "-I", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.stdout == "[]\n", done.stderr


@pytest.mark.parametrize("answer", ["echo v18.20.0", "exit 1", "echo nonsense"])
def test_a_node_that_is_too_old_or_broken_does_not_count(tmp_path, answer):
    for name in ("node", "npm"):
        (tmp_path / name).write_text(f"#!/bin/sh\n{answer}\n")
        (tmp_path / name).chmod(0o755)
    assert node.machine_node(str(tmp_path)) == ""


def test_a_new_node_with_npm_counts(tmp_path):
    for name in ("node", "npm"):
        (tmp_path / name).write_text("#!/bin/sh\necho v22.1.0\n")
        (tmp_path / name).chmod(0o755)
    assert node.machine_node(str(tmp_path)) == f"{tmp_path / 'node'} v22.1.0"
    (tmp_path / "npm").unlink()
    assert node.machine_node(str(tmp_path)) == ""


@pytest.mark.slow
def test_progress_is_told_once_and_an_installation_is_not_told_as_a_download(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(environment, "REPORT_EVERY", 0.15)
    script = (
        "import time; print('Collecting a', flush=True); time.sleep(0.5);"
        "print('Installing collected packages: a', flush=True); time.sleep(0.5)"
    )
    environment.run_pip([sys.executable, "-c", script], tmp_path / "log", 2)
    told = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert [line for line in told if line != "0 of 2 fetched"] == [
        "1 of 2 fetched",
        "all fetched; they are being installed",
    ]
