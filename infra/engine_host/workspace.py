"""The run's folder as an engine expects it: its files, and a stack in the backend."""

from pathlib import Path
from typing import Any

from infra.engine_host.backend import FileBackend, deployment_of
from infra.engine_host.command import HostCommand
from infra.engine_host.passphrase import Encrypter, WrongPassphraseError
from infra.engine_host.protocol import Request
from infra.engine_host.workspace_files import (
    has_secrets,
    read_salt,
    write_project_file,
    write_stack_file,
)


def write_files(request: Request, main: Path, state: dict[str, Any] | None) -> str | None:
    """Writes both files, answers their salt. Raises SettingsError, WrongPassphraseError."""
    salt = request.encryption_salt or _salt_of(state)
    encrypter = None
    if has_secrets(request.config):
        encrypter = Encrypter(_passphrase(request), salt)
    write_project_file(request, main)
    write_stack_file(request, salt, encrypter)
    return encrypter.salt_text if encrypter else salt


def make_stack(request: Request, command: HostCommand, backend: FileBackend | None) -> None:
    """
    Makes the stack when it is not there. The engine may write a salt of its own into the stack
    file;
    then the secrets are encrypted again for it. Raises CommandError.
    """
    if backend is None or backend.stack_exists():
        # Other backends say so by exit code 6, see operations.py.
        return
    before = read_salt(request)
    command.run(["stack", "init", request.stack], str(request.work_dir), {})
    now = read_salt(request)
    if now != before or request.config:
        encrypter = None
        if has_secrets(request.config):
            encrypter = Encrypter(_passphrase(request), now)
        write_stack_file(request, now, encrypter)


def _salt_of(state: dict[str, Any] | None) -> str | None:
    """The copy of the salt that the state keeps, for a stack whose file was lost."""
    found = (deployment_of(state).get("secrets_providers") or {}).get("state") or {}
    salt = found.get("salt")
    return salt if isinstance(salt, str) else None


def _passphrase(request: Request) -> str:
    try:
        return Path(request.passphrase_file).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise WrongPassphraseError(
            f"The passphrase file cannot be read: {error.strerror}."
        ) from error
