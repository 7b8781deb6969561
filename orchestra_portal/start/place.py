"""Where this installation lives: the project's folder, its state under ORCHESTRA_HOME, its port."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import shutil
from collections.abc import Mapping

from orchestra_portal.start.refusal import StartRefused

ROOT = pathlib.Path(__file__).resolve().parents[2]
# sun_path holds 108 bytes on Linux, 104 on macOS, with the closing zero.
LONGEST_SOCKET = 100
# The virtual environment takes 500 MB, Node 190 MB; without them a start writes some megabytes.
FREE_FOR_INSTALLATION = 1_200_000_000
FREE_FOR_START = 100_000_000
# Characters that end a value early in an ini file of supervisord.
UNSAFE_IN_CONFIGURATION = (" ;", " #", "\n", "\r")


@dataclasses.dataclass(frozen=True)
class Place:
    """Paths of one installation. `settings` is the environment over the `.env` file."""

    root: pathlib.Path
    home: pathlib.Path
    port: int
    settings: Mapping[str, str]

    @property
    def venv(self) -> pathlib.Path:
        """The virtual environment; ORCHESTRA_VENV names one that is kept by somebody else."""
        return pathlib.Path(self.settings.get("ORCHESTRA_VENV") or self.root / ".venv")

    @property
    def python(self) -> pathlib.Path:
        return self.venv / "bin" / "python"

    @property
    def run(self) -> pathlib.Path:
        return self.home / "run"

    @property
    def log(self) -> pathlib.Path:
        return self.home / "log"

    @property
    def secrets(self) -> pathlib.Path:
        return self.home / "secrets"

    @property
    def socket(self) -> pathlib.Path:
        return self.run / "supervisor.sock"

    @property
    def include_directory(self) -> pathlib.Path:
        return self.home / "supervisor" / "conf.d"

    @property
    def prepared(self) -> pathlib.Path:
        """Exists once the database was set up: from then on there may be encrypted data."""
        return self.home / "prepared"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def environment(self) -> dict[str, str]:
        """What the portal's processes get: this process's environment with the places resolved."""
        return {
            **os.environ,
            "ORCHESTRA_HOME": str(self.home),
            "PORTAL_PORT": str(self.port),
            "DJANGO_SETTINGS_MODULE": "orchestra_portal.settings",
            "PYTHONUNBUFFERED": "1",
        }


def find_place(environ: Mapping[str, str] | None = None, root: pathlib.Path = ROOT) -> Place:
    """
    The place that the environment and `<root>/.env` describe. Raises StartRefused for values
    nothing can use.
    """
    settings = {**read_env_file(root / ".env"), **(os.environ if environ is None else environ)}
    home = pathlib.Path(settings.get("ORCHESTRA_HOME") or "var").expanduser()
    home = pathlib.Path(os.path.abspath(root / home))  # noqa: PTH100 - a link to another disk stays a link
    place = Place(root=root, home=home, port=read_port(settings), settings=settings)
    if len(os.fsencode(place.socket)) > LONGEST_SOCKET:
        raise StartRefused(
            f"The folder {home} has too long a name: a Unix socket inside it would exceed"
            f" {LONGEST_SOCKET} bytes.",
            "Set ORCHESTRA_HOME to a shorter path, in the environment or in .env.",
        )
    if any(text in f"{root} {home}" for text in UNSAFE_IN_CONFIGURATION):
        raise StartRefused(
            f"The path {root} or {home} holds ' ;', ' #' or a line break, which configuration"
            " files cannot hold.",
            "Move the project, or set ORCHESTRA_HOME to a plain path.",
        )
    return place


def read_port(settings: Mapping[str, str]) -> int:
    """PORTAL_PORT as a number, 8100 where it is not set."""
    text = settings.get("PORTAL_PORT") or "8100"
    if text.isascii() and text.isdigit() and 1 <= int(text) <= 65535:
        return int(text)
    raise StartRefused(
        f"PORTAL_PORT is {text!r}, which is no port.",
        "Set it to a number from 1 to 65535; 8100 is the default.",
    )


def read_env_file(path: pathlib.Path) -> dict[str, str]:
    """`KEY=value` lines of an .env file, as django-environ reads them; {} without a file."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise StartRefused(
            f"{path} cannot be read: {error}.", "Make it a readable UTF-8 text file."
        ) from error
    values = {}
    for line in text.splitlines():
        key, equals, value = line.strip().removeprefix("export ").partition("=")
        if equals and not key.startswith("#"):
            values[key.strip()] = plain_value(value.strip())
    return values


def plain_value(value: str) -> str:
    """A value without its quotes, or without the comment behind it."""
    if len(value) > 1 and value[0] in "'\"" and value[0] == value[-1]:
        return value[1:-1]
    return value.split(" #", maxsplit=1)[0].strip()


def prepare_folders(place: Place) -> None:
    """
    Makes the folders of the installation, closed to other users. Raises StartRefused when the
    disk says no.
    """
    folders = (
        place.home,
        place.run,
        place.log,
        place.secrets,
        place.include_directory,
        # kombu's filesystem transport makes neither of them.
        place.home / "broker" / "messages",
        place.home / "broker" / "control",
    )
    try:
        for folder in folders:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe = place.run / "write-probe"
        probe.write_bytes(b"\0" * 4096)
        probe.unlink()
    except OSError as error:
        raise StartRefused(
            f"The folder {place.home} cannot be written: {error.strerror}.",
            "Free space there or give this user the right to write, or set ORCHESTRA_HOME to"
            " another folder.",
        ) from error


def check_space(folder: pathlib.Path, needed: int) -> None:
    """Refuses when the disk under `folder` has fewer than `needed` bytes free."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise StartRefused(
            f"The disk under {folder} has {free // 1_000_000} MB free; this start needs"
            f" {needed // 1_000_000} MB.",
            "Free some space, or move the state to another disk with ORCHESTRA_HOME.",
        )
