"""
The broker of the embedded topology: kombu's folder of files, with two things mended.

A message appears whole: kombu makes the file first and writes it afterwards, and a worker that
looks in between reads nothing and fails over it. And a consumer is woken instead of looking twenty
times a second. A wake-up may be lost; whoever waits looks by itself once a second.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import time
import uuid
from pathlib import Path
from queue import Empty
from typing import Any

from kombu.exceptions import ChannelError
from kombu.transport import TRANSPORT_ALIASES, filesystem
from kombu.utils.json import dumps, loads

# Seconds between two looks of a consumer that nobody wakes.
NET_SECONDS = 1.0


def register() -> None:
    """Has `filesystem://` mean this transport, in a process that sends or takes hints."""
    TRANSPORT_ALIASES["filesystem"] = f"{__name__}:Transport"


class Channel(filesystem.Channel):
    """Messages are files `<time>_<id>.<queue>.msg` that appear whole and in their order."""

    def _put(self, queue: str, message: Any, **_: Any) -> None:  # type: ignore[override]  # kombu's own two disagree on a name
        name = f"{time.time_ns():020d}_{uuid.uuid4().hex}.{queue}.msg"
        folder = Path(self.data_folder_out)
        hidden = folder / f".{name}"
        try:
            hidden.write_text(dumps(message), encoding="utf-8")
            hidden.rename(folder / name)
        except OSError as error:
            hidden.unlink(missing_ok=True)
            text = f"The message {name} could not be put into {folder}: {error}"
            raise ChannelError(text) from error
        wake(ears(self.control_folder))

    def _get(self, queue: str, timeout: float | None = None) -> Any:  # noqa: ARG002 - kombu's own signature
        ending = f"{queue}.msg"
        folder = Path(self.data_folder_in)
        names = [name for name in os.listdir(folder) if name.partition(".")[2] == ending]  # noqa: PTH208 - asked often; a third of the cost
        for name in sorted(names):
            path = folder / name
            # Whoever removes it has it; another consumer may have been quicker.
            with contextlib.suppress(FileNotFoundError):
                text = path.read_text(encoding="utf-8")
                path.unlink()
                return loads(text)
        raise Empty


class Transport(filesystem.Transport):
    """Consumers wait to be woken, not for the clock."""

    Channel = Channel

    def __init__(self, client: Any, **given: Any) -> None:
        super().__init__(client, **given)
        self._ear: Ear | None = None
        self._options: dict[str, Any] = client.transport_options
        # kombu sets it in its constructor and types it as if it might not.
        self._cycle: Any = self.cycle

    def drain_events(self, connection: Any, timeout: float | None = None, **_: Any) -> None:  # noqa: ARG002 - kombu's own signature
        """Hands over one message; TimeoutError when none came within `timeout` seconds."""
        if self._ear is None:
            folder = ears(Path(self._options["control_folder"]))
            self._ear = Ear(folder, self.polling_interval or NET_SECONDS)
        until = None if timeout is None else time.monotonic() + timeout
        while True:
            try:
                self._cycle.get(self._deliver, timeout=timeout)
            except Empty:
                left = NET_SECONDS if until is None else until - time.monotonic()
                if left <= 0:
                    raise TimeoutError from None
                self._ear.wait(left)
            else:
                return

    def close_connection(self, connection: Any) -> None:
        """Ends the channels, and nobody is to wake this one any more."""
        super().close_connection(connection)
        if self._ear is not None:
            self._ear.close()
            self._ear = None


class Ear:
    """A named pipe of this consumer; without one it looks every `poll` seconds, as kombu's own."""

    def __init__(self, folder: Path, poll: float) -> None:
        self._poll = poll
        self._path = folder / f"{os.getpid()}-{uuid.uuid4().hex[:8]}.ear"
        # A pipe that nobody reads yet is removed by whoever finds it, so it is opened first.
        hidden = self._path.with_suffix(".new")
        self._pipe: int | None = None
        with contextlib.suppress(OSError):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.mkfifo(hidden, 0o600)
            self._pipe = os.open(hidden, os.O_RDWR | os.O_NONBLOCK)
            hidden.rename(self._path)

    def wait(self, seconds: float) -> None:
        """Until somebody wakes us, at most `seconds`, and never beyond the next look of our own."""
        if self._pipe is None:
            time.sleep(min(seconds, self._poll))
            return
        select.select([self._pipe], [], [], min(seconds, NET_SECONDS))
        with contextlib.suppress(BlockingIOError):
            while True:
                os.read(self._pipe, 4096)

    def close(self) -> None:
        if self._pipe is not None:
            self._path.unlink(missing_ok=True)
            os.close(self._pipe)
            self._pipe = None


def ears(control_folder: Path) -> Path:
    """Where consumers keep their pipes."""
    return control_folder / "ears"


def wake(folder: Path) -> None:
    """Tells every consumer that there is something to take. Never raises, never waits for one."""
    for path in folder.glob("*.ear"):
        try:
            pipe = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno == errno.ENXIO:
                # Its consumer was killed.
                path.unlink(missing_ok=True)
            continue
        # A full pipe: it is awake already.
        with contextlib.suppress(OSError):
            os.write(pipe, b"\0")
        os.close(pipe)
