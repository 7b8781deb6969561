"""Carries out one engine operation through the Automation API."""

from collections.abc import Callable
from typing import Any, cast

from pulumi.automation import LocalWorkspace
from pulumi.automation._stack import ImportResource
from pulumi.automation.errors import CommandError, StackNotFoundError

from infra.engine_host.command import HostCommand
from infra.engine_host.journal import Journal
from infra.engine_host.protocol import Request
from infra.engine_host.stack import HostStack

NO_SUCH_STACK = 6  # exit code of the CLI


class Operation:
    """One request on one stack. `journal` tells afterwards what the engine said."""

    def __init__(
        self,
        request: Request,
        command: HostCommand,
        journal: Journal,
        program: Callable[[], Any],
    ) -> None:
        self._request = request
        self._command = command
        workspace = LocalWorkspace(
            work_dir=str(request.work_dir),
            pulumi_home=str(request.pulumi_home),
            program=program,
            pulumi_command=command,
        )
        self._stack = HostStack(request.stack, workspace, journal.take)

    def carry_out(self) -> None:
        """Raises CommandError when the engine process does not exit with 0."""
        try:
            self._once()
        except StackNotFoundError:
            if self._command.exit_code != NO_SUCH_STACK:
                raise
            self._command.run(
                ["stack", "init", self._request.stack], str(self._request.work_dir), {}
            )
            self._once()

    def _once(self) -> None:
        try:
            getattr(self, f"_{self._request.operation}")()
        except CommandError:
            raise
        except RuntimeError:
            # "summary event never found": the SDK insists on one where there was nothing to do.
            if self._command.exit_code != 0:
                raise

    def _preview(self) -> None:
        if self._request.destroy:
            self._stack.preview_destroy(**self._common(), refresh=self._request.refresh)
            return
        self._stack.preview(
            **self._common(), refresh=self._request.refresh, plan=self._request.plan
        )

    def _update(self) -> None:
        self._stack.up(
            **self._common(),
            show_secrets=False,
            refresh=self._request.refresh,
            plan=self._request.plan,
        )

    def _refresh(self) -> None:
        self._stack.refresh(
            **self._common(),
            show_secrets=False,
            clear_pending_creates=self._request.clear_pending_creates,
        )

    def _destroy(self) -> None:
        self._stack.destroy(**self._common(), show_secrets=False, refresh=self._request.refresh)

    def _drift(self) -> None:
        self._stack.preview_refresh(**self._common())

    def _import(self) -> None:
        resources = [cast("ImportResource", dict(entry)) for entry in self._request.imports]
        self._stack.import_resources(
            message=self._message(),
            resources=resources,
            protect=False,
            generate_code=False,
            show_secrets=False,
        )

    def _common(self) -> dict[str, Any]:
        return {
            "message": self._message(),
            "color": "never",
            "suppress_progress": True,
            "suppress_outputs": True,
            "parallel": self._request.parallel,
            "target": list(self._request.targets) or None,
            # The raw events go to the journal; this callback makes the SDK ask for events at all.
            "on_event": lambda _event: None,
        }

    def _message(self) -> str:
        return f"run {self._request.run}"
