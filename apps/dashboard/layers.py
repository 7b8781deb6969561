"""The four layers of an environment as the lane shows them: declared, deployed, well."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from datetime import datetime

from apps.dashboard.places import WORST_FIRST
from apps.deployments.choices import Kind
from apps.deployments.models import Deployment
from apps.environments.choices import Layer
from apps.mcp.models import McpServer

SHORT = {Layer.DATABASE: "db", Layer.MCP: "mcp", Layer.GPU: "gpu", Layer.MONITORING: "mon"}
# The setting that declares it.
DECLARED_BY = {
    Layer.DATABASE: "database",
    Layer.MCP: "mcp_enabled",
    Layer.GPU: "gpu_instance_type",
    Layer.MONITORING: "monitoring",
}


@dataclasses.dataclass(frozen=True)
class LayerState:
    """`tone` and `state` are a status; `at` is when it was read back, where it was."""

    short: str
    name: str
    tone: str
    state: str
    detail: str = ""
    at: datetime | None = None

    @property
    def words(self) -> str:
        return f"{self.name}: {self.state.lower()}"


def layer_states(
    declared: Collection[str], last: Deployment | None, servers: Sequence[McpServer]
) -> list[LayerState]:
    """In the order of the page. `declared` are the keys of settings that are on."""
    return [_state(layer, declared, last, servers) for layer in SHORT]


def _state(
    layer: Layer, declared: Collection[str], last: Deployment | None, servers: Sequence[McpServer]
) -> LayerState:
    short, name = SHORT[layer], layer.label
    if DECLARED_BY[layer] not in declared:
        return LayerState(short, name, "off", "Not here", "not declared by the settings")
    if last is None:
        return LayerState(short, name, "unknown", "Unknown", "not deployed yet")
    if last.kind == Kind.DESTROY:
        return LayerState(short, name, "off", "Destroyed", f"by deployment {last.pk}")
    if layer == Layer.MCP and servers:
        found = {server.health for server in servers}
        worst = next(health for health in WORST_FIRST if health in found)
        return LayerState(short, name, worst.tone, worst.label)
    # No check looks at it: true when the run read it back, and shown with that time.
    by = f"as deployment {last.pk} read it back"
    return LayerState(short, name, "ok", "Deployed", by, last.finished_at)
