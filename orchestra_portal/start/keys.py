"""
The installation's own secrets: made once from the operating system's randomness, one file each,
mode 600.
"""

from __future__ import annotations

import base64
import json
import os
import pathlib
import secrets
import stat

from orchestra_portal.start.refusal import StartRefused

PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700


def new_secret_key() -> str:
    """Django's SECRET_KEY: 64 characters, 384 bits."""
    return secrets.token_urlsafe(48)


def new_field_keys() -> str:
    """
    The key ring of encrypted fields: key id → base64 of 32 bytes for AES-256. The last id is the
    one in use.
    """
    return json.dumps({"k1": base64.b64encode(secrets.token_bytes(32)).decode()})


def new_passphrase() -> str:
    """The passphrase under which the engine encrypts secrets in the state: 256 bits."""
    return secrets.token_urlsafe(32)


MAKERS = {
    "secret_key": new_secret_key,
    "field_keys": new_field_keys,
    "pulumi_passphrase": new_passphrase,
}
# Without these, what is stored encrypted can never be read again, so a lost one must not be
# replaced in silence.
IRREPLACEABLE = ("field_keys", "pulumi_passphrase")


def ensure_keys(folder: pathlib.Path, *, has_data: bool) -> str:
    """
    Makes the missing secrets and closes the folder to others. Returns one line about it.

    `has_data` says that this installation has stored something. Raises StartRefused when an
    irreplaceable key is gone although there is data that only it can open.
    """
    folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    folder.chmod(PRIVATE_FOLDER)
    missing = [name for name in MAKERS if not (folder / name).is_file()]
    lost = [name for name in missing if name in IRREPLACEABLE]
    if lost and has_data:
        raise StartRefused(
            f"{folder} lacks {' and '.join(lost)}, but the installation has data that only this"
            " key opens.",
            "Put the file back from a backup. To begin anew, move the whole state folder away"
            " first.",
        )
    for name in missing:
        write_private(folder / name, MAKERS[name]())
    tightened = [name for name in MAKERS if tighten(folder / name)]
    parts = [f"{len(missing)} made" if missing else "in place"]
    if tightened:
        parts.append(f"closed to other users: {', '.join(tightened)}")
    return f"{', '.join(parts)} ({folder})"


def write_private(path: pathlib.Path, text: str) -> None:
    """Writes a new file of mode 600, whole or not at all, never through a foreign link."""
    temporary = path.with_name(f"{path.name}.new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)


def tighten(path: pathlib.Path) -> bool:
    """Sets mode 600 where the file was open to others, and says whether it was."""
    if stat.S_IMODE(path.stat().st_mode) == PRIVATE_FILE:
        return False
    path.chmod(PRIVATE_FILE)
    return True
