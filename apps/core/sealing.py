"""AES-256-GCM under the installation's key ring: `<key id>:<base64 of nonce and ciphertext>`."""

from __future__ import annotations

import base64
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

from apps.core.errors import OurFault

NONCE = 12


def seal(text: str, identity: str) -> str:
    """
    Encrypts under the newest key. `identity` names the row (`secret:production:api_key:3`) and is
    bound as additional data, so a ciphertext copied to another row does not open.
    """
    key_id, key = list(settings.FIELD_KEYS.items())[-1]
    nonce = os.urandom(NONCE)
    box = AESGCM(key).encrypt(nonce, text.encode(), identity.encode())
    return f"{key_id}:{base64.b64encode(nonce + box).decode()}"


def unseal(sealed: str, identity: str) -> str:
    """Opens what `seal` made for the same identity. Raises OurFault (`secret.sealed`) otherwise."""
    key_id, _, text = sealed.partition(":")
    try:
        raw = base64.b64decode(text, validate=True)
        opened = AESGCM(settings.FIELD_KEYS[key_id]).decrypt(
            raw[:NONCE], raw[NONCE:], identity.encode()
        )
        return opened.decode()
    except (KeyError, ValueError, InvalidTag) as error:
        raise OurFault(
            "secret.sealed",
            f"A stored secret does not open with this installation's keys (key {key_id}).",
            next_step="Put the field_keys file of this database back, or set the secret again.",
        ) from error
