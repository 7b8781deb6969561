"""How far the stream has come."""

from __future__ import annotations

from apps.core.remembering import once
from apps.live.models import Message


@once
def last_sequence() -> int:
    """
    The newest message: what a page opened now has seen. Within one page the first answer counts, so
    that nothing falls between its parts.
    """
    return Message.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
