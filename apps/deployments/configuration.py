"""
What an environment's settings and secrets come to for the program: reads the rows, adds the places
this installation knows, and never shows a secret's value but to the host.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.conf import settings

from apps.core.sealing import unseal
from apps.environments.effective import effective_values
from apps.environments.homes import environment_home, expanded
from apps.environments.models import Environment
from apps.environments.secrets import open_secrets, secret_identity

NAMESPACE = "orchestra"


@dataclasses.dataclass(frozen=True)
class SecretVersion:
    """One secret in use: its value, and the version that stands for it everywhere else."""

    value: str
    version: int


@dataclasses.dataclass(frozen=True)
class Configuration:
    """Full key → value, secrets apart."""

    values: Mapping[str, Any]
    secrets: Mapping[str, SecretVersion]
    # Settings as their rows have them, by full key: nothing of this installation in them.
    declared: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def for_host(self) -> dict[str, dict[str, Any]]:
        """The `config` of a request. Holds secrets in clear: for the host's standard input only."""
        plain = {key: {"value": value, "secret": False} for key, value in self.values.items()}
        sealed = {
            key: {"value": secret.value, "secret": True} for key, secret in self.secrets.items()
        }
        return {**plain, **sealed}

    def described(self) -> dict[str, dict[str, Any]]:
        """The same without secrets: `{key: {"value"} | {"secret_version"}}`."""
        return {
            **{key: {"value": value} for key, value in self.values.items()},
            **{key: {"secret_version": found.version} for key, found in self.secrets.items()},
        }

    def digest(self) -> str:
        """SHA-256, hexadecimal, of what `described` says."""
        return digest_of(self.described())


def digest_of(value: Any) -> str:
    """SHA-256, hexadecimal, of a JSON value in canonical form."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def read_configuration(environment: Environment) -> Configuration:
    """
    Settings and current secrets of an environment. Raises OurFault (`secret.sealed`) when a secret
    does not open with this installation's keys.
    """
    declared = {full_key(key): value for key, value in effective_values(environment).items()}
    secrets = {
        full_key(row.key): SecretVersion(value, row.version)
        for row, value in open_secrets(environment)
    }
    return build_configuration(environment, declared, secrets)


def build_configuration(
    environment: Environment, declared: Mapping[str, Any], secrets: Mapping[str, SecretVersion]
) -> Configuration:
    """The same from rows of now or of then, with the places this installation knows."""
    home = environment_home(environment)
    values: dict[str, Any] = {key: expanded(value, home) for key, value in declared.items()}
    values[full_key("environment")] = environment.slug
    values[full_key("home")] = str(home)
    values[full_key("supervisor")] = {
        "socket": settings.SUPERVISOR_SOCKET,
        "include_directory": settings.SUPERVISOR_INCLUDE,
    }
    # A secret wins over a setting of the same name.
    plain = {key: value for key, value in values.items() if key not in secrets}
    return Configuration(plain, secrets, declared)


def full_key(key: str) -> str:
    return key if ":" in key else f"{NAMESPACE}:{key}"


def every_secret(environment: Environment) -> list[str]:
    """
    What must never leave a run in clear: every version of every secret of the environment, and the
    passphrase.
    """
    found = [
        unseal(row.sealed, secret_identity(environment.slug, row.key, row.version))
        for row in environment.secrets.all()
    ]
    # Without its file there is no passphrase to leak; the host says what is missing.
    with contextlib.suppress(OSError):
        found.append(Path(settings.PULUMI_PASSPHRASE_FILE).read_text(encoding="utf-8").strip())
    return [value for value in found if value]
