"""Files that host, engine and program wrote themselves: masked in place once these are gone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import structlog

from apps.core.redaction import Redactor

log = structlog.get_logger(__name__)
PLAIN_LOGS = ("host.err", "stdout.log", "stderr.log", "program.log")


@contextlib.contextmanager
def redacted_afterwards(folder: Path, redactor: Redactor) -> Iterator[None]:
    """Whatever happens inside, no plain text of a secret stays in the folder's logs."""
    try:
        yield
    finally:
        for name in PLAIN_LOGS:
            for path in folder.rglob(name):
                _redact(path, redactor)


def _redact(path: Path, redactor: Redactor) -> None:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
        if redactor.spans(text):
            path.write_text(redactor.text(text), encoding="utf-8")
    except OSError as error:
        log.warning("log.not_redacted", file=path.name, reason=str(error))
