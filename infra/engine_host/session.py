"""Carries a request through a host and turns every way of failing into a verdict."""

import errno
import traceback
from collections.abc import Callable
from typing import Any

from pulumi.automation.errors import CommandError

from infra.engine_host.backend import StateDamagedError
from infra.engine_host.command import CanceledBeforeStartError, HostCommand
from infra.engine_host.control import Stopper
from infra.engine_host.engines import Engine
from infra.engine_host.host import Host, result_keys
from infra.engine_host.passphrase import WrongPassphraseError
from infra.engine_host.programs import ProgramMissingError
from infra.engine_host.protocol import Lines, Request
from infra.engine_host.services import SERVICES
from infra.engine_host.verdict import Verdict, judge_failure
from infra.engine_host.workspace_files import SettingsError, read_salt

_REFUSALS: tuple[tuple[type[Exception], str], ...] = (
    (ProgramMissingError, "program.missing"),
    (SettingsError, "settings.malformed"),
    (WrongPassphraseError, "passphrase.wrong"),
    (StateDamagedError, "state.damaged"),
)


def run_session(
    request: Request,
    engine: Engine,
    environment: dict[str, str],
    lines: Lines,
    stopper: Stopper,
) -> dict[str, Any]:
    """The keys of the result line."""
    command = HostCommand(engine, environment, lines, request.work_dir)
    host = Host(request, command, lines, stopper)
    stopper.attach(command)
    stopper.watch_time(request.time_limit)
    verdict = _guarded(host)
    return dict(result_keys(host, verdict, read_salt(request) or request.encryption_salt))


def _guarded(host: Host) -> Verdict:
    service = SERVICES.get(host.request.operation)
    action: Callable[[], Verdict] = (lambda: service(host)) if service else host.operate
    try:
        return action()
    except CanceledBeforeStartError:
        return Verdict("canceled", "run.canceled", "Canceled before the engine was started.")
    except CommandError as error:
        return judge_failure(host.journal, host.command.exit_code, str(error))
    except tuple(kind for kind, _ in _REFUSALS) as error:
        code = next(code for kind, code in _REFUSALS if isinstance(error, kind))
        return Verdict("refused", code, str(error))
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return Verdict("errored", "disk.full", f"Writing {error.filename} failed: disk full.")
        traceback.print_exc()
        return Verdict("errored", "host.broken", f"The engine host failed: {error.strerror}.")
