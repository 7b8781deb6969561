"""`orchestra:mcp:Server`: an MCP server that supervisord keeps running on a loopback port."""

import dataclasses
import ipaddress
import re
import time
from pathlib import Path

from infra.orchestra_provider import mcp_probe, ports, server_files
from infra.orchestra_provider.errors import Failure, HalfMadeError, ProviderError
from infra.orchestra_provider.resource import Call, Found, ResourceType
from infra.orchestra_provider.supervisor import Supervisor, UnreachableError
from infra.orchestra_provider.values import Properties

PROCESS = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
RUNNING = ("STARTING", "RUNNING")
GIVEN_UP = ("FATAL", "EXITED", "STOPPED")
POLL = 0.1  # seconds
RELEASE_LIMIT = 10.0  # seconds that a stopped server may take to let its port go


@dataclasses.dataclass(frozen=True)
class ServerInputs:
    process: str
    host: str
    port: int
    command: list[str]
    directory: str
    socket: str
    include_directory: str
    environment: dict[str, str] = dataclasses.field(default_factory=dict)
    path: str = "/mcp"
    start_limit: int = 60  # seconds until it must answer
    running: bool = True  # false only in what `read` found
    definition: str = ""  # digest of its files; made by `check`


class Server(ResourceType[ServerInputs]):
    token = "orchestra:mcp:Server"  # noqa: S105 (a type token)
    inputs = ServerInputs
    replaced_by = frozenset({"process", "socket", "include_directory", "directory"})
    delete_before_replace = True  # the old one holds the port
    computed = frozenset({"url"})
    derived = frozenset({"definition"})

    def derive(self, inputs: ServerInputs) -> Properties:
        return {"definition": server_files.definition(inputs)}

    def check(self, inputs: ServerInputs, old: ServerInputs | None) -> list[Failure]:
        failures = []
        if not PROCESS.fullmatch(inputs.process):
            failures.append(Failure("process", f"{inputs.process!r} is no name of a process."))
        if not _is_loopback(inputs.host):
            reason = f"{inputs.host} can be reached from elsewhere; only 127.0.0.1 is taken."
            failures.append(Failure("host", reason))
        if not (isinstance(inputs.port, int) and 0 < inputs.port <= ports.HIGHEST):
            failures.append(Failure("port", f"{inputs.port} is no TCP port."))
        failures.extend(
            Failure(name, f"{getattr(inputs, name)} is not an absolute path.")
            for name in ("directory", "socket", "include_directory")
            if not Path(getattr(inputs, name)).is_absolute()
        )
        return failures or _obstacles(inputs)

    def identify(self, inputs: ServerInputs) -> str:
        return inputs.process

    def create(self, call: Call, inputs: ServerInputs) -> Properties:
        supervisor = Supervisor(inputs.socket)
        supervisor.require()
        _refuse_foreign(call, inputs, supervisor)
        _refuse_taken(inputs, supervisor)
        _bring_up(call, inputs, supervisor)
        try:
            _wait_for_answer(call, inputs, supervisor)
        except ProviderError:
            # Nothing is recorded for a create that failed, so nothing may stay.
            _take_down(inputs, supervisor)
            raise
        return _outputs(inputs)

    def read(self, call: Call, identifier: str, inputs: ServerInputs) -> Found | None:
        owner = server_files.owner_of(inputs)
        try:
            info = Supervisor(inputs.socket).info(identifier)
        except UnreachableError:
            if not ports.is_free(inputs.host, inputs.port):
                raise  # something runs there, and nobody can say whether it is ours
            info = None
        if (owner is None and info is None) or owner not in (None, call.urn):
            return None
        now = dataclasses.asdict(inputs)
        now["running"] = info is not None and info["statename"] in RUNNING
        now["definition"] = server_files.written_definition(inputs)
        return Found(now, _outputs(inputs))

    def update(
        self, call: Call, identifier: str, old: ServerInputs, new: ServerInputs
    ) -> Properties:
        supervisor = Supervisor(new.socket)
        supervisor.require()
        _refuse_foreign(call, new, supervisor)
        _refuse_taken(new, supervisor)
        _bring_up(call, new, supervisor)
        try:
            _wait_for_answer(call, new, supervisor)
        except ProviderError as error:
            raise HalfMadeError(_outputs(new), str(error)) from error
        return _outputs(new)

    def delete(self, call: Call, identifier: str, inputs: ServerInputs) -> None:
        owner = server_files.owner_of(inputs)
        if owner not in (None, call.urn):
            raise _foreign(inputs, owner)
        _take_down(inputs, Supervisor(inputs.socket))


def _outputs(inputs: ServerInputs) -> Properties:
    return {"url": f"http://{inputs.host}:{inputs.port}{inputs.path}"}


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _obstacles(inputs: ServerInputs) -> list[Failure]:
    """A missing supervisor and a taken port fail before anything is changed."""
    supervisor = Supervisor(inputs.socket)
    try:
        supervisor.require()
    except UnreachableError as error:
        return [Failure("socket", str(error))]
    try:
        _refuse_taken(inputs, supervisor)
    except ProviderError as error:
        return [Failure("port", str(error))]
    return []


def _refuse_taken(inputs: ServerInputs, supervisor: Supervisor) -> None:
    if ports.is_free(inputs.host, inputs.port):
        return
    info = supervisor.info(inputs.process)
    ours = int(info["pid"]) if info else 0
    holders = ports.holders(inputs.host, inputs.port)
    strangers = [h for h in holders if not (h.pid and ours and ports.descends_from(h.pid, ours))]
    if holders and not strangers:
        return  # our own process, about to be left alone or restarted
    who = " and ".join(str(holder) for holder in strangers) or "a process that cannot be seen"
    free = ports.next_free(inputs.host, inputs.port)
    raise ProviderError(
        "port.taken",
        f"Port {inputs.port} on {inputs.host} is held by {who}. Nothing was changed. "
        f"Next free port: {free}.",
        f"end that process, or give {inputs.process} the port {free} in the settings.",
    )


def _refuse_foreign(call: Call, inputs: ServerInputs, supervisor: Supervisor) -> None:
    owner = server_files.owner_of(inputs)
    if owner not in (None, call.urn) or (owner is None and supervisor.info(inputs.process)):
        raise _foreign(inputs, owner)


def _foreign(inputs: ServerInputs, owner: str | None) -> ProviderError:
    whose = f"belongs to {owner}" if owner else "was not made by a stack"
    return ProviderError(
        "provider.failed",
        f"The supervised process {inputs.process} is there already and {whose}. "
        "Nothing was changed.",
        "remove it from the supervisor, or give the server another name.",
    )


def _bring_up(call: Call, inputs: ServerInputs, supervisor: Supervisor) -> None:
    """Started with these settings; a process that runs with them already is left alone."""
    info = supervisor.info(inputs.process)
    same = server_files.written_definition(inputs) == server_files.definition(inputs)
    if info and same:
        if info["statename"] not in RUNNING:
            supervisor.start(inputs.process)
        return
    supervisor.remove(inputs.process)
    server_files.write_files(inputs, call.urn)
    supervisor.reread()
    supervisor.add(inputs.process)


def _wait_for_answer(call: Call, inputs: ServerInputs, supervisor: Supervisor) -> None:
    """
    Until the port answers MCP. Raises HalfMadeError on a cancel: the process is there and is
    recorded.
    """
    ends = time.monotonic() + inputs.start_limit
    while True:
        if mcp_probe.answer(inputs.host, inputs.port, inputs.path):
            return
        info = supervisor.info(inputs.process)
        state = info["statename"] if info else "gone"
        if state in (*GIVEN_UP, "gone"):
            raise _not_answering(inputs, f"did not stay up ({state.lower()})")
        if time.monotonic() > ends:
            raise _not_answering(inputs, f"gave no MCP answer within {inputs.start_limit} s")
        if call.canceled.wait(POLL):
            reason = f"Canceled before {inputs.process} answered on port {inputs.port}."
            raise HalfMadeError(_outputs(inputs), reason)


def _not_answering(inputs: ServerInputs, what: str) -> ProviderError:
    said = server_files.last_words(inputs)
    return ProviderError(
        "provider.failed",
        f"{inputs.process} {what}." + (f" Its last words: {said}" if said else ""),
        f"read {server_files.log_path(inputs)}, and run again.",
    )


def _take_down(inputs: ServerInputs, supervisor: Supervisor) -> None:
    """Stopped, forgotten, and read back: the port is free and the supervisor does not know it."""
    server_files.remove_files(inputs)
    try:
        supervisor.remove(inputs.process)
        supervisor.reread()
        known = supervisor.info(inputs.process)
    except UnreachableError:
        known = None  # its processes ended with it; the port tells
    ends = time.monotonic() + RELEASE_LIMIT
    while not ports.is_free(inputs.host, inputs.port) and time.monotonic() < ends:
        time.sleep(POLL)
    holders = ports.holders(inputs.host, inputs.port)
    if known or (holders and _ours(inputs, holders)):
        who = str(holders[0]) if holders else "the supervisor"
        raise ProviderError(
            "provider.failed", f"{inputs.process} was stopped, but {who} is still there."
        )


def _ours(inputs: ServerInputs, holders: list[ports.Holder]) -> bool:
    """Whether a process that still holds the port was started from this server's files."""
    marks = (str(server_files.specification_path(inputs)), *inputs.command[1:2])
    for holder in holders:
        try:
            line = Path(f"/proc/{holder.pid}/cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if any(mark in line for mark in marks):
            return True
    return False
