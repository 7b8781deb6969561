"""Tiers, colours, kinds of settings."""

from __future__ import annotations

from django.db import models


class Tier(models.TextChoices):
    DEVELOPMENT = "development", "Development"
    INTEGRATION = "integration", "Integration"
    STAGING = "staging", "Staging"
    PRODUCTION = "production", "Production"


class Colour(models.TextChoices):
    """The palette of `static/portal/css/tokens.css`; crimson is kept for tier production."""

    TEAL = "teal", "Teal, circle"
    VIOLET = "violet", "Violet, triangle"
    BRONZE = "bronze", "Bronze, square"
    CRIMSON = "crimson", "Crimson, octagon"
    OLIVE = "olive", "Olive, diamond"
    SLATE = "slate", "Slate, hexagon"


class SettingKind(models.TextChoices):
    TEXT = "text", "Text"
    NUMBER = "number", "Number"
    FLAG = "flag", "Yes or no"
    STRUCTURE = "structure", "Structure"


class Layer(models.TextChoices):
    DATABASE = "database", "Database"
    MCP = "mcp", "MCP servers"
    GPU = "gpu", "GPU pool"
    MONITORING = "monitoring", "Monitoring"


class Finding(models.TextChoices):
    """
    What one look of a validation found. `failed` blocks a deployment, `warning` is shown on its
    plan; `unknown` could not be looked at, `skipped` does not concern this environment.
    """

    PASSED = "passed", "Passed"
    WARNING = "warning", "Warning"
    FAILED = "failed", "Failed"
    UNKNOWN = "unknown", "Unknown"
    SKIPPED = "skipped", "Not here"

    @property
    def tone(self) -> str:
        return FINDING_TONES[self]


FINDING_TONES = {
    Finding.PASSED: "ok",
    Finding.WARNING: "warn",
    Finding.FAILED: "bad",
    Finding.UNKNOWN: "unknown",
    Finding.SKIPPED: "off",
}
# What needs an eye first.
WORST_FIRST = (
    Finding.FAILED,
    Finding.UNKNOWN,
    Finding.WARNING,
    Finding.PASSED,
    Finding.SKIPPED,
)


class Occasion(models.TextChoices):
    """Why an environment was validated."""

    ASKED = "asked", "Asked for"
    PLAN = "plan", "Before a plan"
    UPDATE = "update", "Before an update"
    SETUP = "setup", "Setup"
    READINESS = "readiness", "Ready for production"


class EvidenceKind(models.TextChoices):
    """What the rules of an environment may ask for, of every revision that goes there."""

    TESTS = "tests", "Tests"
    CODE_REVIEW = "code_review", "Code review"
    SECURITY_REVIEW = "security_review", "Security review"
    DOCUMENTATION = "documentation", "Documentation"
    PERFORMANCE = "performance", "Performance"


class Origin(models.TextChoices):
    """Where a setting's value comes from."""

    OWN = "own", "Own"
    BASE = "base", "From base"
    BOTH = "both", "Own over base"


class Explained(models.TextChoices):
    """What an explanation is about."""

    DIFFERENCE = "difference", "A difference"
    SHARING = "sharing", "Used by two environments"
    PRODUCTION = "production", "Production's, in a lower environment"


class PortState(models.TextChoices):
    """What is at an allocated port now."""

    FREE = "free", "Free"
    OWN = "own", "Held by its own"
    HELD = "held", "Held"
    FOREIGN = "foreign", "Held by a stranger"
    ELSEWHERE = "elsewhere", "Not on this host"
    UNKNOWN = "unknown", "Unknown"

    @property
    def tone(self) -> str:
        return {"own": "ok", "held": "ok", "foreign": "bad", "free": "off"}.get(self, "unknown")
