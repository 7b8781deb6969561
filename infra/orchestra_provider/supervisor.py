"""Speaks to a supervisord over its unix socket."""

import http.client
import socket
import time
import xmlrpc.client
from typing import Any, cast

from infra.orchestra_provider.errors import ProviderError

TIMEOUT = 40.0  # seconds; stopping a process may take its whole stopwaitsecs
BAD_NAME, ALREADY_STARTED, NOT_RUNNING, ALREADY_ADDED = 10, 60, 70, 90
CANT_REREAD, SPAWN_ERROR, ABNORMAL_TERMINATION = 92, 50, 40
STOP_POLL = 0.1  # seconds


class UnreachableError(ProviderError):
    """Nothing answers on the socket: then nothing that it supervised is running either."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(
            "provider.failed",
            f"The supervisor at {path} does not answer ({why}).",
            "start it with `make run`, or correct the socket in the settings.",
        )


class Supervisor:
    def __init__(self, path: str) -> None:
        self._path = path

    def require(self) -> None:
        """Raises UnreachableError."""
        self._call("getState")

    def info(self, process: str) -> dict[str, Any] | None:
        """State of a process; None when the supervisor does not know it."""
        try:
            return cast("dict[str, Any]", self._call("getProcessInfo", process))
        except xmlrpc.client.Fault as fault:
            if fault.faultCode == BAD_NAME:
                return None
            raise _refused(fault) from fault

    def reread(self) -> None:
        """Reads the configuration files again. Running processes are left as they are."""
        try:
            self._call("reloadConfig")
        except xmlrpc.client.Fault as fault:
            raise _refused(fault) from fault

    def add(self, process: str) -> None:
        """Takes the process of a configuration file up, which starts it."""
        try:
            self._call("addProcessGroup", process)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode != ALREADY_ADDED:
                raise _refused(fault) from fault

    def start(self, process: str) -> None:
        try:
            self._call("startProcess", process, False)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode != ALREADY_STARTED:
                raise _refused(fault) from fault

    def remove(self, process: str) -> None:
        """Stops the process and forgets it; one that it does not know is well."""
        if self.info(process) is None:
            return
        try:
            self._call("stopProcess", process, True)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode != NOT_RUNNING:
                raise _refused(fault) from fault
        self._forget(process, time.monotonic() + TIMEOUT)

    def _forget(self, process: str, ends: float) -> None:
        """A process that is still backing off cannot be removed in that very moment."""
        while True:
            try:
                self._call("removeProcessGroup", process)
            except xmlrpc.client.Fault as fault:
                if fault.faultCode == BAD_NAME:
                    return
                if time.monotonic() > ends:
                    raise _refused(fault) from fault
                time.sleep(STOP_POLL)
            else:
                return

    def _call(self, method: str, *arguments: Any) -> Any:
        # The address is a formality: the transport only knows the socket.
        transport = _UnixTransport(self._path)
        try:
            with xmlrpc.client.ServerProxy("http://localhost", transport=transport) as proxy:
                return getattr(proxy.supervisor, method)(*arguments)
        except (OSError, http.client.HTTPException, xmlrpc.client.ProtocolError) as error:
            raise UnreachableError(self._path, str(error) or type(error).__name__) from error


def _refused(fault: xmlrpc.client.Fault) -> ProviderError:
    return ProviderError("provider.failed", f"The supervisor refused: {fault.faultString}.")


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=TIMEOUT)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        try:
            self.sock.connect(self._path)
        except OSError:
            self.close()
            raise


class _UnixTransport(xmlrpc.client.Transport):
    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        connection = _UnixConnection(self._path)
        self._connection = (host, connection)  # where the parent looks for what to close
        return connection
