"""The REST shapes of deployments, runs and events (contract, version 1)."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apps.core.api import Input, actor_of
from apps.deployments import approvals, reading, validating
from apps.deployments.choices import Kind
from apps.deployments.evidence import standing
from apps.deployments.identity import identity_of, rejection_of
from apps.deployments.models import Deployment, Run, RunEvent


class RunSerializer(serializers.ModelSerializer[Run]):
    environment = serializers.CharField(source="stack.environment.slug")
    engine = serializers.SerializerMethodField()
    exit = serializers.SerializerMethodField()
    duration = serializers.SerializerMethodField()
    links = serializers.SerializerMethodField()

    class Meta:
        model = Run
        fields = [
            "id",
            "deployment",
            "environment",
            "operation",
            "status",
            "engine",
            "requested_by",
            "requested_at",
            "started_at",
            "finished_at",
            "duration",
            "exit",
            "changes",
            "outputs",
            "drift",
            "pending_operations",
            "last_sequence",
            "links",
        ]

    def get_engine(self, run: Run) -> dict[str, str]:
        return {"name": run.engine_name, "version": run.engine_version}

    def get_exit(self, run: Run) -> dict[str, Any]:
        return {
            "code": run.exit_message_id,
            "reason": run.exit_reason,
            "next_step": run.exit_next_step,
            "status": run.exit_code,
        }

    def get_duration(self, run: Run) -> float | None:
        return reading.duration(run)

    def get_links(self, run: Run) -> dict[str, str]:
        place = f"/api/v1/runs/{run.pk}/"
        return {"self": place, "events": f"{place}events/", "log": f"{place}log/"}


class EventSerializer(serializers.ModelSerializer[RunEvent]):
    class Meta:
        model = RunEvent
        fields = [
            "sequence",
            "at",
            "kind",
            "urn",
            "type",
            "operation",
            "status",
            "severity",
            "message",
            "detail",
        ]


class DeploymentSerializer(serializers.ModelSerializer[Deployment]):
    """One row of a list; the detail adds plan, approvals, gates and verification."""

    environment = serializers.CharField(source="environment.slug")
    duration = serializers.SerializerMethodField()
    status_detail = serializers.SerializerMethodField()
    links = serializers.SerializerMethodField()

    class Meta:
        model = Deployment
        fields = [
            "id",
            "environment",
            "kind",
            "status",
            "status_detail",
            "reason",
            "requested_by",
            "requested_at",
            "revision",
            "fingerprint",
            "glass_broken",
            "started_at",
            "finished_at",
            "duration",
            "links",
        ]

    def get_duration(self, row: Deployment) -> float | None:
        return reading.duration(row)

    def get_status_detail(self, row: Deployment) -> dict[str, str]:
        return {
            "code": row.status_code,
            "reason": row.status_reason,
            "next_step": row.status_next_step,
        }

    def get_links(self, row: Deployment) -> dict[str, str]:
        return {
            "self": f"/api/v1/deployments/{row.pk}/",
            "environment": f"/api/v1/environments/{row.environment.slug}/",
        }


class DeploymentDetailSerializer(DeploymentSerializer):
    approvals = serializers.SerializerMethodField()
    approvals_needed = serializers.SerializerMethodField()
    blocked_by = serializers.SerializerMethodField()
    evidence = serializers.SerializerMethodField()
    rejected = serializers.SerializerMethodField()
    warnings = serializers.SerializerMethodField()
    verification = serializers.SerializerMethodField()
    runs = serializers.SerializerMethodField()
    expires_at = serializers.SerializerMethodField()

    class Meta(DeploymentSerializer.Meta):
        fields = [
            *DeploymentSerializer.Meta.fields,
            "targets",
            "promoted_from",
            "promotion",
            "fingerprint_parts",
            "plan",
            "planned_at",
            "expires_at",
            "automated",
            "rolls_back",
            "returns_to",
            "soak_until",
            "approvals",
            "approvals_needed",
            "blocked_by",
            "turn_at",
            "superseded_by",
            "evidence",
            "rejected",
            "warnings",
            "verification",
            "runs",
        ]

    def get_approvals(self, row: Deployment) -> list[dict[str, Any]]:
        return [
            {
                "by": approval.by,
                "decision": approval.decision,
                "comment": approval.comment,
                "at": approval.at,
                "void": approval.voided_at is not None,
                "break_glass": approval.break_glass,
            }
            for approval in row.approvals.all()
        ]

    def get_approvals_needed(self, row: Deployment) -> int:
        return approvals.needed(row)

    def get_blocked_by(self, row: Deployment) -> list[dict[str, Any]]:
        return reading.blocked_by(row)

    def get_evidence(self, row: Deployment) -> list[dict[str, Any]]:
        """The last word of each person about this revision."""
        known = standing(identity_of(row.revision))
        return [
            {
                "kind": found.kind,
                "result": found.result,
                "who": found.who,
                "link": found.link,
                "at": found.at,
            }
            for entry in known.values()
            for found in entry.rows
        ]

    def get_rejected(self, row: Deployment) -> dict[str, Any] | None:
        found = rejection_of(identity_of(row.revision))
        if found is None:
            return None
        return {"id": found.pk, "by": found.rejected_by, "reason": found.reason}

    def get_warnings(self, row: Deployment) -> list[dict[str, Any]]:
        """What the validation found that does not block."""
        actor = actor_of(self.context["request"])
        return validating.warnings(actor, row) if row.is_open else []

    def get_verification(self, row: Deployment) -> dict[str, Any]:
        checks = [
            {"id": c.id, "name": c.name, "status": c.found, "reason": c.reason, "at": c.at}
            for c in reading.checks_found(row)
        ]
        return {"status": row.verification or "not_run", "checks": checks}

    def get_runs(self, row: Deployment) -> list[dict[str, Any]]:
        return [
            {"id": run.pk, "operation": run.operation, "status": run.status}
            for run in row.runs.order_by("pk")
        ]

    def get_expires_at(self, row: Deployment) -> Any:
        return reading.expires_at(row)


class DeploymentInput(Input):
    environment = serializers.CharField(max_length=50)
    kind = serializers.ChoiceField(
        choices=[Kind.DEPLOY, Kind.DESTROY, Kind.REFRESH], default=Kind.DEPLOY
    )
    reason = serializers.CharField(max_length=300, required=False, allow_blank=True)
    targets = serializers.ListField(
        child=serializers.CharField(max_length=500), required=False, max_length=200
    )
    supersede = serializers.BooleanField(required=False)


class DecisionInput(Input):
    comment = serializers.CharField(max_length=500, required=False, allow_blank=True)
    confirm = serializers.CharField(max_length=50, required=False, allow_blank=True)


class GlassInput(Input):
    reason = serializers.CharField(max_length=500)
    confirm = serializers.CharField(max_length=50)


class CommentInput(Input):
    comment = serializers.CharField(max_length=500, required=False, allow_blank=True)


class ReasonInput(Input):
    reason = serializers.CharField(max_length=300, required=False, allow_blank=True)


class SuccessorInput(Input):
    successor = serializers.IntegerField(required=False, min_value=1)


class PromotionInput(Input):
    reason = serializers.CharField(max_length=300, required=False, allow_blank=True)
    supersede = serializers.BooleanField(required=False)

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """`from` is no name that Python lets a class have."""
        return {"from": serializers.CharField(max_length=50), **super().get_fields()}


class RecoveryInput(Input):
    clear_pending_creates = serializers.BooleanField(required=False)


class NoInput(Input):
    """A verb that takes no fields."""
