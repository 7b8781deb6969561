"""
Writes the two files that an operation starts from, so that no configuration command has to run.

A secret goes into the stack file as ciphertext at once: it never stands on a command line.
"""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from infra.engine_host.passphrase import Encrypter
from infra.engine_host.protocol import ConfigValue, Request

_KEY = re.compile(r"[A-Za-z0-9_.-]+:[A-Za-z0-9_.\-]+")
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}")


class SettingsError(Exception):
    """The configuration cannot be written down; the text names the key, never a value."""


def write_project_file(request: Request, main: Path) -> None:
    """`Pulumi.yaml` of the run. `main` is the folder of the program."""
    if not _NAME.fullmatch(request.project):
        raise SettingsError(f"The project name {request.project!r} has characters Pulumi refuses.")
    document = {"name": request.project, "runtime": "python", "main": str(main)}
    _write(request.work_dir / "Pulumi.yaml", document)


def write_stack_file(request: Request, salt_text: str | None, encrypter: Encrypter | None) -> None:
    """
    `Pulumi.<stack>.yaml`. An encrypter must be given when there is a secret; its salt is used
    then.
    """
    if not _NAME.fullmatch(request.stack):
        raise SettingsError(f"The stack name {request.stack!r} has characters Pulumi refuses.")
    document: dict[str, Any] = {}
    salt = encrypter.salt_text if encrypter else salt_text
    if salt:
        document["encryptionsalt"] = salt
    config = {key: _entry(key, value, encrypter) for key, value in request.config.items()}
    if config:
        document["config"] = config
    _write(stack_file(request), document)


def read_salt(request: Request) -> str | None:
    """The salt that the stack file has now; the engine adds one where there was none."""
    try:
        document = yaml.safe_load(stack_file(request).read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError):
        return None
    salt = document.get("encryptionsalt") if isinstance(document, dict) else None
    return salt if isinstance(salt, str) else None


def stack_file(request: Request) -> Path:
    return request.work_dir / f"Pulumi.{request.stack}.yaml"


def has_secrets(config: Mapping[str, ConfigValue]) -> bool:
    return any(value.secret for value in config.values())


def _entry(key: str, value: ConfigValue, encrypter: Encrypter | None) -> Any:
    if not _KEY.fullmatch(key):
        raise SettingsError(f"The setting {key!r} is not of the form namespace:name.")
    if value.secret:
        if encrypter is None:
            raise SettingsError(f"The setting {key!r} is secret, and there is no passphrase.")
        return {"secure": encrypter.encrypt(_text(value.value))}
    # Pulumi reads every scalar as text; lists and maps stay what they are.
    return value.value if isinstance(value.value, dict | list) else _text(value.value)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _write(path: Path, document: Mapping[str, Any]) -> None:
    text = yaml.safe_dump(dict(document), sort_keys=False, allow_unicode=True, width=4096)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
