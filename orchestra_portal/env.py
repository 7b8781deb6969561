"""Typed readers of the environment. They fail loudly: a setting nobody can use stops the start."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

import environ
from django.core.exceptions import ImproperlyConfigured

ROOT = Path(__file__).resolve().parents[1]
env = environ.Env()
if (ROOT / ".env").is_file():
    env.read_env(ROOT / ".env")


def home() -> Path:
    """ORCHESTRA_HOME: all state of an installation; `var/` beside the code by default."""
    folder = Path(env.str("ORCHESTRA_HOME", default="") or "var").expanduser()
    return Path(os.path.abspath(ROOT / folder))  # noqa: PTH100 - a link to another disk stays a link


def secret(name: str, file: Path) -> str:
    """
    A secret from the variable NAME, from the file that NAME_FILE names, or from `file`, in this
    order. Raises ImproperlyConfigured when there is none.
    """
    if value := str(env.str(name, default="")):
        return value
    path = Path(env.str(f"{name}_FILE", default="") or file)
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ImproperlyConfigured(
            f"{name} is not set and {path} cannot be read ({error.strerror})."
            " Run `make run` once: it makes the installation's keys."
        ) from error


def field_keys(text: str) -> dict[str, bytes]:
    """Key id → 32 bytes for AES-256, from `{"k1": base64, …}`; the last one seals."""
    try:
        keys = {str(name): base64.b64decode(value) for name, value in json.loads(text).items()}
    except (ValueError, AttributeError, TypeError) as error:
        raise ImproperlyConfigured(
            'PORTAL_FIELD_KEYS is not JSON of the form {"k1": "<base64 of 32 bytes>"}.'
        ) from error
    if not keys or any(len(key) != 32 for key in keys.values()):
        raise ImproperlyConfigured("PORTAL_FIELD_KEYS needs at least one key, each of 32 bytes.")
    return keys
