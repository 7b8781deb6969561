"""Settings, secrets and rules of an environment over REST: thin doors on the verbs."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api import Input, PortalViewSet
from apps.core.permissions import check
from apps.environments.choices import Finding, Origin, SettingKind
from apps.environments.effective import effective_settings
from apps.environments.lookup import find_environment
from apps.environments.models import (
    BaseSetting,
    Environment,
    ProgramSource,
    Protection,
    Secret,
    Setting,
)
from apps.environments.reports import shown_items
from apps.environments.rules import LIMITS
from apps.environments.secrets import LONGEST_ROTATION, LONGEST_SECRET, newest_secrets
from apps.environments.services import (
    remove_base_setting,
    remove_program_source,
    remove_setting,
    set_base_setting,
    set_program_source,
    set_protection,
    set_secret,
    set_setting,
    validate_environment,
)


class SettingSerializer(serializers.ModelSerializer[Setting]):
    class Meta:
        model = Setting
        fields = ["key", "kind", "value", "note", "changed_at", "changed_by"]


class EffectiveSerializer(serializers.Serializer[Any]):
    """One setting as the program gets it, and where its value comes from."""

    key = serializers.CharField()
    kind = serializers.ChoiceField(SettingKind.choices)
    value = serializers.JSONField()
    origin = serializers.ChoiceField(Origin.choices)
    own_value = serializers.JSONField(source="own.value", default=None, allow_null=True)
    base_value = serializers.JSONField(source="base.value", default=None, allow_null=True)
    note = serializers.CharField(source="row.note")
    changed_at = serializers.DateTimeField(source="row.changed_at")
    changed_by = serializers.CharField(source="row.changed_by")


class BaseSettingSerializer(serializers.ModelSerializer[BaseSetting]):
    class Meta:
        model = BaseSetting
        fields = ["key", "kind", "value", "note", "changed_at", "changed_by"]


class SettingInput(Input):
    value = serializers.JSONField()
    note = serializers.CharField(required=False, max_length=200, allow_blank=True)


class SecretSerializer(serializers.ModelSerializer[Secret]):
    """Everything but the value, which never comes back out."""

    class Meta:
        model = Secret
        fields = ["key", "version", "set_at", "set_by", "rotation_due_at"]


class SecretInput(Input):
    value = serializers.CharField(trim_whitespace=False, max_length=LONGEST_SECRET)
    rotate_within_days = serializers.IntegerField(
        required=False, min_value=1, max_value=LONGEST_ROTATION
    )


class SourceSerializer(serializers.ModelSerializer[ProgramSource]):
    """Where the program comes from; `credential` is the key of a secret, never its value."""

    class Meta:
        model = ProgramSource
        fields = ["url", "path", "ref", "credential", "changed_at", "changed_by"]


class SourceInput(Input):
    url = serializers.CharField(max_length=500)
    ref = serializers.CharField(max_length=200)
    path = serializers.CharField(required=False, max_length=200, allow_blank=True)
    credential = serializers.CharField(required=False, max_length=80, allow_blank=True)


class ProtectionSerializer(serializers.ModelSerializer[Protection]):
    class Meta:
        model = Protection
        exclude = ["id", "environment"]


def _limited(rule: str) -> serializers.IntegerField:
    least, most = LIMITS[rule]
    return serializers.IntegerField(required=False, min_value=least, max_value=most)


class ProtectionInput(Input):
    """The rules to change; what is not named stays."""

    required_approvals = _limited("required_approvals")
    allowed_branches = serializers.ListField(child=serializers.CharField(), required=False)
    required_evidence = serializers.ListField(child=serializers.CharField(), required=False)
    verified_in = serializers.ListField(child=serializers.CharField(), required=False)
    typed_confirmation = serializers.BooleanField(required=False)
    soak_minutes = _limited("soak_minutes")
    approval_hours = _limited("approval_hours")
    automatic_rollback = serializers.BooleanField(required=False)
    drift_minutes = _limited("drift_minutes")
    drift_correction = serializers.BooleanField(required=False)


class ValidationItemSerializer(serializers.Serializer[Any]):
    code = serializers.CharField()
    what = serializers.CharField()
    status = serializers.ChoiceField(Finding.choices)
    detail = serializers.CharField()
    why = serializers.CharField()
    next_step = serializers.CharField()


class ValidationSerializer(serializers.Serializer[Any]):
    """What one validation found; `failed` items block a deployment, worst first."""

    id = serializers.IntegerField()
    at = serializers.DateTimeField()
    status = serializers.ChoiceField(Finding.choices)
    items = ValidationItemSerializer(many=True)


class SettingsViewSet(PortalViewSet[Environment]):
    """`…/settings/` and `…/secrets/` of one environment; an unknown one names those there are."""

    queryset = Environment.objects.all()
    serializer_class = SettingSerializer  # type: ignore[assignment]  # what these answer, not an environment
    lookup_field = "slug"
    pagination_class = None

    @extend_schema(responses=EffectiveSerializer(many=True))
    @action(detail=True, url_path="settings")
    def list_settings(self, _request: Request, slug: str) -> Response:
        rows: list[Any] = effective_settings(find_environment(self.actor, slug))
        return Response(EffectiveSerializer(rows, many=True).data)

    @extend_schema(request=SettingInput, responses=SettingSerializer)
    @action(detail=True, methods=["put"], url_path=r"settings/(?P<key>[a-z][a-z0-9_.]*)")
    def setting(self, _request: Request, slug: str, key: str) -> Response:
        row = set_setting(self.actor, environment=slug, key=key, **self.body(SettingInput))
        return Response(SettingSerializer(row).data)

    @extend_schema(request=None, responses={204: None})
    @setting.mapping.delete
    def remove(self, _request: Request, slug: str, key: str) -> Response:
        remove_setting(self.actor, environment=slug, key=key)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(responses=SecretSerializer(many=True))
    @action(detail=True, url_path="secrets")
    def list_secrets(self, _request: Request, slug: str) -> Response:
        rows: list[Any] = newest_secrets(find_environment(self.actor, slug))
        return Response(SecretSerializer(rows, many=True).data)

    @extend_schema(request=SecretInput, responses=SecretSerializer)
    @action(detail=True, methods=["put"], url_path=r"secrets/(?P<key>[a-z][a-z0-9_.]*)")
    def secret(self, _request: Request, slug: str, key: str) -> Response:
        row = set_secret(self.actor, environment=slug, key=key, **self.body(SecretInput))
        return Response(SecretSerializer(row).data)

    @extend_schema(request=ProtectionInput, responses=ProtectionSerializer)
    @action(detail=True, methods=["patch"], url_path="protection")
    def protection(self, _request: Request, slug: str) -> Response:
        """Changes the rules that are named."""
        row = set_protection(self.actor, environment=slug, **self.body(ProtectionInput))
        return Response(ProtectionSerializer(row).data)

    @extend_schema(request=SourceInput, responses=SourceSerializer)
    @action(detail=True, methods=["put"], url_path="program-source")
    def program_source(self, _request: Request, slug: str) -> Response:
        """Deploys a program from git: the commit that the ref names when it is asked for."""
        row = set_program_source(self.actor, environment=slug, **self.body(SourceInput))
        return Response(SourceSerializer(row).data)

    @extend_schema(request=None, responses={204: None})
    @program_source.mapping.delete
    def builtin_program(self, _request: Request, slug: str) -> Response:
        """Back to the built-in program."""
        remove_program_source(self.actor, environment=slug)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=None, responses=ValidationSerializer)
    @action(detail=True, methods=["post"], url_path="validate")
    def validate(self, _request: Request, slug: str) -> Response:
        """Looks at everything a deployment needs here; changes nothing."""
        row = validate_environment(self.actor, environment=slug)
        items = shown_items(self.actor, row)
        found = {"id": row.pk, "at": row.at, "status": row.status, "items": items}
        return Response(ValidationSerializer(found).data)


class BaseSettingsViewSet(PortalViewSet[BaseSetting]):
    """What every environment inherits; to change it needs the right in all of them."""

    queryset = BaseSetting.objects.all()
    serializer_class = BaseSettingSerializer
    # Rows of no environment: the right everywhere is asked instead.
    filter_backends = []
    pagination_class = None
    lookup_field = "key"
    lookup_value_regex = r"[a-z][a-z0-9_.]*"

    @extend_schema(responses=BaseSettingSerializer(many=True))
    def list(self, _request: Request) -> Response:
        check(self.actor, "view")
        return Response(BaseSettingSerializer(BaseSetting.objects.all(), many=True).data)

    @extend_schema(request=SettingInput, responses=BaseSettingSerializer)
    def update(self, _request: Request, key: str) -> Response:
        row = set_base_setting(self.actor, key=key, **self.body(SettingInput))
        return Response(BaseSettingSerializer(row).data)

    @extend_schema(request=None, responses={204: None})
    def destroy(self, _request: Request, key: str) -> Response:
        remove_base_setting(self.actor, key=key)
        return Response(status=status.HTTP_204_NO_CONTENT)
