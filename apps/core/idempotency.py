"""
`Idempotency-Key` for every POST: the same key and body answer the first answer, another body is a
409. The store is named by the setting IDEMPOTENCY_STORE, for the kernel has no tables.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
from typing import Any, Protocol

from django.conf import settings
from django.utils.module_loading import import_string
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.errors import Invalid
from apps.core.permissions import Actor

HEADER = "Idempotency-Key"
KEY = re.compile(r"[\x21-\x7e]{1,200}")
# Headers of the first answer that belong to it, not to the request at hand.
KEPT_HEADERS = ("Content-Type", "Location", "ETag")


@dataclasses.dataclass(frozen=True)
class Answer:
    """What was answered the first time; `body` is the text as it was sent."""

    status: int
    headers: dict[str, str]
    body: str


class Claim(Protocol):
    """A key that is ours; exactly one of the two ends it."""

    def keep(self, answer: Answer) -> None: ...

    def drop(self) -> None: ...


class Store(Protocol):
    def claim(self, holder: str, key: str, digest: str) -> Claim | Answer:
        """
        Ours, or the answer that is there. Raises Refused: `idempotency.reused` for another body,
        `idempotency.in_progress`, or `idempotency.unknown` where the first one never ended.
        """
        ...


class Idempotent:
    """Mixin of views; `initial()` has authenticated before a key is looked at."""

    _claim: Claim | None = None

    def begin(self, request: Request, actor: Actor) -> Response | None:
        """The first answer when this is a repetition; else None, and the key is claimed."""
        key = request.headers.get(HEADER)
        if request.method != "POST" or key is None:
            return None
        if not KEY.fullmatch(key):
            text = f"{HEADER} is 1 to 200 visible ASCII characters."
            raise Invalid("idempotency.key", text, errors={HEADER: text})
        digest = hashlib.sha256()
        for part in (request.method, request.get_full_path(), request.content_type or ""):
            digest.update(part.encode() + b"\0")
        # Read before the parser: it then parses these very bytes.
        digest.update(request._request.body)  # noqa: SLF001 - DRF's documented way to the Django request
        store: Store = import_string(settings.IDEMPOTENCY_STORE)()
        found = store.claim(f"{actor.kind}:{actor.id}", key, digest.hexdigest())
        if isinstance(found, Answer):
            return Repeated(found)
        self._claim = found
        return None

    def end(self, response: Response) -> None:
        """Keeps the answer once it is rendered. A failure of ours is forgotten: try again."""
        claim, self._claim = self._claim, None
        if claim is None:
            return

        def keep(rendered: Any) -> None:
            if rendered.status_code >= 500:
                claim.drop()
                return
            headers = {name: rendered[name] for name in KEPT_HEADERS if name in rendered}
            claim.keep(Answer(rendered.status_code, headers, rendered.content.decode()))

        response.add_post_render_callback(keep)

    def forget(self) -> None:
        """For a bug on the way: nothing was answered."""
        claim, self._claim = self._claim, None
        if claim is not None:
            claim.drop()


class Repeated(Response):
    """The stored text as it was; no renderer touches it."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(status=answer.status, headers=answer.headers)
        self._body = answer.body
        self["Idempotency-Replayed"] = "true"

    @property
    def rendered_content(self) -> str:
        return self._body
