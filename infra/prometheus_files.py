"""What Prometheus and the blackbox exporter read."""

import dataclasses
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import yaml

INVENTORY = "orchestra-inventory"


@dataclasses.dataclass(frozen=True)
class Target:
    """An MCP server to probe; `address` is host and port."""

    name: str
    role: str
    address: str


@dataclasses.dataclass(frozen=True)
class Portal:
    """Where the portal is, and the file with the token it asks for; empty without one."""

    url: str
    token_file: str = ""

    def authorization(self) -> dict[str, Any]:
        """How a client shows the token. The type is written out: discovery in 2.42 has none."""
        if not self.token_file:
            return {}
        return {"authorization": {"type": "Bearer", "credentials_file": self.token_file}}


def prometheus_file(
    environment: str,
    interval: str,
    portal_at: Portal,
    targets: Sequence[Target],
    blackbox: str,
    alertmanager: str | None,
) -> str:
    portal = urlsplit(portal_at.url)
    document: dict[str, Any] = {
        "global": {
            "scrape_interval": interval,
            "evaluation_interval": interval,
            "external_labels": {"environment": environment},
        },
        "rule_files": ["rules/*.yml"],
        "scrape_configs": [
            {
                "job_name": "orchestra-portal",
                "scheme": portal.scheme,
                "metrics_path": "/metrics",
                **portal_at.authorization(),
                "static_configs": [{"targets": [portal.netloc]}],
            },
            _probe(
                "orchestra-portal-health", "http_2xx", [(f"{portal_at.url}/healthz", {})], blackbox
            ),
        ],
    }
    if portal_at.token_file:
        document["scrape_configs"].append(_inventory(environment, portal_at, blackbox))
    elif targets:
        named = [(t.address, {"server": t.name, "role": t.role}) for t in targets]
        document["scrape_configs"].append(_probe("mcp-servers", "tcp_connect", named, blackbox))
    if alertmanager:
        document["alerting"] = {
            "alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]
        }
    return _yaml(document)


def rules_file(environment: str, patience: str = "1m") -> str:
    labels = {"environment": environment}
    rules = [
        {
            "alert": "PortalDown",
            "expr": 'up{job="orchestra-portal"} == 0',
            "for": patience,
            "labels": {**labels, "severity": "critical"},
            "annotations": {"summary": "The portal's metrics cannot be read."},
        },
        {
            "alert": "PortalUnhealthy",
            "expr": 'probe_success{job="orchestra-portal-health"} == 0',
            "for": patience,
            "labels": {**labels, "severity": "critical"},
            "annotations": {"summary": "The portal does not answer its health check."},
        },
        {
            "alert": "McpServerDown",
            "expr": 'probe_success{job="mcp-servers"} == 0',
            "for": patience,
            "labels": {**labels, "severity": "warning"},
            "annotations": {"summary": "The MCP server {{ $labels.server }} takes no connection."},
        },
        {
            "alert": "ThingDown",
            "expr": f'probe_success{{job="{INVENTORY}"}} == 0',
            "for": patience,
            "labels": {**labels, "severity": "warning"},
            "annotations": {"summary": "{{ $labels.name }} at {{ $labels.instance }} is down."},
        },
    ]
    return _yaml({"groups": [{"name": f"orchestra-{environment}", "rules": rules}]})


def blackbox_file() -> str:
    modules = {
        "http_2xx": {"prober": "http", "timeout": "5s"},
        "tcp_connect": {"prober": "tcp", "timeout": "5s"},
    }
    return _yaml({"modules": modules})


def _probe(
    job: str, module: str, targets: Sequence[tuple[str, dict[str, str]]], blackbox: str
) -> dict[str, Any]:
    """A job that asks the blackbox exporter about each target."""
    return {
        "job_name": job,
        "metrics_path": "/probe",
        "params": {"module": [module]},
        "static_configs": [{"targets": [address], "labels": labels} for address, labels in targets],
        "relabel_configs": [
            {"source_labels": ["__address__"], "target_label": "__param_target"},
            {"source_labels": ["__param_target"], "target_label": "instance"},
            {"target_label": "__address__", "replacement": blackbox},
        ],
    }


def _inventory(environment: str, portal: Portal, blackbox: str) -> dict[str, Any]:
    """A job that asks the portal what to probe; the module of a target comes with it."""
    asked = f"{portal.url}/api/v1/monitoring/targets/?environment={environment}"
    job = _probe(INVENTORY, "tcp_connect", [], blackbox)
    del job["static_configs"]
    sd = {"url": asked, "refresh_interval": "30s", **portal.authorization()}
    return {**job, "http_sd_configs": [sd]}


def _yaml(document: dict[str, Any]) -> str:
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
