"""MCP servers and what they offer."""

from __future__ import annotations

from django.db import models

from apps.core.permissions import Actor
from apps.environments.models import Environment
from apps.mcp.choices import Era, Wish
from apps.monitoring.choices import Health
from apps.monitoring.models import Check


class McpServerQuerySet(models.QuerySet["McpServer"]):
    def visible_to(self, actor: Actor) -> McpServerQuerySet:
        slugs = actor.visible_environments()
        return self if slugs is None else self.filter(environment__slug__in=slugs)


class McpServer(models.Model):
    """One server in one environment. Health lives on its check, never here."""

    environment = models.ForeignKey(Environment, models.CASCADE, related_name="mcp_servers")
    slug = models.SlugField(max_length=110, unique=True)  # <environment>-<name>
    name = models.CharField(max_length=50)
    role = models.CharField(max_length=30, blank=True)
    wish = models.CharField(max_length=8, choices=Wish.choices, default=Wish.ENABLED)
    url = models.CharField(max_length=300)
    port = models.PositiveIntegerField()
    transport = models.CharField(max_length=20, default="streamable_http")
    process = models.CharField(max_length=100, blank=True)
    package = models.CharField(max_length=120, blank=True)
    package_version = models.CharField(max_length=40, blank=True)
    ecosystem = models.CharField(max_length=10, blank=True)
    # Learned by the prober.
    era = models.CharField(max_length=10, choices=Era.choices, blank=True, default="")
    protocol_version = models.CharField(max_length=20, blank=True)
    server_name = models.CharField(max_length=120, blank=True)
    server_version = models.CharField(max_length=60, blank=True)
    capabilities = models.JSONField(default=dict, blank=True)
    inventory_at = models.DateTimeField(null=True, blank=True)
    # Last deployment that holds it; null once a destroy removed it.
    deployed_by_run = models.BigIntegerField(null=True, blank=True)
    check_row = models.OneToOneField(
        Check, models.SET_NULL, null=True, blank=True, related_name="mcp_server"
    )
    registered_at = models.DateTimeField(auto_now_add=True)

    objects = McpServerQuerySet.as_manager()

    class Meta:
        ordering = ["environment", "port"]
        constraints = [models.UniqueConstraint(fields=["environment", "name"], name="server_once")]
        indexes = [
            models.Index(fields=["wish", "-id"], name="server_by_wish"),
            models.Index(fields=["role", "-id"], name="server_by_role"),
            models.Index(fields=["era", "-id"], name="server_by_era"),
            models.Index(fields=["port", "-id"], name="server_by_port"),
        ]

    def __str__(self) -> str:
        return self.slug

    @property
    def wished(self) -> Wish:
        """The wish with its word and tone."""
        return Wish(self.wish)

    @property
    def words(self) -> str:
        """How fast a healthy one answered, else what was found."""
        watch = self.check_row
        if self.health == Health.HEALTHY and watch and watch.latency_ms is not None:
            return f"{watch.latency_ms:.0f} ms"
        return self.health.label

    @property
    def health(self) -> Health:
        """What the prober found; unknown where nobody looks."""
        return self.check_row.state if self.check_row else Health.UNKNOWN


class ToolDefinition(models.Model):
    """One tool as the server last described it; the definition is the raw JSON."""

    server = models.ForeignKey(McpServer, models.CASCADE, related_name="tools")
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    definition = models.JSONField()
    digest = models.CharField(max_length=64)
    first_seen_at = models.DateTimeField(auto_now_add=True)
    last_seen_at = models.DateTimeField()

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["server", "name"], name="tool_once")]

    def __str__(self) -> str:
        return self.name
