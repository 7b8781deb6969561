"""
The SDK's command runner with a run of our own: one engine process in a session of its own.

What the SDK's own does not do: output in files, an environment from nothing, pid and exit code
reported, a place
for the interrupt to reach.
"""

import os
import signal
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pulumi.automation import CommandResult, PulumiCommand
from pulumi.automation._cmd import OnOutput
from pulumi.automation.errors import create_command_error

from infra.engine_host.engines import Engine
from infra.engine_host.output import Tail
from infra.engine_host.processes import kill_session, start_ticks
from infra.engine_host.protocol import Lines
from infra.engine_host.surroundings import path_first
from infra.orchestra_provider.version import NAME

READ_BACK = 256 * 1024  # bytes of output that the SDK gets to see, from the end


class CanceledBeforeStartError(Exception):
    """A cancel came before the engine process was started."""


class HostCommand(PulumiCommand):
    """Runs engine processes one at a time, each in its own session."""

    def __init__(
        self, engine: Engine, environment: Mapping[str, str], lines: Lines, folder: Path
    ) -> None:
        # The parent's constructor would run `version` once more.
        self.command = engine.executable
        self.version = engine.parsed
        self.exit_code: int | None = None
        self._environment = path_first(environment, str(Path(engine.executable).parent))
        self._lines = lines
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._canceled = False

    def run(
        self,
        args: list[str],
        cwd: str,
        additional_env: Mapping[str, str],
        on_output: OnOutput | None = None,  # noqa: ARG002 (the parent's signature)
        on_error: OnOutput | None = None,  # noqa: ARG002 (the same)
    ) -> CommandResult:
        """
        As the parent's: raises CommandError and its kin. Output reaches the host's lines, not the
        callbacks.
        """
        command = [self.command, "--non-interactive", *_keep_preview(args)]
        environment = {**self._environment, "PULUMI_AUTOMATION_API": "true"}
        if "PULUMI_DEBUG_COMMANDS" in additional_env:
            environment["PULUMI_DEBUG_COMMANDS"] = additional_env["PULUMI_DEBUG_COMMANDS"]
        files = [self._open(name) for name in ("stdout", "stderr")]
        tails = [self._tail(name) for name in ("stdout", "stderr")]
        try:
            self._start(command, cwd, environment, files)
            self.exit_code = self._wait()
        finally:
            for file in files:
                os.close(file)
            for tail in tails:
                tail.finish()
        texts = [self._since(name, tails[n].start) for n, name in enumerate(("stdout", "stderr"))]
        result = CommandResult(stdout=texts[0], stderr=texts[1], code=self.exit_code)
        if self.exit_code != 0:
            raise create_command_error(result)
        return result

    def interrupt(self) -> None:
        """One SIGINT to the running engine process; those not yet started never are."""
        with self._lock:
            self._canceled = True
            if self._process and self._process.poll() is None:
                self._process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        """SIGKILL to everything in the session of the running engine process."""
        with self._lock:
            if self._process and self._process.poll() is None:
                kill_session(self._process.pid)

    def attach_provider(self, port: int) -> None:
        """Engines started from now on use the provider on this port."""
        self._environment["PULUMI_DEBUG_PROVIDERS"] = f"{NAME}:{port}"

    def _start(
        self, command: list[str], cwd: str, environment: dict[str, str], files: list[int]
    ) -> None:
        with self._lock:
            if self._canceled:
                raise CanceledBeforeStartError
            self._process = subprocess.Popen(
                command,
                cwd=cwd,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=files[0],
                stderr=files[1],
                start_new_session=True,
            )
        pid = self._process.pid
        self._lines.write("engine", pid=pid, start_ticks=start_ticks(pid), command=command)

    def _wait(self) -> int:
        assert self._process is not None
        code = self._process.wait()
        self._lines.write("engine_exit", pid=self._process.pid, code=code)
        return code

    def _open(self, name: str) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        return os.open(self._folder / f"{name}.log", flags, 0o600)

    def _tail(self, name: str) -> Tail:
        def report(text: str) -> None:
            self._lines.write("output", stream=name, text=text)

        return Tail(self._folder / f"{name}.log", report)

    def _since(self, name: str, start: int) -> str:
        with (self._folder / f"{name}.log").open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(start, end - READ_BACK))
            text = file.read().decode("utf-8", errors="replace")
        return "\n".join(line.rstrip() for line in text.splitlines())


def _keep_preview(args: list[str]) -> list[Any]:
    """
    The SDK always skips the engine's preview. With a plan it must run: then a violation is found
    before the first change, under the same lock.
    """
    kept = [arg for arg in args if arg != "--non-interactive"]
    return [arg for arg in kept if arg != "--skip-preview"] if "--plan" in kept else kept
