"""The REST router: collects the apps' viewsets, nothing else."""

from rest_framework.routers import DefaultRouter

from apps.accounts.api import TokenViewSet
from apps.accounts.api_roles import RoleViewSet
from apps.audit.api import AuditEventViewSet
from apps.dashboard.api import EnvironmentViewSet
from apps.dashboard.api_metrics import MetricsViewSet
from apps.deployments.api import DeploymentViewSet, EnvironmentVerbs, RunViewSet
from apps.deployments.api_recovery import RecoveryViewSet
from apps.deployments.api_revisions import EvidenceViewSet, RejectionViewSet
from apps.deployments.api_rollback import HoldViewSet, RollbackVerbs
from apps.deployments.api_states import StateViewSet
from apps.deployments.api_timetable import LifetimeViewSet, ScheduleViewSet
from apps.environments.api import BaseSettingsViewSet, SettingsViewSet
from apps.environments.api_explaining import ExplanationViewSet, GuardViewSet
from apps.environments.api_freezes import FreezesViewSet
from apps.environments.api_matrix import MatrixViewSet
from apps.environments.api_ports import PortsViewSet
from apps.environments.api_setup import SetupViewSet
from apps.environments.api_times import FreezeViewSet, LockViewSet, StopViewSet, WindowViewSet
from apps.mcp.api import ServerViewSet
from apps.monitoring.api import (
    AlertViewSet,
    CheckViewSet,
    DeliveryViewSet,
    IncidentViewSet,
    RangeViewSet,
    RouteViewSet,
    TargetViewSet,
)

router = DefaultRouter()
router.include_root_view = False
router.register("deployments", DeploymentViewSet, basename="deployment")
router.register("deployments", RecoveryViewSet, basename="deployment-recovery")
router.register("evidence", EvidenceViewSet, basename="evidence")
router.register("rejected-revisions", RejectionViewSet, basename="rejected-revision")
router.register("states", StateViewSet, basename="state")
router.register("holds", HoldViewSet, basename="hold")
router.register("runs", RunViewSet, basename="run")
router.register("environments", EnvironmentViewSet, basename="environment")
router.register("environments", SettingsViewSet, basename="environment-setting")
router.register("environments", GuardViewSet, basename="environment-guard")
router.register("environments", PortsViewSet, basename="environment-port")
router.register("setup-checks", SetupViewSet, basename="setup-check")
router.register("settings", BaseSettingsViewSet, basename="base-setting")
router.register("matrix", MatrixViewSet, basename="matrix")
router.register("explanations", ExplanationViewSet, basename="explanation")
router.register("environments", FreezesViewSet, basename="environment-freeze")
router.register("environments", EnvironmentVerbs, basename="environment-verb")
router.register("environments", RollbackVerbs, basename="environment-rollback")
router.register("schedules", ScheduleViewSet, basename="schedule")
router.register("environments", LifetimeViewSet, basename="environment-lifetime")
router.register("freezes", FreezeViewSet, basename="freeze")
router.register("windows", WindowViewSet, basename="window")
router.register("locks", LockViewSet, basename="lock")
router.register("stops", StopViewSet, basename="stop")
router.register("mcp/servers", ServerViewSet, basename="mcp-server")
router.register("monitoring/checks", CheckViewSet, basename="check")
router.register("monitoring/ranges", RangeViewSet, basename="allowed-range")
router.register("monitoring/incidents", IncidentViewSet, basename="incident")
router.register("monitoring/routes", RouteViewSet, basename="alert-route")
router.register("monitoring/deliveries", DeliveryViewSet, basename="delivery")
router.register("monitoring/alerts", AlertViewSet, basename="alert")
router.register("metrics", MetricsViewSet, basename="metrics")
router.register("monitoring/targets", TargetViewSet, basename="target")
router.register("roles", RoleViewSet, basename="role")
router.register("tokens", TokenViewSet, basename="token")
router.register("audit/events", AuditEventViewSet, basename="audit-event")
