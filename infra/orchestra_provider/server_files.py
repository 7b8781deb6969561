"""The two files of a supervised server: what supervisord reads, and what `launch.py` reads."""

import hashlib
import itertools
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from infra.orchestra_provider.installing import write_whole

OWNER_LINE = "; Made by Orchestra for "
LAUNCHER = Path(__file__).with_name("launch.py")
STOP_SECONDS = 8  # SIGTERM to the group, then SIGKILL


class Described(Protocol):
    """The part of a server's inputs that its files are made of."""

    @property
    def process(self) -> str: ...

    @property
    def command(self) -> Sequence[str]: ...

    @property
    def environment(self) -> Mapping[str, str]: ...

    @property
    def directory(self) -> str: ...

    @property
    def include_directory(self) -> str: ...


def configuration_path(server: Described) -> Path:
    return Path(server.include_directory) / f"{server.process}.conf"


def specification_path(server: Described) -> Path:
    return Path(server.directory) / "server.json"


def log_path(server: Described) -> Path:
    return Path(server.directory) / "server.log"


def specification_text(server: Described) -> str:
    document = {"command": list(server.command), "environment": dict(server.environment)}
    return json.dumps(document, indent=1, sort_keys=True) + "\n"


def configuration_text(server: Described) -> str:
    """Without the owner's line, which `write_files` puts before it."""
    command = " ".join(
        _quoted(part)
        for part in (sys.executable, "-I", str(LAUNCHER), str(specification_path(server)))
    )
    settings = {
        "command": command,
        "directory": _escaped(server.directory),
        "autostart": "true",
        "autorestart": "true",
        "startsecs": "1",
        "startretries": "3",
        "stopsignal": "TERM",
        "stopwaitsecs": str(STOP_SECONDS),
        # A bridge and the server behind it live and die together.
        "stopasgroup": "true",
        "killasgroup": "true",
        "umask": "077",
        "redirect_stderr": "true",
        "stdout_logfile": _escaped(str(log_path(server))),
        "stdout_logfile_maxbytes": "5MB",
        "stdout_logfile_backups": "2",
    }
    lines = [f"{key}={value}" for key, value in settings.items()]
    return "\n".join([f"[program:{server.process}]", *lines, ""])


def definition(server: Described) -> str:
    """SHA-256 over what both files should say."""
    return _digest(configuration_text(server), specification_text(server))


def written_definition(server: Described) -> str:
    """The same over what they do say; another text for a file that is missing or was changed."""
    texts = []
    for path in (configuration_path(server), specification_path(server)):
        try:
            texts.append(path.read_text(encoding="utf-8"))
        except OSError:
            texts.append("")
    return _digest(texts[0].partition("\n")[2], texts[1])


def write_files(server: Described, owner: str) -> None:
    for folder in (Path(server.directory), Path(server.include_directory)):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_whole(specification_path(server), specification_text(server))
    write_whole(configuration_path(server), f"{OWNER_LINE}{owner}\n{configuration_text(server)}")


def remove_files(server: Described) -> None:
    """The server's own folder stays: it holds what the server remembers."""
    configuration_path(server).unlink(missing_ok=True)
    specification_path(server).unlink(missing_ok=True)


def owner_of(server: Described) -> str | None:
    """The resource in the first line; "" for a foreign file, None without a file."""
    try:
        first = configuration_path(server).read_text(encoding="utf-8").partition("\n")[0]
    except FileNotFoundError:
        return None
    return first.removeprefix(OWNER_LINE) if first.startswith(OWNER_LINE) else ""


def last_words(server: Described, lines: int = 6) -> str:
    """The end of the server's log, in one line."""
    try:
        text = log_path(server).read_bytes()[-8192:].decode("utf-8", errors="replace")
    except OSError:
        return ""
    said = [line.strip() for line in text.splitlines() if line.strip()]
    # A server that was tried again and again says the same again and again.
    return " | ".join([line for line, _ in itertools.groupby(said)][-lines:])


def _digest(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def _quoted(part: str) -> str:
    return f'"{_escaped(part)}"' if " " in part else _escaped(part)


def _escaped(text: str) -> str:
    return text.replace("%", "%%")  # supervisord expands %(name)s
