"""
Provider plugins as processes, and provider resources: `pulumi:providers:PACKAGE`.

A plugin is an executable `pulumi-resource-NAME`. It gets the engine's address as its argument and
prints the port on which it serves the provider protocol. `PULUMI_DEBUG_PROVIDERS` names ports of
providers that run already; those are attached, and never ended.

The registry serves provider resources as a provider serves its own (check, diff, make, delete), and
finds the configured provider for a reference `URN::ID`. One plugin runs for each instance: that
which checked the new inputs is configured afterwards. Providers of old resources which the program
no longer registers are started from the state when something needs them.
"""

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import uuid
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import grpc

from infra.embedded_engine import diffs, goals, state, values
from infra.embedded_engine.calls import Failed, Failures, Provider, public
from infra.embedded_engine.errors import RefusedError
from infra.embedded_engine.workspace import Workspace

LIMIT = 400 * 1024 * 1024  # bytes of one message
CHANNEL = (
    ("grpc.max_receive_message_length", LIMIT),
    ("grpc.max_send_message_length", LIMIT),
    ("grpc.enable_http_proxy", 0),
    # One connection for each plugin instance, as the CLI has it: an attached provider tells its
    # instances, and whom a Cancel concerns, by the connection.
    ("grpc.use_local_subchannel_pool", 1),
)
START_SECONDS = 60
ATTACH_SECONDS = 10
STOP_SECONDS = 5

Log = Callable[[str, str], None]  # severity and text
Register = Callable[[goals.Goal], Awaitable[state.Resource]]


class Plugins:
    """Finds and starts the plugins of one run, and ends them all."""

    def __init__(self, workspace: Workspace, engine_address: str, log: Log) -> None:
        self._workspace = workspace
        self._engine = engine_address
        self._log = log
        self._running: list[Provider] = []
        self._processes: list[Process] = []
        attached = workspace.environ.get("PULUMI_DEBUG_PROVIDERS", "").split(",")
        self._attached = dict(entry.rsplit(":", 1) for entry in attached if ":" in entry)

    def find(self, name: str, version: str = "") -> Path:
        """The executable; Failed when there is none. Warns when it is an ambient one."""
        executable = f"pulumi-resource-{name}"
        environ = self._workspace.environ
        found = shutil.which(executable, path=environ.get("PATH"))
        if found and environ.get("PULUMI_IGNORE_AMBIENT_PLUGINS") not in ("true", "1"):
            self._log("warning", f"using {executable} from $PATH at {found}")
            return Path(found)
        folder = self._installed(name, version)
        if folder is None:
            wanted = f"the workspace{f' at version v{version}' if version else ''}"
            raise Failed(f"no resource plugin '{executable}' found in {wanted} or on your $PATH")
        if not (folder / executable).exists():
            raise RefusedError("plugins that need a language host")
        return folder / executable

    def _installed(self, name: str, version: str) -> Path | None:
        """The folder of the plugin in PULUMI_HOME: of that version, or the highest released."""
        found = []
        for folder in (self._workspace.home / "plugins").glob(f"resource-{name}-v*"):
            given = folder.name.removeprefix(f"resource-{name}-v")
            if not folder.is_dir() or folder.with_name(f"{folder.name}.partial").exists():
                continue
            if given == version or (not version and re.fullmatch(r"[0-9.]+", given)):
                found.append((_rank(given), folder))
        return max(found)[1] if found else None

    async def start(self, name: str, version: str, config: Mapping[str, Any]) -> Provider:
        if name in self._attached:
            channel = await _connect(name, int(self._attached[name]), ATTACH_SECONDS)
            provider = Provider(name, channel, lambda: channel.close(None))
            await provider.handshake(self._engine, None)
        else:
            provider = await self._spawn(name, self.find(name, version), config)
        self._running.append(provider)
        return provider

    async def _spawn(self, name: str, path: Path, config: Mapping[str, Any]) -> Provider:
        own = {"PULUMI_PROJECT": self._workspace.project.name, "PULUMI_CONFIG": json.dumps(config)}
        pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), PIPE)
        try:
            process = await asyncio.create_subprocess_exec(
                str(path),
                self._engine,
                **pipes,
                env={**self._workspace.environ, **own},
                process_group=0,  # a terminal's Ctrl-C is for the engine alone
            )
        except OSError as error:
            raise Failed(f"could not start plugin [{path}]: {error}") from error
        assert process.stdout
        assert process.stderr
        self._processes.append(process)
        try:
            port = int(await asyncio.wait_for(process.stdout.readline(), START_SECONDS))
        except (TimeoutError, ValueError) as error:
            _kill(process, signal.SIGKILL)
            said = (await process.stderr.read()).decode(errors="replace").strip()
            status = f"exit status {await process.wait()}{': ' if said else ''}{said}"
            text = f"could not read plugin [{path}]: it printed no port and ended with {status}"
            raise Failed(text) from error
        drains = [asyncio.create_task(self._drain(s)) for s in (process.stdout, process.stderr)]
        channel = await _connect(name, port, START_SECONDS)
        provider = Provider(name, channel, lambda: _stop(process, channel, drains))
        await provider.handshake(self._engine, str(path.parent))
        return provider

    async def _drain(self, stream: asyncio.StreamReader) -> None:
        with contextlib.suppress(ValueError):  # a line longer than the reader's limit
            async for line in stream:
                self._log("debug", line.decode(errors="replace").rstrip())

    async def cancel(self) -> None:
        await asyncio.gather(*(provider.cancel() for provider in self._running))

    async def stop(self) -> None:
        """Ends all of them; the CLI says Cancel to each of them first, also after a success."""
        await asyncio.gather(*(self.stop_one(provider) for provider in list(self._running)))

    def kill(self) -> None:
        for process in self._processes:
            _kill(process, signal.SIGKILL)

    async def stop_one(self, provider: Provider) -> None:
        if provider in self._running:
            self._running.remove(provider)
            await provider.cancel()
            await provider.close()


async def _connect(name: str, port: int, seconds: float) -> grpc.aio.Channel:
    channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=CHANNEL)
    try:
        await asyncio.wait_for(channel.channel_ready(), seconds)
    except TimeoutError as error:
        await channel.close(None)
        text = f"{name} plugin [port {port}] did not begin responding to RPC connections"
        raise Failed(text) from error
    return channel


async def _stop(
    process: Process, channel: grpc.aio.Channel, drains: list[asyncio.Task[None]]
) -> None:
    await channel.close(None)
    _kill(process, signal.SIGINT)
    try:
        await asyncio.wait_for(process.wait(), STOP_SECONDS)
    except TimeoutError:
        _kill(process, signal.SIGKILL)
        await process.wait()
    for drain in drains:
        drain.cancel()


def _kill(process: Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def package_of(type_: str) -> str:
    return type_.removeprefix(state.PROVIDER_PREFIX).split(":")[0]


def is_default(resource: state.Resource) -> bool:
    name = state.urn_name(resource.urn)
    return state.is_provider(resource.type) and (name == "default" or name.startswith("default_"))


class Registry:
    """All providers of one run. `config` maps a full key to its text, secret ones as Secret."""

    def __init__(
        self, plugins: Plugins, olds: Iterable[state.Resource], config: Mapping[str, Any]
    ) -> None:
        self._plugins = plugins
        self._config = config
        self._checked: dict[str, Provider] = {}  # URN → plugin not configured yet
        self._live: dict[str, asyncio.Future[Provider]] = {}  # reference → configured provider
        self._defaults: dict[tuple[str, str, str], asyncio.Future[str]] = {}
        self._waiting: dict[tuple[str, str, str], list[asyncio.Future[None]]] = {}
        self._olds = {f"{r.urn}::{r.id}": r for r in olds if state.is_provider(r.type)}
        self._versions = _newest_versions(self._olds.values())

    async def serving(self, resource: state.Resource) -> Any:
        """Who answers the calls for a custom resource: this registry, or a plugin."""
        return self if state.is_provider(resource.type) else await self.get(resource.provider)

    async def get(self, reference: str) -> Provider:
        """The provider of a reference; Failed when there is none or it cannot start."""
        if reference not in self._live:
            if reference not in self._olds:
                raise Failed(f"unknown provider '{reference}'")
            self._live[reference] = asyncio.ensure_future(self._start_old(self._olds[reference]))
        return await asyncio.shield(self._live[reference])

    async def _start_old(self, old: state.Resource) -> Provider:
        provider = await self._start(old.type, old.inputs)
        provider.configure(old)
        return provider

    async def _start(self, type_: str, inputs: Mapping[str, Any]) -> Provider:
        package = package_of(type_)
        config = self._config if package == "pulumi-python" else self._inputs(package)
        version = values.plain(inputs.get("version")) or ""
        return await self._plugins.start(package, str(version), values.plain(dict(config)))

    def _inputs(self, package: str) -> dict[str, Any]:
        start = f"{package}:"
        return {k.removeprefix(start): v for k, v in self._config.items() if k.startswith(start)}

    async def default(self, goal: goals.Goal, type_: str, register: Register) -> str:
        """The reference of the default provider for a type, registered when first asked for."""
        package = package_of(type_)
        if package == "pulumi":
            raise RefusedError(f"the built-in package (stack references; {type_})")
        setting = values.plain(self._config.get("pulumi:disable-default-providers"))
        disabled = json.loads(setting or "[]")
        if package in disabled or "*" in disabled:
            must = f"'{type_}' must use an explicit provider."
            raise Failed(f"Default provider for '{package}' disabled. {must}")
        version = (goal.version or self._versions.get(package, "")).removeprefix("v")
        key = (package, version, goal.download_url)
        if key not in self._defaults:
            wanted = goals.default_provider(*key, self._inputs(package))
            self._defaults[key] = found = asyncio.ensure_future(_reference(register, wanted))
            found.add_done_callback(lambda _: self._wake(key))
        if not self._defaults[key].done():
            turn = asyncio.get_running_loop().create_future()
            self._waiting.setdefault(key, []).append(turn)
            await turn
        return await asyncio.shield(self._defaults[key])

    def _wake(self, key: tuple[str, str, str]) -> None:
        """Those who waited for a default provider go on in reverse order, as with the CLI."""
        for turn in reversed(self._waiting.pop(key, [])):
            if not turn.done():
                turn.set_result(None)

    async def check(
        self, urn: str, olds: Mapping[str, Any], news: dict[str, Any], _seed: bytes
    ) -> tuple[dict[str, Any], Failures]:
        """Starts the plugin that will be configured if the inputs are good."""
        provider = await self._start(state.urn_type(urn), news)
        if stale := self._checked.pop(urn, None):
            await self._plugins.stop_one(stale)
        self._checked[urn] = provider
        inputs, failures = await provider.check_config(urn, public(olds), public(news))
        return {**inputs, **{k: news[k] for k in ("__internal", "version") if k in news}}, failures

    async def diff(self, old: state.Resource, news: Mapping[str, Any]) -> diffs.Diff:
        diff = await self._checked[old.urn].diff_config(old.urn, old, news)
        if diff.changed is None:
            diff.changed = not values.same(public(old.outputs), public(news))
        return diff

    async def keep(self, old: state.Resource, new: state.Resource) -> None:
        """The provider stays as it is: configured as it was, unless it runs since a refresh."""
        if f"{new.urn}::{new.id}" in self._live:
            await self._plugins.stop_one(self._checked.pop(new.urn))
        else:
            self._configure(new, old)

    def _configure(self, new: state.Resource, source: state.Resource) -> None:
        provider = self._checked.pop(new.urn)
        provider.configure(source)
        self._live[f"{new.urn}::{new.id}"] = future = asyncio.get_running_loop().create_future()
        future.set_result(provider)

    async def make(
        self, old: state.Resource | None, new: state.Resource, _seconds: float, *, preview: bool
    ) -> tuple[str, dict[str, Any]]:
        new.id = old.id if old else values.UNKNOWN_TEXT if preview else str(uuid.uuid4())
        self._configure(new, new)
        return new.id, public(new.inputs)

    async def delete(self, old: state.Resource, _seconds: float) -> None:
        future = self._live.pop(f"{old.urn}::{old.id}", None)
        if future is not None:
            await self._plugins.stop_one(await future)

    async def read(self, resource: state.Resource, *_: Any) -> Any:
        raise Failed(f"provider resources may not be read: {resource.urn}")


async def _reference(register: Register, goal: goals.Goal) -> str:
    made = await register(goal)
    return f"{made.urn}::{made.id}"


def _newest_versions(olds: Iterable[state.Resource]) -> dict[str, str]:
    """For each package the highest version that a provider of the old state asks for."""
    pairs = ((package_of(o.type), str(values.plain(o.inputs.get("version")) or "")) for o in olds)
    return dict(sorted((p for p in pairs if p[1]), key=lambda pair: _rank(pair[1])))


def _rank(version: str) -> tuple[list[int], str]:
    return [int(part) for part in re.findall(r"\d+", version.partition("-")[0])], version
