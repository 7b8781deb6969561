"""How a resource type says no. Every text has a message id, a reason and a way out."""

import dataclasses
from collections.abc import Mapping
from typing import Any


class ProviderError(Exception):
    """`str()` is `[code] reason Next: way out`, which the engine host takes apart again."""

    def __init__(self, code: str, reason: str, way_out: str = "") -> None:
        self.code = code
        self.reason = reason
        self.way_out = way_out
        super().__init__(f"[{code}] {reason}" + (f" Next: {way_out}" if way_out else ""))


class CanceledError(ProviderError):
    """The engine asked to stop, and nothing was made yet."""

    def __init__(self, what: str) -> None:
        super().__init__("run.canceled", f"{what} was canceled; nothing was left behind.")


class HalfMadeError(Exception):
    """The thing exists but is not as asked; it is recorded, and an update finishes it."""

    def __init__(self, outputs: Mapping[str, Any], *reasons: str) -> None:
        self.outputs = dict(outputs)
        self.reasons = list(reasons)
        super().__init__("; ".join(reasons))


@dataclasses.dataclass(frozen=True)
class Failure:
    """What `check` has against one input. `reason` may be the text of a ProviderError."""

    property: str
    reason: str
