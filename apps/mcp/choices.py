"""What the operator wants of a server. What the prober found is monitoring's Health."""

from django.db import models


class Wish(models.TextChoices):
    ENABLED = "enabled", "Enabled"
    PAUSED = "paused", "Paused"
    DISABLED = "disabled", "Disabled"
    RETIRED = "retired", "Retired"

    @property
    def tone(self) -> str:
        return "ok" if self is Wish.ENABLED else "off"


class Era(models.TextChoices):
    UNKNOWN = "", "Unknown"
    MODERN = "modern", "2026-07-28"
    HANDSHAKE = "handshake", "Handshake"
