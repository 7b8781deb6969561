"""
The environment's MCP servers: each an isolated package and a supervised process on a loopback
port.

A server that only speaks over its standard streams stands behind a bridge, which gives it a port.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import pulumi

from configuration import Section, Settings, SettingsError
from orchestra import Package, PackageArgs, Server, ServerArgs

# The default; the provider takes loopback addresses only: no MCP server of ours is ever reachable
# from elsewhere. An address for each environment keeps the well-known ports apart on one host.
HOST = "127.0.0.1"
ECOSYSTEMS = ("npm", "pypi")
TRANSPORTS = ("stdio", "http")
DATA = "{data}"  # stands for the server's own folder in arguments and environment
# What a server of this role needs when the settings do not say it: its package would write beside
# its code.
ROLE_ENVIRONMENT = {"memory": {"MEMORY_FILE_PATH": f"{DATA}/memory.jsonl"}}


@dataclasses.dataclass
class McpServerArgs:
    name: str
    role: str
    port: int
    package: str
    version: str
    ecosystem: str
    transport: str
    arguments: list[str]
    environment: dict[str, str]

    @classmethod
    def read(cls, section: Section) -> "McpServerArgs":
        role = section.text("role")
        port = section.number("port")
        if not 0 < port < 65536:
            raise SettingsError(f"{section.where}.port", f"is no TCP port: {port}.")
        return cls(
            name=section.text("name"),
            role=role,
            port=port,
            package=section.text("package"),
            version=section.text("version"),
            ecosystem=section.choice("ecosystem", ECOSYSTEMS),
            transport=section.choice("transport", TRANSPORTS, "stdio"),
            arguments=section.texts("arguments"),
            environment=ROLE_ENVIRONMENT.get(role, {}) | section.mapping("environment"),
        )


@dataclasses.dataclass
class McpFleetArgs:
    environment: str
    home: str
    host: str = HOST
    servers: list[McpServerArgs] = dataclasses.field(default_factory=list)
    bridge: tuple[str, str] = ("", "")  # package and version
    node: str | None = None
    socket: str = ""
    include_directory: str = ""

    @classmethod
    def read(cls, settings: Settings) -> "McpFleetArgs":
        empty = cls(settings.text("environment"), settings.text("home"))
        if not settings.flag("mcp_enabled", default=False):
            return empty
        section, supervisor = settings.section("mcp"), settings.section("supervisor")
        servers = [McpServerArgs.read(entry) for entry in section.sections("servers")]
        _refuse_twins(section.where, servers)
        bridged = any(server.transport == "stdio" for server in servers)
        bridge = section.section("bridge") if bridged else None
        return dataclasses.replace(
            empty,
            host=section.text("host", HOST),
            servers=servers,
            bridge=(bridge.text("package"), bridge.text("version")) if bridge else ("", ""),
            node=section.text("node", "") or None,
            socket=supervisor.text("socket"),
            include_directory=supervisor.text("include_directory"),
        )


class McpFleet(pulumi.ComponentResource):
    """`servers` and `ports` are what the portal registers."""

    def __init__(
        self,
        name: str,
        args: McpFleetArgs,
        *,
        after: Sequence[pulumi.Resource] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("orchestra:mcp:McpFleet", name, {}, opts)
        self._args = args
        self._after = list(after)
        self._packages: dict[str, Package] = {}
        self._bridge = self._package(*args.bridge, "npm") if args.bridge[0] else None
        made = [self._server(server) for server in args.servers]
        self.servers = pulumi.Output.all(*made) if made else pulumi.Output.from_input([])
        self.ports = [
            {"port": server.port, "host": args.host, "protocol": "tcp", "owner": server.name}
            for server in args.servers
        ]
        self.register_outputs({"servers": self.servers, "ports": self.ports})

    def _server(self, server: McpServerArgs) -> dict[str, Any]:
        package = self._package(server.package, server.version, server.ecosystem)
        directory = f"{self._args.home}/servers/{server.name}"
        made = Server(
            server.name,
            ServerArgs(
                process=f"{self._args.environment}-{server.name}",
                host=self._args.host,
                port=server.port,
                command=self._command(server, package, directory),
                environment={
                    key: value.replace(DATA, directory) for key, value in server.environment.items()
                },
                directory=directory,
                socket=self._args.socket,
                include_directory=self._args.include_directory,
            ),
            pulumi.ResourceOptions(parent=self, depends_on=self._after),
        )
        return {
            **{key: getattr(server, key) for key in ("name", "role", "port", "package")},
            "version": server.version,
            "ecosystem": server.ecosystem,
            "host": self._args.host,
            "url": made.url,
            "process": made.process,
            "transport": "streamable_http",
        }

    def _command(
        self, server: McpServerArgs, package: Package, directory: str
    ) -> pulumi.Output[list[str]]:
        arguments = [argument.replace(DATA, directory) for argument in server.arguments]
        if server.transport == "http" or self._bridge is None:
            return package.command.apply(lambda command: [*command, *arguments])
        listen = ["--host", self._args.host, "--port", str(server.port)]
        address = [*listen, "--server", "stream", "--"]
        return pulumi.Output.all(self._bridge.command, package.command).apply(
            lambda both: [*both[0], *address, *both[1], *arguments]
        )

    def _package(self, name: str, version: str, ecosystem: str) -> Package:
        """One install serves every server that names the same package and version."""
        key = f"{ecosystem}-{name}-{version}"
        if key not in self._packages:
            node = self._args.node if ecosystem == "npm" else None
            args = PackageArgs(name, version, ecosystem, self._args.home, node)
            self._packages[key] = Package(key, args, pulumi.ResourceOptions(parent=self))
        return self._packages[key]


def _refuse_twins(where: str, servers: Sequence[McpServerArgs]) -> None:
    for key in ("name", "port"):
        values = [getattr(server, key) for server in servers]
        for value in values:
            if values.count(value) > 1:
                raise SettingsError(f"{where}.servers", f"gives two servers the {key} {value}.")
