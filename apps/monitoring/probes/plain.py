"""The plain kinds: tcp and process."""

from __future__ import annotations

import asyncio
import http.client
import socket
import xmlrpc.client
from typing import Any

from apps.core.safe_http import allowed_addresses, dial
from apps.monitoring.choices import Health
from apps.monitoring.probes.finding import Finding, Look, cut


async def look_at_tcp(look: Look, finding: Finding) -> Finding:
    """`{"host", "port"}`: a connection can be opened."""
    with finding.step("connect"):
        host, port = look.parameters["host"], int(look.parameters["port"])
        made = await dial(await allowed_addresses(host, port, look.rules), port)
    made.close()
    return finding.conclude(Health.HEALTHY)


class UnixConnection(http.client.HTTPConnection):
    """HTTP over supervisord's socket."""

    def __init__(self, path: str, limit: float) -> None:
        super().__init__("localhost", timeout=limit)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def process_info(path: str, process: str, limit: float) -> dict[str, Any]:
    """What supervisord's `getProcessInfo` says. Raises OSError or xmlrpc.client.Fault."""
    connection = UnixConnection(path, limit)
    try:
        body = xmlrpc.client.dumps((process,), "supervisor.getProcessInfo")
        connection.request("POST", "/RPC2", body, {"Content-Type": "text/xml"})
        answer: Any = xmlrpc.client.loads(connection.getresponse().read())[0][0]
        return dict(answer)
    finally:
        connection.close()


async def look_at_process(look: Look, finding: Finding, socket_path: str) -> Finding:
    """`{"process"}`: supervisord says that it runs, and whether it was restarted since."""
    process = look.parameters["process"]
    try:
        with finding.step("ask supervisord") as rung:
            info = await asyncio.to_thread(process_info, socket_path, process, look.time_limit)
            rung["detail"] = f"{info['statename']}, pid {info['pid']}"
    except xmlrpc.client.Fault:
        return finding.conclude(
            Health.UNREACHABLE,
            f"There is no process {process}. Deploy the environment again.",
            "no_process",
        )
    except OSError as error:
        return finding.conclude(
            Health.UNKNOWN,
            f"supervisord does not answer ({error.strerror}). Start the portal.",
            "no_supervisor",
        )
    before = look.memory.get("start")
    finding.memory = {"start": info["start"], "pid": info["pid"]}
    if info["statename"] != "RUNNING":
        finding.steps[-1]["passed"] = False
        return finding.conclude(
            Health.UNREACHABLE,
            f"{process} is {info['statename'].lower()}: {cut(info.get('spawnerr') or 'no reason')}."
            " Read its log.",
            "not_running",
        )
    if before is not None and before != info["start"]:
        return finding.conclude(
            Health.DEGRADED,
            f"{process} was restarted; it now has pid {info['pid']}. Read its log for the reason.",
            "restarted",
        )
    return finding.conclude(Health.HEALTHY)
