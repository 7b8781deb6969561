"""What a program source may say. Git takes much that looks like an address and is a command."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from apps.core.errors import Invalid
from apps.environments.models import Environment, ProgramSource

SCHEMES = ("https", "ssh")
LONGEST_ADDRESS, LONGEST_NAME = 500, 200
COMMIT = re.compile(r"[0-9a-f]{40}")
HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|[0-9a-f:]*:[0-9a-f:]+")
USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}")
ADDRESS_PATH = re.compile(r"/[A-Za-z0-9_~][A-Za-z0-9_.~/+-]*")
REF = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+/-]*")
FOLDER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+/-]*")


def source_of(place: Environment) -> ProgramSource | None:
    """The row; None where the built-in program is deployed."""
    return ProgramSource.objects.filter(environment=place).first()


def check_source(place: Environment, *, url: str, path: str, ref: str, credential: str) -> None:
    """Raises Invalid (`source.malformed`) with a sentence for each field."""
    found = {
        "url": _about_address(url),
        "path": _about_folder(path),
        "ref": _about_ref(ref),
        "credential": _about_credential(place, url, credential),
    }
    errors = {name: sentence for name, sentence in found.items() if sentence}
    if errors:
        raise Invalid("source.malformed", " ".join(errors.values()), errors=errors)


def _about_address(url: str) -> str:
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname or ""
    except ValueError:
        return "This is no address: write https://host/path or ssh://git@host/path."
    if parts.scheme not in SCHEMES:
        return "A repository is reached by https:// or ssh://; write ssh://git@host/path for ssh."
    if parts.password is not None or (parts.scheme == "https" and parts.username is not None):
        return "An address carries no credentials; keep them as a secret and name its key."
    if parts.username is not None and not USER.fullmatch(parts.username):
        return "This is no user of a git server; most have git."
    if not HOST.fullmatch(host) or port == 0:
        return "The address names no host that git could ask."
    if parts.query or parts.fragment or not ADDRESS_PATH.fullmatch(parts.path):
        return "The path of the address has letters, digits and ._~/+- only."
    # The standard library's parser takes line ends out silently.
    if not url.isprintable() or len(url) > LONGEST_ADDRESS:
        return f"The address is one line of at most {LONGEST_ADDRESS} characters."
    return ""


def _about_folder(path: str) -> str:
    parts = path.split("/")
    unfit = path and (not FOLDER.fullmatch(path) or any(part in ("", ".", "..") for part in parts))
    if unfit or len(path) > LONGEST_NAME or any(part.lower() == ".git" for part in parts):
        return "The folder is named from the repository's top, such as deploy/orchestra."
    return ""


def _about_ref(ref: str) -> str:
    parts = ref.split("/")
    unfit = not REF.fullmatch(ref) or len(ref) > LONGEST_NAME or ".." in ref or ref.endswith(".")
    if unfit or any(not p or p.startswith(".") or p.endswith(".lock") for p in parts):
        return "Name a branch, a tag, or a commit with all 40 digits."
    return ""


def _about_credential(place: Environment, url: str, credential: str) -> str:
    if credential and not place.secrets.filter(key=credential).exists():
        return f"{place.slug} has no secret {credential}; set it first."
    if not credential and url.startswith("ssh:"):
        return "Over ssh git needs a private key: keep it as a secret and name its key."
    return ""
