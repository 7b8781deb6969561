"""What Grafana reads: its data source, where its dashboards lie, and one dashboard."""

import json
from typing import TypeVar

import yaml
from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.builders.stat import Panel as Stat
from grafana_foundation_sdk.builders.timeseries import Panel as TimeSeries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DataSourceRef

SOURCE = "orchestra-prometheus"  # uid of the data source
LONGEST_UID = 40  # Grafana's limit


def datasources_file(prometheus_url: str) -> str:
    source = {
        "name": "Prometheus",
        "uid": SOURCE,
        "type": "prometheus",
        "access": "proxy",
        "url": prometheus_url,
        "isDefault": True,
    }
    return yaml.safe_dump({"apiVersion": 1, "datasources": [source]}, sort_keys=False)


def providers_file(directory: str) -> str:
    provider = {
        "name": "orchestra",
        "folder": "Orchestra",
        "type": "file",
        "options": {"path": directory},
    }
    return yaml.safe_dump({"apiVersion": 1, "providers": [provider]}, sort_keys=False)


def dashboard_file(environment: str) -> str:
    """One dashboard, in the words of Grafana's own builders; panels of twelve columns each."""
    board = (
        Dashboard(f"Orchestra {environment}")
        .uid(f"orchestra-{environment}"[:LONGEST_UID])
        .tags(["orchestra", environment])
        .timezone("utc")
        .refresh("30s")
        .time("now-6h", "now")
    )
    panels: list[Stat | TimeSeries] = [
        _panel(Stat(), "Portal", 'up{job="orchestra-portal"}'),
        _panel(Stat(), "MCP servers", 'probe_success{job="mcp-servers"}', "{{server}}"),
        _panel(TimeSeries(), "Probe duration", "probe_duration_seconds", "{{server}}"),
        _panel(TimeSeries(), "Alerts", 'sum by (alertname) (ALERTS{alertstate="firing"})'),
    ]
    for number, panel in enumerate(panels, 1):
        board.with_panel(panel.id(number))
    return json.dumps(board.build(), cls=JSONEncoder, indent=2) + "\n"


Panel = TypeVar("Panel", Stat, TimeSeries)


def _panel(panel: Panel, title: str, query: str, legend: str = "") -> Panel:
    source = DataSourceRef(type_val="prometheus", uid=SOURCE)
    asked = Dataquery().expr(query).legend_format(legend).ref_id("A")
    return panel.title(title).datasource(source).span(12).height(8).with_target(asked)
