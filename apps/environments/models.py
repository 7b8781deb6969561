"""Places to deploy to, and their rules."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models

from apps.core.permissions import Actor
from apps.environments.choices import (
    Colour,
    Explained,
    Finding,
    Occasion,
    SettingKind,
    Tier,
)
from apps.environments.source_models import ProgramSource
from apps.environments.time_models import Freeze, NamedLock, Stop, Window

__all__ = [
    "BaseSetting",
    "Environment",
    "Explanation",
    "Freeze",
    "NamedLock",
    "Port",
    "ProgramSource",
    "Protection",
    "Secret",
    "Setting",
    "Stack",
    "Stop",
    "Validation",
    "Window",
]


class EnvironmentQuerySet(models.QuerySet["Environment"]):
    def visible_to(self, actor: Actor) -> EnvironmentQuerySet:
        slugs = actor.visible_environments()
        return self if slugs is None else self.filter(slug__in=slugs)


class Environment(models.Model):
    """A place with rules. `rank` orders promotion, lowest first."""

    slug = models.SlugField(max_length=50, unique=True)
    name = models.CharField(max_length=80)
    tier = models.CharField(max_length=12, choices=Tier.choices)
    rank = models.PositiveSmallIntegerField(unique=True)
    colour = models.CharField(max_length=8, choices=Colour.choices)
    description = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = EnvironmentQuerySet.as_manager()

    class Meta:
        ordering = ["rank"]
        constraints = [
            models.CheckConstraint(
                name="crimson_is_for_production",
                condition=models.Q(tier="production", colour="crimson")
                | (~models.Q(tier="production") & ~models.Q(colour="crimson")),
            )
        ]

    def __str__(self) -> str:
        return self.slug

    @property
    def is_production(self) -> bool:
        return self.tier == Tier.PRODUCTION


class Stack(models.Model):
    """Pulumi's stack of one environment."""

    environment = models.OneToOneField(Environment, models.CASCADE, related_name="stack")
    project = models.CharField(
        max_length=100, default="orchestra", validators=[RegexValidator(r"^[A-Za-z0-9_.-]+$")]
    )
    # Empty: the installation's PULUMI_BACKEND_URL.
    backend_url = models.CharField(max_length=300, blank=True)
    # As the last run wrote it to Pulumi.<stack>.yaml; public by nature.
    encryption_salt = models.CharField(max_length=200, blank=True)

    def __str__(self) -> str:
        return f"{self.project}/{self.environment.slug}"


class Setting(models.Model):
    """One typed setting; a key of the program's configuration without its namespace."""

    environment = models.ForeignKey(Environment, models.CASCADE, related_name="settings")
    key = models.CharField(max_length=80, validators=[RegexValidator(r"^[a-z][a-z0-9_.]*$")])
    kind = models.CharField(max_length=10, choices=SettingKind.choices)
    value = models.JSONField(blank=True)
    # Why it differs from other environments; shown in the matrix.
    note = models.CharField(max_length=200, blank=True)
    changed_at = models.DateTimeField(auto_now=True)
    changed_by = models.CharField(max_length=150, blank=True)
    changed_by_id = models.BigIntegerField(null=True, blank=True)

    class Meta:
        ordering = ["key"]
        constraints = [models.UniqueConstraint(fields=["environment", "key"], name="setting_once")]

    def __str__(self) -> str:
        return f"{self.environment.slug}: {self.key}"


class BaseSetting(models.Model):
    """One setting that every environment inherits; its own goes over it."""

    key = models.CharField(
        max_length=80, unique=True, validators=[RegexValidator(r"^[a-z][a-z0-9_.]*$")]
    )
    kind = models.CharField(max_length=10, choices=SettingKind.choices)
    value = models.JSONField(blank=True)
    note = models.CharField(max_length=200, blank=True)
    changed_at = models.DateTimeField(auto_now=True)
    changed_by = models.CharField(max_length=150, blank=True)
    changed_by_id = models.BigIntegerField(null=True, blank=True)

    class Meta:
        ordering = ["key"]

    def __str__(self) -> str:
        return f"base: {self.key}"


class Secret(models.Model):
    """
    One version of one secret: write-only, sealed for this very row. The highest version is the
    one in use.
    """

    environment = models.ForeignKey(Environment, models.CASCADE, related_name="secrets")
    key = models.CharField(max_length=80, validators=[RegexValidator(r"^[a-z][a-z0-9_.]*$")])
    version = models.PositiveIntegerField()
    sealed = models.TextField()
    # HMAC under the installation's key: finds the same secret in two environments without opening.
    fingerprint = models.CharField(max_length=64, db_index=True)
    set_at = models.DateTimeField(auto_now_add=True)
    set_by = models.CharField(max_length=150, blank=True)
    set_by_id = models.BigIntegerField(null=True, blank=True)
    rotation_due_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["key", "-version"]
        constraints = [
            models.UniqueConstraint(
                fields=["environment", "key", "version"], name="secret_version_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.environment.slug}: {self.key} version {self.version}"


class Port(models.Model):
    """Who may listen where. Unique by host, protocol and port, whatever the environment."""

    environment = models.ForeignKey(
        Environment, models.CASCADE, null=True, blank=True, related_name="ports"
    )
    host = models.CharField(max_length=100, default="127.0.0.1")
    protocol = models.CharField(
        max_length=3, choices=[("tcp", "TCP"), ("udp", "UDP")], default="tcp"
    )
    port = models.PositiveIntegerField(validators=[MinValueValidator(1), MaxValueValidator(65535)])
    # What listens there: an MCP server's name, `portal`, `platform front end`.
    owner = models.CharField(max_length=80)
    note = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["host", "port"]
        constraints = [
            models.UniqueConstraint(fields=["host", "protocol", "port"], name="port_once")
        ]

    def __str__(self) -> str:
        return f"{self.host}:{self.port}/{self.protocol}"


class Protection(models.Model):
    """What a change to this environment needs."""

    environment = models.OneToOneField(Environment, models.CASCADE, related_name="protection")
    required_approvals = models.PositiveSmallIntegerField(default=0)
    allowed_branches = models.JSONField(default=list, blank=True)
    required_evidence = models.JSONField(default=list, blank=True)
    verified_in = models.JSONField(default=list, blank=True)
    typed_confirmation = models.BooleanField(default=False)
    soak_minutes = models.PositiveIntegerField(default=0)
    approval_hours = models.PositiveSmallIntegerField(default=24)
    automatic_rollback = models.BooleanField(default=False)
    # Minutes between two looks for drift; 0: nobody looks by the clock.
    drift_minutes = models.PositiveIntegerField(default=15)
    drift_correction = models.BooleanField(default=False)

    def __str__(self) -> str:
        return f"protection of {self.environment.slug}"


class Validation(models.Model):
    """
    What one validation found, of an environment or (without one) of the installation. `items` are
    lines of `{"code", "what", "status", "detail", "next_step", "why", "others"}`; never changed
    afterwards.
    """

    environment = models.ForeignKey(
        Environment, models.CASCADE, null=True, blank=True, related_name="validations"
    )
    at = models.DateTimeField(auto_now_add=True)
    by = models.CharField(max_length=150)
    occasion = models.CharField(max_length=10, choices=Occasion.choices, default=Occasion.ASKED)
    status = models.CharField(max_length=10, choices=Finding.choices)
    items = models.JSONField(default=list)

    class Meta:
        ordering = ["-pk"]
        indexes = [models.Index(fields=["environment", "-id"], name="validation_newest")]

    def __str__(self) -> str:
        return f"validation of {self.environment.slug if self.environment else 'the setup'}"

    @property
    def state(self) -> Finding:
        return Finding(self.status)


class Explanation(models.Model):
    """
    Why something that looks wrong in one environment is meant. It holds for the values it was
    given for: `digest` is keyed and covers them, and when one of them moves it counts no more.
    """

    environment = models.ForeignKey(Environment, models.CASCADE, related_name="explanations")
    kind = models.CharField(max_length=10, choices=Explained.choices)
    # The place in the matrix: `mcp.git.package`, `secrets.api_key`, `protection.allowed_branches`.
    key = models.CharField(max_length=200, blank=True)
    # What else it is about: the other environment of a sharing, the host that is production's.
    subject = models.CharField(max_length=300, blank=True)
    digest = models.CharField(max_length=64)
    note = models.CharField(max_length=300)
    by = models.CharField(max_length=150)
    by_id = models.BigIntegerField(null=True, blank=True)
    at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["environment__rank", "key"]
        constraints = [
            models.UniqueConstraint(
                fields=["environment", "kind", "key", "subject"], name="explained_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.environment.slug}: {self.key}"
