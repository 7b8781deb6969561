"""The Pulumi program of one environment. The engine host runs `program`; the CLI runs this file."""

import pulumi

from configuration import Settings
from database import Database, DatabaseArgs
from mcp_infrastructure import McpFleet, McpFleetArgs
from monitoring import Monitoring, MonitoringArgs


def program() -> None:
    """Declares what the environment holds, and exports what was made."""
    settings = Settings(pulumi.Config("orchestra"))
    environment = settings.text("environment")

    database = Database("database", DatabaseArgs.read(settings))
    fleet = McpFleet("mcp", McpFleetArgs.read(settings), after=[database])
    monitoring = Monitoring("monitoring", MonitoringArgs.read(settings))

    pulumi.export("environment", environment)
    pulumi.export("database", database.summary)
    pulumi.export("mcp_servers", fleet.servers)
    pulumi.export("monitoring", monitoring.summary)
    pulumi.export("ports", fleet.ports)


if __name__ == "__main__":
    program()
