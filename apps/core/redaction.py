"""
Masks known secrets in any text, in one pass: Aho-Corasick over their raw, base64, URL- and
JSON-escaped forms. Text may come in pieces: `Stream` holds back what could be the beginning of a
secret until the next piece tells.
"""

from __future__ import annotations

import base64
import json
import urllib.parse
from collections.abc import Iterable
from typing import Any

import ahocorasick

MASK = "••••••••"
# A shorter "secret" would mask half the words of a log.
SHORTEST = 4


def forms(secret: str) -> set[str]:
    """Every spelling of a secret that is looked for."""
    raw = secret.encode()
    spellings = {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    spellings |= {urllib.parse.quote(secret, safe=""), urllib.parse.quote_plus(secret)}
    # In a path the slash stays as it is.
    spellings.add(urllib.parse.quote(secret))
    for shift in range(3):
        # Base64 of a longer text that holds the secret: the inner characters depend on the
        # position modulo three, the outermost ones on the neighbours, so these are left out.
        text = base64.b64encode(b"\0" * shift + raw).decode().rstrip("=")
        start = (0, 2, 3)[shift]
        end = len(text) - (1 if (len(raw) + shift) % 3 else 0)
        inner = text[start:end]
        spellings |= {inner, inner.replace("+", "-").replace("/", "_")}
    return {spelling for spelling in spellings if len(spelling) >= SHORTEST}


class Redactor:
    """Masks the given secrets. Built once for a run; safe to share between threads."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._automaton = ahocorasick.Automaton()
        self.longest = 0
        for secret in secrets:
            for line in {secret, *secret.splitlines()}:
                for spelling in forms(line) if len(line) >= SHORTEST else ():
                    self._automaton.add_word(spelling, len(spelling))
                    self.longest = max(self.longest, len(spelling))
        if self.longest:
            self._automaton.make_automaton()

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Merged (start, end) of every hit."""
        if not self.longest:
            return []
        merged: list[tuple[int, int]] = []
        hits = sorted((end - size + 1, end + 1) for end, size in self._automaton.iter(text))
        for start, end in hits:
            if merged and start <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(merged[-1][1], end))
            else:
                merged.append((start, end))
        return merged

    def text(self, text: str) -> str:
        """The text with every hit replaced by the mask."""
        parts, last = [], 0
        for start, end in self.spans(text):
            parts += [text[last:start], MASK]
            last = end
        return "".join([*parts, text[last:]])

    def value(self, value: Any) -> Any:
        """The same for a JSON value: texts and keys, at any depth."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(str(key)): self.value(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.value(item) for item in value]
        return value

    def stream(self) -> Stream:
        return Stream(self)


class Stream:
    """Redacts a text that comes in pieces; a secret across a border is still masked."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._held = ""

    def feed(self, piece: str) -> str:
        """What of the text so far is safe to pass on."""
        text = self._held + piece
        cut = max(0, len(text) - max(0, self._redactor.longest - 1))
        for start, end in self._redactor.spans(text):
            if start < cut < end:
                cut = start
        self._held = text[cut:]
        return self._redactor.text(text[:cut])

    def close(self) -> str:
        held, self._held = self._held, ""
        return self._redactor.text(held)
