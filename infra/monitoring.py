"""The files of the environment's monitoring stack: Prometheus, Alertmanager and Grafana."""

import dataclasses
from collections.abc import Iterator

import pulumi

from alertmanager_files import Route, alertmanager_file
from configuration import Settings
from grafana_files import dashboard_file, datasources_file, providers_file
from orchestra import ConfigFile, ConfigFileArgs
from prometheus_files import Portal, Target, blackbox_file, prometheus_file, rules_file

HOST = "127.0.0.1"
PORTAL = f"http://{HOST}:8100"  # where `make run` serves it


@dataclasses.dataclass
class MonitoringArgs:
    """
    `targets` are the MCP servers, which monitoring knows before they are made. With `token_file`, a
    portal token that Prometheus and Alertmanager can read, Prometheus asks the portal for all that
    is watched instead, and Alertmanager tells the portal. `reload` asks the running services.
    """

    environment: str
    directory: str = ""
    prometheus: bool = False
    alertmanager: bool = False
    grafana: bool = False
    scrape_interval: str = "15s"
    alert_after: str = "1m"
    portal_url: str = ""
    token_file: str = ""
    reload: bool = False
    ports: dict[str, int] = dataclasses.field(default_factory=dict)
    routes: list[Route] = dataclasses.field(default_factory=list)
    targets: list[Target] = dataclasses.field(default_factory=list)

    @classmethod
    def read(cls, settings: Settings) -> "MonitoringArgs":
        section = settings.section("monitoring", default={})
        args = cls(
            settings.text("environment"),
            prometheus=section.flag("prometheus", default=False),
            alertmanager=section.flag("alertmanager", default=False),
            grafana=section.flag("grafana", default=False),
        )
        if not (args.prometheus or args.alertmanager or args.grafana):
            return args
        return dataclasses.replace(
            args,
            directory=section.text("directory"),
            scrape_interval=section.text("scrape_interval", "15s"),
            alert_after=section.text("alert_after", "1m"),
            portal_url=section.text("portal_url", PORTAL).rstrip("/"),
            token_file=section.text("token_file", ""),
            reload=section.flag("reload", default=False),
            ports={
                "prometheus": section.number("prometheus_port", 9090),
                "alertmanager": section.number("alertmanager_port", 9093),
                "blackbox": section.number("blackbox_port", 9115),
            },
            routes=[Route.read(entry) for entry in section.sections("routes")],
            targets=_targets(settings),
        )


class Monitoring(pulumi.ComponentResource):
    """`summary` lists the files with their digests and who checked them."""

    def __init__(
        self, name: str, args: MonitoringArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("orchestra:monitoring:Monitoring", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        files = [
            ConfigFile(
                path,
                ConfigFileArgs(f"{args.directory}/{path}", kind, content, _reload(args, path)),
                child,
            )
            for path, kind, content in _files(args)
        ]
        self.summary = pulumi.Output.all(
            directory=args.directory,
            files=[{"path": f.path, "kind": f.kind, "digest": f.digest} for f in files],
            checked_by=pulumi.Output.all(*(f.checked_by for f in files)).apply(
                lambda names: sorted(set(names))
            )
            if files
            else [],
        )
        self.register_outputs({"summary": self.summary})


def _files(args: MonitoringArgs) -> Iterator[tuple[str, str, str]]:
    """Path below the directory, kind, content."""
    if args.prometheus:
        peer = f"{HOST}:{args.ports['alertmanager']}" if args.alertmanager else None
        blackbox = f"{HOST}:{args.ports['blackbox']}"
        portal = Portal(args.portal_url, args.token_file)
        content = prometheus_file(
            args.environment, args.scrape_interval, portal, args.targets, blackbox, peer
        )
        yield "prometheus/prometheus.yml", "prometheus", content
        yield (
            "prometheus/rules/orchestra.yml",
            "prometheus_rules",
            rules_file(args.environment, args.alert_after),
        )
        yield "blackbox/blackbox.yml", "blackbox", blackbox_file()
    if args.alertmanager:
        portal = Portal(args.portal_url, args.token_file)
        content = alertmanager_file(args.environment, portal, args.routes)
        yield "alertmanager/alertmanager.yml", "alertmanager", content
    if args.grafana:
        source = f"http://{HOST}:{args.ports['prometheus']}"
        folder = "grafana/provisioning"
        yield f"{folder}/datasources/orchestra.yml", "grafana_datasources", datasources_file(source)
        dashboards = f"{args.directory}/grafana/dashboards"
        yield f"{folder}/dashboards/orchestra.yml", "grafana_providers", providers_file(dashboards)
        content = dashboard_file(args.environment)
        yield "grafana/dashboards/orchestra.json", "grafana_dashboard", content


def _reload(args: MonitoringArgs, path: str) -> str | None:
    """Where the service that reads this file is asked to read it again; Grafana looks by itself."""
    port = args.ports.get(path.partition("/")[0])
    return f"http://{HOST}:{port}/-/reload" if args.reload and port else None


def _targets(settings: Settings) -> list[Target]:
    if not settings.flag("mcp_enabled", default=False):
        return []
    fleet = settings.section("mcp")
    host, servers = fleet.text("host", HOST), fleet.sections("servers")
    return [Target(s.text("name"), s.text("role"), f"{host}:{s.number('port')}") for s in servers]
