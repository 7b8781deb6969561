"""Finds the engine of a run: the first candidate that answers `version`."""

import dataclasses
import subprocess
from collections.abc import Sequence
from pathlib import Path

from semver import VersionInfo

VERSION_TIMEOUT = 20.0  # seconds; a cold start on a busy machine takes a few
# Older ones write events to a file, and do not take inline programs in `destroy`.
MINIMUM = VersionInfo(3, 205, 1)


@dataclasses.dataclass(frozen=True)
class Engine:
    name: str  # "pulumi" or "embedded"
    version: str
    root: str

    @property
    def executable(self) -> str:
        return str(Path(self.root) / "bin" / "pulumi")

    @property
    def parsed(self) -> VersionInfo:
        return VersionInfo.parse(self.version)


def find_engine(
    roots: Sequence[str], environment: dict[str, str]
) -> tuple[Engine | None, list[str]]:
    """The engine and, for the candidates before it, why each was passed over."""
    passed: list[str] = []
    for root in roots:
        answer = _ask(root, environment)
        if isinstance(answer, Engine):
            return answer, passed
        passed.append(f"{root}: {answer}")
    return None, passed


def _ask(root: str, environment: dict[str, str]) -> Engine | str:
    executable = Path(root) / "bin" / "pulumi"
    if not executable.is_file():
        return "no bin/pulumi there"
    try:
        done = subprocess.run(
            [str(executable), "version"],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=VERSION_TIMEOUT,
            check=False,
            text=True,
            errors="replace",
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"did not answer `version` ({type(error).__name__})"
    text = done.stdout.strip().removeprefix("v")
    try:
        version = VersionInfo.parse(text)
    except ValueError:
        return f"answered {text[:40]!r} to `version`, exit {done.returncode}"
    embedded = (version.build or "").startswith("embedded")
    if not embedded and (version < MINIMUM or version.major != MINIMUM.major):
        return f"version {text} is older than {MINIMUM} or of another major line"
    return Engine("embedded" if embedded else "pulumi", text, root)
