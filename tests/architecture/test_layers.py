"""The tower: who may import whom, held by the contracts in pyproject.toml."""

import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def test_every_contract_is_kept():
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from importlinter.cli import lint_imports_command; exit(lint_imports_command())",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]


def test_only_infra_imports_pulumi():
    for folder in ("apps", "orchestra_portal"):
        for file in (ROOT / folder).rglob("*.py"):
            if file.parts[-2] == "start":
                continue  # the starter runs PulumiCommand.install in a process of its own
            text = file.read_text()
            assert "import pulumi" not in text, file
            assert "from pulumi" not in text, file
