"""
Refusals and failures that people see.

    PortalError                 carries a message id, a sentence and the way out
    ├── Refused     409         the state of things says no
    │   └── Locked  423         frozen, or held by somebody
    ├── Forbidden   403         no right on a visible object
    ├── NotFound    404         unknown or invisible
    ├── Invalid     400         input nobody can use
    ├── Stale       412         If-Match failed
    ├── Unavailable 503         a part of ours does not answer
    └── OurFault    500         we broke

Every door shows the same text: fact, reason, way out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence


class PortalError(Exception):
    """
    `code` is the message id (`stack.busy`), `detail` fact and reason, `next_step` the way out.

    `blocked_by` names what blocks (`{"code", "detail", …}`); `errors` maps fields to sentences.
    """

    status = 500
    title = "The portal failed here"

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        next_step: str = "",
        blocked_by: Sequence[Mapping[str, object]] = (),
        errors: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{detail} {next_step}".strip())
        self.code = code
        self.detail = detail
        self.next_step = next_step
        self.blocked_by = list(blocked_by)
        self.errors = dict(errors or {})

    @property
    def text(self) -> str:
        return str(self)


class Refused(PortalError):
    status = 409
    title = "Refused"


class Locked(Refused):
    status = 423
    title = "Locked"


class Forbidden(PortalError):
    status = 403
    title = "No right"


class NotFound(PortalError):
    status = 404
    title = "Not found"


class Invalid(PortalError):
    status = 400
    title = "Input not usable"


class Stale(PortalError):
    status = 412
    title = "Stale"


class TooMany(PortalError):
    status = 429
    title = "Too many"


class Unavailable(PortalError):
    status = 503
    title = "Not at the moment"


class OurFault(PortalError):
    status = 500
