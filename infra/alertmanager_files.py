"""What Alertmanager reads: who hears of which alerts."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import yaml

from configuration import Section
from prometheus_files import Portal

KINDS = ("webhook", "slack", "email")
SEVERITIES = ("info", "warning", "critical")
PORTAL = "orchestra-portal"
NOBODY = "nobody"  # alerts that no route wants still show in Alertmanager itself


@dataclasses.dataclass(frozen=True)
class Route:
    """`address` is a URL, or a mail address with the mail server in `smarthost`."""

    name: str
    kind: str
    address: str
    severity: str
    smarthost: str = ""
    sender: str = ""

    @classmethod
    def read(cls, section: Section) -> "Route":
        kind = section.choice("kind", KINDS)
        mail = kind == "email"
        return cls(
            name=section.text("name"),
            kind=kind,
            address=section.text("address"),
            severity=section.choice("severity", SEVERITIES, "warning"),
            smarthost=section.text("smarthost") if mail else "",
            sender=section.text("sender") if mail else "",
        )


def alertmanager_file(environment: str, portal: Portal, routes: Sequence[Route]) -> str:
    heard = [*([_to_portal()] if portal.token_file else []), *map(_route, routes)]
    document = {
        "route": {
            "receiver": NOBODY,
            "group_by": ["alertname", "server"],
            "routes": heard,
        },
        "receivers": [
            {"name": NOBODY},
            *([_portal_receiver(portal)] if portal.token_file else []),
            *(_receiver(route, environment, portal.url) for route in routes),
        ],
    }
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)


def _route(route: Route) -> dict[str, Any]:
    heard = "|".join(SEVERITIES[SEVERITIES.index(route.severity) :])
    # Every route hears of its alerts, not only the first one that matches.
    return {"receiver": route.name, "matchers": [f'severity=~"{heard}"'], "continue": True}


def _to_portal() -> dict[str, Any]:
    """Every alert by itself and soon: the portal groups and routes for people."""
    return {
        "receiver": PORTAL,
        "group_by": ["..."],
        "group_wait": "1s",
        "group_interval": "10s",
        "repeat_interval": "1h",
        "continue": True,
    }


def _portal_receiver(portal: Portal) -> dict[str, Any]:
    hook = {
        "url": f"{portal.url}/api/v1/monitoring/alerts/",
        "send_resolved": True,
        "max_alerts": 1000,
        "http_config": portal.authorization(),
    }
    return {"name": PORTAL, "webhook_configs": [hook]}


def _receiver(route: Route, environment: str, portal_url: str) -> dict[str, Any]:
    if route.kind == "webhook":
        return {"name": route.name, "webhook_configs": [{"url": route.address}]}
    if route.kind == "slack":
        title = f"{environment}: {{{{ .CommonAnnotations.summary }}}}"
        config = {"api_url": route.address, "title": title, "title_link": portal_url}
        return {"name": route.name, "slack_configs": [config]}
    config = {"to": route.address, "from": route.sender, "smarthost": route.smarthost}
    return {"name": route.name, "email_configs": [config]}
