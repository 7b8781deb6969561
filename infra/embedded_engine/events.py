"""
What a run says: engine events for the SDK, and lines on standard output for people.

Both come from one place, so they agree. Secret values never leave: in properties they are marked,
and in texts every secret configuration value of three characters or more is replaced.
"""

from __future__ import annotations

import asyncio
import math
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.embedded_engine.backend import dump_json
from infra.embedded_engine.state import Resource, urn_name
from infra.embedded_engine.values import masked

if TYPE_CHECKING:
    from infra.embedded_engine.executor import Step
    from infra.embedded_engine.operations import Task

FLAGS = {key: key for key in ("custom", "delete", "protect", "taint", "external")}
FLAGS |= {"retainOnDelete": "retain_on_delete", "initErrors": "init_errors"}
PREFIXES = {"error": "error: ", "warning": "warning: ", "debug": "debug: "}


class Events:
    """
    The voice of one run: to the address or file of `--event-log`, and to people.

    `on_broken` is called when nobody reads standard output any more.
    """

    def __init__(self, task: Task, on_broken: Callable[[], None]) -> None:
        self.planning = task.preview
        self._target = task.args.value("event-log")
        self._secrets = sorted((s for s in task.secret_texts if len(s) > 2), key=len, reverse=True)
        self._aloud = task.args.flag("diff")  # warnings on standard error, too
        self._on_broken = on_broken
        self._diagnostics: dict[str, list[str]] = {}
        self._queue: asyncio.Queue[str | None] = asyncio.Queue()
        self._sender: asyncio.Task[None] | None = None
        self._sequence = 0

    def _send(self, kind: str, body: Mapping[str, Any]) -> None:
        if not self._target:
            return
        event = {"sequence": self._sequence, "timestamp": int(time.time()), kind: body}
        self._sequence += 1
        self._queue.put_nowait(dump_json(event))
        if self._sender is None:
            to_server = self._target.startswith("tcp://")
            send = self._to_server() if to_server else self._to_file()
            self._sender = asyncio.create_task(send)

    async def _queued(self) -> AsyncIterator[str]:
        while (text := await self._queue.get()) is not None:
            yield text

    async def _to_server(self) -> None:
        import grpc  # noqa: PLC0415 - a run without it needs none
        from pulumi.runtime.proto import events_pb2, events_pb2_grpc  # noqa: PLC0415 - the same

        async with grpc.aio.insecure_channel(self._target.removeprefix("tcp://")) as channel:
            stub: Any = events_pb2_grpc.EventsStub(channel)
            call = stub.StreamEvents()
            async for text in self._queued():
                await call.write(events_pb2.EventRequest(event=text))
            await call.done_writing()
            await call

    async def _to_file(self) -> None:
        with Path(self._target).open("a", 1, encoding="utf-8") as file:  # noqa: ASYNC230 - lines
            async for text in self._queued():
                file.write(text + "\n")

    async def close(self) -> None:
        """Waits until the receiver has confirmed all; one that is gone is no failure of the run."""
        if self._sender is not None:
            self._queue.put_nowait(None)
            try:
                await asyncio.wait_for(self._sender, 30)
            except Exception as error:  # noqa: BLE001 - whatever became of the listener
                sys.stderr.write(f"warning: the event log was cut short: {error}\n")

    def _mask(self, value: Any) -> Any:
        """The value with every secret configuration text replaced, at any depth."""
        if not self._secrets:
            return value
        if isinstance(value, str):
            for text in self._secrets:
                value = value.replace(text, "[secret]")
            return value
        if isinstance(value, dict):
            return {k: self._mask(v) for k, v in value.items()}
        return [self._mask(v) for v in value] if isinstance(value, list) else value

    def say(self, text: str) -> None:
        """A line for people. A reader that is gone ends the run as an interrupt would."""
        try:
            sys.stdout.write(self._mask(text) + "\n")
            sys.stdout.flush()
        except BrokenPipeError:
            sys.stdout = open("/dev/null", "w", encoding="utf-8")  # noqa: SIM115, PTH123 - till the end
            self._on_broken()

    def prelude(self, config: Mapping[str, str]) -> None:
        self._send("preludeEvent", {"config": dict(config)})

    def log(
        self, severity: str, text: str, urn: str = "", stream: int = 0, *, ephemeral: bool = False
    ) -> None:
        text = self._mask(text)
        if not text.strip():
            return
        prefix = PREFIXES.get(severity, "")
        message = text if text.endswith("\n") else text + "\n"
        body = {"prefix": prefix, "message": message, "color": "never", "severity": severity}
        more = {"urn": urn, "streamID": stream, "ephemeral": ephemeral}
        self._send("diagnosticEvent", body | {k: v for k, v in more.items() if v})
        if severity != "debug" and not ephemeral:
            self._diagnostics.setdefault(urn, []).append(prefix + text.rstrip())
        if self._aloud and severity == "warning":
            sys.stderr.write(prefix + text.rstrip() + "\n")

    def before(self, step: Step) -> None:
        self._resource("resourcePreEvent", step, step.op)

    def after(self, step: Step, op: str = "") -> None:
        op = op or step.op
        self._resource("resOutputsEvent", step, op)
        if op != "same":
            self.say(f"    {urn_name(step.urn)} ({step.resource.type}): {op} done")

    def failed(self, step: Step, status: int, counted: int) -> None:
        self._resource("resOpFailedEvent", step, step.op, status=status, steps=counted)

    def _resource(self, kind: str, step: Step, op: str, **more: int) -> None:
        metadata: dict[str, Any] = {
            "op": op,
            "urn": step.urn,
            "type": step.resource.type,
            "old": _shown(step.old),
            "new": _shown(step.new),
            "detailedDiff": step.diff.detailed or None,
            "provider": step.resource.provider,
        }
        lists = {"keys": step.diff.replaces, "diffs": step.diff.keys, "logical": step.logical}
        metadata |= {key: value for key, value in lists.items() if value}
        planning = {"planning": True} if self.planning else {}
        self._send(kind, {"metadata": self._mask(metadata), **planning, **more})

    async def summary(
        self, seconds: float, changes: Mapping[str, int], *, ok: bool, corrupt: bool
    ) -> None:
        """The end of the run: diagnostics and counts for people, then the last two events."""
        if self._diagnostics:
            self.say("\nDiagnostics:")
        for urn, texts in self._diagnostics.items():
            self.say(f"  {urn_name(urn) if urn else 'run'}:")
            for text in texts:
                self.say("    " + text.replace("\n", "\n    "))
        if changes:
            counts = ", ".join(f"{n} {op}" for op, n in sorted(changes.items()))
            self.say(f"\nResources:\n    {counts}")
        self.say(f"\nDuration: {math.ceil(seconds)}s")
        body = {
            "maybeCorrupt": corrupt,
            "durationSeconds": math.ceil(seconds),
            "resourceChanges": dict(changes),
            "PolicyPacks": {},
            "isPreview": self.planning,
            "result": "succeeded" if ok else "failed",
        }
        self._send("summaryEvent", body)
        self._send("cancelEvent", {})
        await self.close()


def _shown(resource: Resource | None) -> dict[str, Any] | None:
    if resource is None:
        return None
    out = {key: getattr(resource, key) for key in ("type", "urn", "id", "parent", "provider")}
    out |= {key: masked(getattr(resource, key)) for key in ("inputs", "outputs")}
    return out | {key: value for key, name in FLAGS.items() if (value := getattr(resource, name))}
