"""
The passphrase secrets of a stack: salt text, key, ciphertext, memory of what was opened.

The key costs about a quarter of a second (PBKDF2 with a million rounds), so it is derived at most
once per salt and process, and only when something has to be verified, opened or sealed.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.embedded_engine.errors import EngineError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

ROUNDS = 1_000_000
WITNESS = "pulumi"  # its ciphertext in the salt text tells a right passphrase from a wrong one
SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = {SIGNATURE: "1b47061264138c4ac30d75fd1eb44270"}  # marks a secret in state, plan and wire
NAME, FILE = "PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"
LOCKED = (
    "failed to decrypt: incorrect passphrase, please set PULUMI_CONFIG_PASSPHRASE to the correct "
    "passphrase or set PULUMI_CONFIG_PASSPHRASE_FILE to a file containing the passphrase"
)


class PassphraseError(EngineError):
    """Missing or wrong."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"getting stack configuration: get stack secrets manager: {reason}")


def read_passphrase(environ: Mapping[str, str]) -> str:
    """The passphrase of the environment, which may be empty; PassphraseError when there is none."""
    if NAME in environ:
        return environ[NAME]
    if not environ.get(FILE):
        raise PassphraseError(f"passphrase must be set with {NAME} or {FILE} environment variables")
    try:
        return Path(environ[FILE]).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise PassphraseError(f"unable to read {FILE}: {error}") from error


class Secrets:
    """
    Seals and opens texts under one salt and passphrase.

    `context` names the place of a secret (a configuration key, a URN). A text that was opened in a
    place and is sealed there again keeps its ciphertext: an unchanged secret leaves the file
    unchanged, and equal secrets of different places do not show that they are equal.
    """

    def __init__(self, salt: str, passphrase: str) -> None:
        self.salt = str(salt)  # a damaged file may hold anything in its place
        self._passphrase = passphrase
        self._verified = False
        self._sealed: dict[tuple[str, str], str] = {}
        self._opened: dict[str, str] = {}

    @classmethod
    def new(cls, passphrase: str) -> Secrets:
        raw = os.urandom(8)
        witness = _seal(_cipher(passphrase, raw), WITNESS)
        return cls(f"v1:{base64.b64encode(raw).decode()}:{witness}", passphrase)

    def verify(self) -> None:
        """PassphraseError when the passphrase does not open this salt text."""
        if self._verified:
            return
        try:
            version, _, witness = self.salt.split(":", 2)
            self._verified = version == "v1" and _open(self._aes(), witness) == WITNESS
        except _WrongKeyError:
            self._verified = False
        except ValueError as error:
            raise PassphraseError("the encryption salt of the stack is malformed") from error
        if not self._verified:
            raise PassphraseError("incorrect passphrase")

    def encrypt(self, text: str, context: str = "") -> str:
        """Ciphertext `v1:<nonce>:<data>`; the one opened in this context if it says the same."""
        self.verify()
        key = (context, text)
        if key not in self._sealed:
            self._sealed[key] = _seal(self._aes(), text)
        return self._sealed[key]

    def decrypt(self, ciphertext: str, context: str = "") -> str:
        """PassphraseError on a wrong passphrase, EngineError on ciphertext of another key."""
        self.verify()
        ciphertext = str(ciphertext)  # a damaged file may hold anything in its place
        if ciphertext not in self._opened:
            try:
                self._opened[ciphertext] = _open(self._aes(), ciphertext)
            except ValueError as error:
                place = f" of {context}" if context else ""
                raise EngineError(f"failed to decrypt the secret{place}: {error}") from error
        text = self._opened[ciphertext]
        self._sealed.setdefault((context, text), ciphertext)
        return text

    def _aes(self) -> AESGCM:
        salt = base64.b64decode(self.salt.split(":", 2)[1], validate=True)
        return _cipher(self._passphrase, salt)


def replaced(value: Any, wanted: Callable[[Any], bool], change: Callable[[Any], Any]) -> Any:
    """JSON with every part that is wanted, at any depth, replaced by what `change` makes of it."""
    if wanted(value):
        return change(value)
    if isinstance(value, dict):
        return {key: replaced(item, wanted, change) for key, item in value.items()}
    return [replaced(i, wanted, change) for i in value] if isinstance(value, list) else value


def map_secrets(value: Any, change: Callable[[dict[str, Any]], Any]) -> Any:
    mark = SECRET[SIGNATURE]
    return replaced(value, lambda v: isinstance(v, dict) and v.get(SIGNATURE) == mark, change)


class _WrongKeyError(ValueError):
    """The key does not open the ciphertext."""


@functools.cache
def _cipher(passphrase: str, salt: bytes) -> AESGCM:
    try:
        from cryptography.hazmat.primitives.ciphers import aead  # noqa: PLC0415 - 70 ms
    except ImportError as error:
        raise EngineError("no secret can be read: install the package cryptography") from error
    return aead.AESGCM(hashlib.pbkdf2_hmac("sha256", passphrase.encode(), salt, ROUNDS, 32))


def _seal(aes: AESGCM, text: str) -> str:
    nonce = os.urandom(12)
    data = aes.encrypt(nonce, text.encode(), None)
    return f"v1:{base64.b64encode(nonce).decode()}:{base64.b64encode(data).decode()}"


def _open(aes: AESGCM, ciphertext: str) -> str:
    """ValueError when the text is no ciphertext of this key."""
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - see _cipher

    version, nonce, data = ciphertext.split(":")
    if version != "v1":
        raise ValueError(f"unknown version {version}")
    try:
        return aes.decrypt(base64.b64decode(nonce), base64.b64decode(data), None).decode()
    except InvalidTag as error:
        raise _WrongKeyError("incorrect passphrase") from error
