"""What is asked and what was found."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from apps.core.addresses import PUBLIC_ONLY, Rules
from apps.monitoring.choices import Health

HIDDEN = "•••"


@dataclasses.dataclass(frozen=True)
class Look:
    """
    One look at one check. `time_limit` in seconds; `memory` is what earlier looks learned, `rules`
    what may be reached, `secrets` the values of the secrets its parameters name, `facts` what the
    portal knows already. `at` is the moment at which it begins (seconds since the epoch); one that
    has passed is at once.
    """

    check_id: int
    kind: str
    parameters: dict[str, Any]
    time_limit: float = 5.0
    memory: dict[str, Any] = dataclasses.field(default_factory=dict)
    rules: Rules = PUBLIC_ONLY
    secrets: Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False)
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    at: float = 0.0


@dataclasses.dataclass
class Finding:
    """
    `code` is the class of what was found (`refused`, `rate_limited`), `reason` says what is so and
    what to do next. `steps` is the ladder of the probe, each `{"step", "passed", "ms", "detail"}`;
    `latency_ms` the time to the answer, `wait` the seconds the watched thing asked us to stay away,
    `refused` why a rule forbade a connection. `tools` is a complete listing, None when this look
    made none. `ended` is when the look was over (seconds since the epoch).
    """

    found: Health = Health.UNKNOWN
    reason: str = ""
    code: str = ""
    latency_ms: float | None = None
    steps: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    memory: dict[str, Any] = dataclasses.field(default_factory=dict)
    wait: float = 0.0
    refused: str = ""
    tools: dict[str, dict[str, Any]] | None = None
    began: float = dataclasses.field(default_factory=time.monotonic)
    ended: float = dataclasses.field(default_factory=time.time)

    def keep_secret(self, values: Iterable[str]) -> None:
        """Takes values of secrets out of every text, should a watched thing have echoed one."""
        for value in filter(None, values):
            self.reason = self.reason.replace(value, HIDDEN)
            for step in self.steps:
                step["detail"] = str(step["detail"]).replace(value, HIDDEN)

    def conclude(self, found: Health, reason: str = "", code: str = "") -> Finding:
        self.found, self.reason, self.code = found, cut(reason, 300), code
        return self

    def elapsed_ms(self) -> float:
        return round((time.monotonic() - self.began) * 1000, 1)

    @contextmanager
    def step(self, name: str) -> Iterator[dict[str, Any]]:
        """Times one rung. The rung passed unless the block raises or says otherwise."""
        rung: dict[str, Any] = {"step": name, "passed": True, "ms": 0.0, "detail": ""}
        self.steps.append(rung)
        began = time.monotonic()
        try:
            yield rung
        except BaseException:
            rung["passed"] = False
            raise
        finally:
            rung["ms"] = round((time.monotonic() - began) * 1000, 1)


def cut(text: str, length: int = 200) -> str:
    """Untrusted text in one line: control characters shown, nothing longer than `length`."""
    shown = "".join(char if char.isprintable() else "␛" for char in text)
    return shown if len(shown) <= length else f"{shown[: length - 1]}…"
