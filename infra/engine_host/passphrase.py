"""
Pulumi's passphrase secrets: the key, the salt text and the ciphertext, made without a CLI.

Ciphertext: `v1:<nonce>:<AES-256-GCM output with its tag>`, base64. Salt text: `v1:<salt>:`
followed by the
ciphertext of the word "pulumi", by which a wrong passphrase is found out.
"""

import base64
import binascii
import hashlib
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

ROUNDS = 1_000_000
SALT_BYTES = 8
NONCE_BYTES = 12
PROOF = b"pulumi"


class WrongPassphraseError(Exception):
    """The passphrase does not open this salt."""


class Encrypter:
    """Encrypts with one passphrase and salt. The key takes about 0.3 s and is made once."""

    def __init__(self, passphrase: str, salt_text: str | None = None) -> None:
        """Raises WrongPassphraseError when the salt text was made with another passphrase."""
        salt, proof = _split(salt_text) if salt_text else (os.urandom(SALT_BYTES), None)
        key = hashlib.pbkdf2_hmac("sha256", passphrase.encode(), salt, ROUNDS, 32)
        self._cipher = AESGCM(key)
        if proof is None:
            encoded = base64.b64encode(salt).decode()
            self.salt_text = f"v1:{encoded}:{self.encrypt(PROOF.decode())}"
            return
        self.salt_text = salt_text or ""
        try:
            right = self._decrypt(proof) == PROOF
        except InvalidTag:
            right = False
        if not right:
            raise WrongPassphraseError("The passphrase does not open the stack's secrets.")

    def encrypt(self, text: str) -> str:
        nonce = os.urandom(NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, text.encode(), None)
        return f"v1:{base64.b64encode(nonce).decode()}:{base64.b64encode(sealed).decode()}"

    def decrypt(self, ciphertext: str) -> str:
        """Raises WrongPassphraseError for a ciphertext of another key."""
        try:
            return self._decrypt(ciphertext).decode()
        except (InvalidTag, ValueError) as error:
            raise WrongPassphraseError(
                "The ciphertext was not made with this passphrase and salt."
            ) from error

    def _decrypt(self, ciphertext: str) -> bytes:
        version, nonce, sealed = ciphertext.split(":")
        if version != "v1":
            raise ValueError(f"unknown ciphertext version {version}")
        return self._cipher.decrypt(base64.b64decode(nonce), base64.b64decode(sealed), None)


def _split(salt_text: str) -> tuple[bytes, str]:
    try:
        version, salt, proof = salt_text.split(":", 2)
        decoded = base64.b64decode(salt, validate=True)
    except (ValueError, binascii.Error) as error:
        raise WrongPassphraseError("The stack's encryption salt is malformed.") from error
    if version != "v1":
        raise WrongPassphraseError(f"The stack's encryption salt has unknown version {version!r}.")
    return decoded, proof
