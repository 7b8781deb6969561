"""
The Pulumi CLI where it can be had at once; otherwise the embedded engine, in one line and
without waiting.

The portal itself chooses the engine for each run (`PULUMI_ROOT`, `PATH`, this copy, embedded
engine). Here only the third of them is brought onto the machine.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time

from orchestra_portal.start.place import Place

TIME_LIMIT = 10.0
TRY_AGAIN_AFTER = 24 * 3600
# Runs in the virtual environment, where the SDK knows the version it fits.
INSTALL = """
import sys
from pulumi.automation import PulumiCommand
print(PulumiCommand.install(root=sys.argv[1]).version)
"""


class EngineDownload:
    """
    One try to install the Pulumi CLI beside the rest of the start.

    `finish` waits for it at most until its limit. The download goes to a folder of its own, so that
    an interrupted one is never mistaken for an engine.
    """

    def __init__(self, place: Place, time_limit: float = TIME_LIMIT) -> None:
        self.folder = place.home / "engine"
        self.partial = place.home / "engine.partial"
        self.record = place.home / "engine.json"
        self.output = place.log / "engine-install.log"
        self.place = place
        self.time_limit = time_limit
        self.process: subprocess.Popen[bytes] | None = None
        self.began = time.monotonic()
        self.text = self.known_answer()

    def known_answer(self) -> str:
        """What is known without a download; empty when one is worth a try."""
        root = self.place.settings.get("PULUMI_ROOT")
        if root:
            return f"Pulumi CLI in {root} (PULUMI_ROOT)"
        if found := shutil.which("pulumi", path=self.place.settings.get("PATH")):
            return f"Pulumi CLI {found}"
        if os.access(self.folder / "bin" / "pulumi", os.X_OK):
            return f"Pulumi CLI {self.folder / 'bin' / 'pulumi'}"
        if is_off(self.place.settings.get("ENGINE_DOWNLOAD")):
            return "embedded (ENGINE_DOWNLOAD is off)"
        return self.recent_failure()

    def recent_failure(self) -> str:
        """The line about a failed try of the last day; empty when there was none."""
        try:
            last = json.loads(self.record.read_text())
            age = time.time() - float(last["tried_at"])
        except (OSError, ValueError, KeyError, TypeError):
            return ""
        if not 0 <= age < TRY_AGAIN_AFTER:
            return ""
        hours = f"{age / 3600:.0f} h ago" if age >= 3600 else "less than an hour ago"
        return f"embedded (the Pulumi CLI could not be fetched {hours}: {last.get('reason')})"

    def start(self) -> None:
        """
        Begins the download in a session of its own, so that it can be ended with all its
        children.
        """
        if self.text:
            return
        shutil.rmtree(self.partial, ignore_errors=True)
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [str(self.place.python), "-c", INSTALL, str(self.partial)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def finish(self) -> str:
        """
        One line: which engine there is. Waits for a download that runs, never longer than its
        limit.
        """
        if self.process is None:
            return self.text
        left = self.began + self.time_limit - time.monotonic()
        try:
            code = self.process.wait(max(left, 0))
            reason = "" if code == 0 else self.last_line()
        except subprocess.TimeoutExpired:
            reason = f"not done within {self.time_limit:.0f} s"
        finally:
            self.end()
        if reason:
            self.record.write_text(json.dumps({"tried_at": time.time(), "reason": reason}))
            shutil.rmtree(self.partial, ignore_errors=True)
            return f"embedded (no Pulumi CLI could be fetched: {reason}; next try in a day)"
        shutil.rmtree(self.folder, ignore_errors=True)
        self.partial.rename(self.folder)
        return f"Pulumi CLI {self.folder / 'bin' / 'pulumi'}, fetched now"

    def end(self) -> None:
        """Leaves no process of the download behind."""
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process = None

    def last_line(self) -> str:
        """The installer's last words, short enough for one line."""
        text = self.output.read_text(errors="replace").strip() or "the installer said nothing"
        last = text.splitlines()[-1].strip()
        # "urllib.error.URLError: <urlopen error [Errno -2] Name or service not known>"
        return last.rpartition("<urlopen error ")[2].removesuffix(">")[:100]


def is_off(text: str | None) -> bool:
    """Whether a setting says no, in django-environ's words."""
    return text is not None and text.strip().lower() in {"0", "false", "no", "off", "n", "f"}
