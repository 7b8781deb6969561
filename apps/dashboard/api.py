"""
Environments over REST. What is shown of one comes from every storey below, so the reading stands up
here; what changes one stands where its verbs are.
"""

from __future__ import annotations

import functools
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.core.api import ReadOnlyViewSet
from apps.dashboard.facts import Facts, facts_of
from apps.deployments.choices import DriftStatus
from apps.environments.models import Environment

RULES = (
    "required_approvals",
    "allowed_branches",
    "required_evidence",
    "verified_in",
    "typed_confirmation",
    "soak_minutes",
    "approval_hours",
    "automatic_rollback",
    "drift_minutes",
    "drift_correction",
)


class DriftSerializer(serializers.Serializer[Any]):
    """`changes` counts resources by operation; `run` found them, `looking` looks right now."""

    status = serializers.ChoiceField(choices=DriftStatus.choices)
    checked_at = serializers.DateTimeField(allow_null=True)
    changes = serializers.DictField(child=serializers.IntegerField())
    run = serializers.IntegerField(allow_null=True)
    looking = serializers.IntegerField(allow_null=True)


class EnvironmentSerializer(serializers.ModelSerializer[Environment]):
    """One environment with what runs there now and how it is."""

    status = serializers.SerializerMethodField()
    layers = serializers.SerializerMethodField()
    protections = serializers.SerializerMethodField()
    current_revision = serializers.SerializerMethodField()
    current_deployment = serializers.SerializerMethodField()
    drift = serializers.SerializerMethodField()
    health = serializers.SerializerMethodField()
    frozen = serializers.SerializerMethodField()
    links = serializers.SerializerMethodField()

    class Meta:
        model = Environment
        fields = [
            "slug",
            "name",
            "tier",
            "rank",
            "colour",
            "status",
            "layers",
            "protections",
            "current_revision",
            "current_deployment",
            "drift",
            "health",
            "frozen",
            "links",
        ]

    @functools.cached_property
    def facts(self) -> dict[int, Facts]:
        """Of every environment that this answer shows: read once, not once for each."""
        shown = self.root.instance
        return facts_of([shown] if isinstance(shown, Environment) else list(shown or ()))

    @extend_schema_field(serializers.CharField())
    def get_status(self, row: Environment) -> str:
        """The status of the deployment under way, else `free`."""
        now = self.facts[row.pk].open
        return str(now.status) if now else "free"

    @extend_schema_field(serializers.DictField())
    def get_layers(self, row: Environment) -> dict[str, Any]:
        values = self.facts[row.pk].values
        fleet = values.get("mcp") or {}
        files = values.get("monitoring") or {}
        return {
            "database": (values.get("database") or {}).get("kind"),
            "mcp": [server.get("name") for server in fleet.get("servers", [])]
            if values.get("mcp_enabled")
            else [],
            "gpu": values.get("gpu_instance_type"),
            "monitoring": [
                name for name in ("prometheus", "alertmanager", "grafana") if files.get(name)
            ],
        }

    @extend_schema_field(serializers.DictField())
    def get_protections(self, row: Environment) -> dict[str, Any]:
        return {name: getattr(row.protection, name) for name in RULES}

    @extend_schema_field(serializers.DictField(allow_null=True))
    def get_current_revision(self, row: Environment) -> dict[str, Any] | None:
        """What runs there now; null where nothing was deployed, or it is destroyed."""
        last = self.facts[row.pk].last
        return dict(last.revision) if last else None

    @extend_schema_field(serializers.IntegerField(allow_null=True))
    def get_current_deployment(self, row: Environment) -> int | None:
        last = self.facts[row.pk].last
        return last.pk if last else None

    @extend_schema_field(DriftSerializer)
    def get_drift(self, row: Environment) -> dict[str, Any]:
        """What the last look found; `unknown` where nobody looked since the last update."""
        found = self.facts[row.pk].drift
        return {
            "status": found.status.value,
            "checked_at": found.checked_at,
            "changes": found.counts,
            "run": found.looked.pk if found.looked else None,
            "looking": found.looking.pk if found.looking else None,
        }

    @extend_schema_field(serializers.DictField())
    def get_health(self, row: Environment) -> dict[str, Any]:
        facts = self.facts[row.pk]
        return {
            "status": facts.health.value,
            "reason": facts.worst.health_reason if facts.worst else "Nothing is watched here yet.",
            "since": facts.worst.health_since if facts.worst else None,
        }

    @extend_schema_field(serializers.DictField(allow_null=True))
    def get_frozen(self, row: Environment) -> dict[str, Any] | None:
        found = self.facts[row.pk].freeze
        if found is None:
            return None
        freeze, period = found
        return {
            "id": freeze.pk,
            "by": freeze.created_by,
            "reason": freeze.reason,
            "since": period.start,
            "until": period.end,
        }

    @extend_schema_field(serializers.DictField())
    def get_links(self, row: Environment) -> dict[str, str]:
        base = f"/api/v1/environments/{row.slug}/"
        return {
            "self": base,
            "settings": f"{base}settings/",
            "secrets": f"{base}secrets/",
            "deployments": f"/api/v1/deployments/?environment={row.slug}",
            "page": f"/admin/environments/{row.slug}/",
        }


class EnvironmentViewSet(ReadOnlyViewSet[Environment]):
    """Environments by rank; those that the actor may not see are not there."""

    queryset = Environment.objects.select_related("stack", "protection")
    serializer_class = EnvironmentSerializer
    lookup_field = "slug"
    filters = {"tier": "tier"}
    orderings = ("id", "rank")
