"""
The real engine host, which kills somebody at a line of its own: `killing_host.py WISH`.

WISH is a file: `{"operation", "line", "victim": "run"|"host"|"engine", "ledger"}`. Every start of a
host is noted in the ledger, with the engines of the same stack that ran at that moment.
"""

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from infra.engine_host import __main__ as real  # noqa: E402 - found by the line above
from infra.engine_host.protocol import Lines  # noqa: E402 - the same

WISH = Path(sys.argv[1])


class KillingLines(Lines):
    """Writes as the real ones do; after the line that was wished for, somebody dies."""

    operation = ""
    count = 0
    engine = 0
    guard = threading.Lock()

    def write(self, kind, **keys):
        super().write(kind, **keys)
        with self.guard:
            KillingLines.count += 1
            if kind == "engine":
                KillingLines.engine = keys["pid"]
            self.strike(kind)

    def strike(self, kind):
        wish = json.loads(WISH.read_text())
        if wish.get("operation") != self.operation:
            return
        if wish["line"] != ("last" if kind == "result" else self.count):
            return
        victim = {"run": os.getppid(), "host": os.getpid(), "engine": self.engine}[wish["victim"]]
        # Once: the next run of the same kind goes through.
        WISH.write_text(json.dumps({**wish, "operation": None, "struck": victim}))
        os.kill(victim, signal.SIGKILL)


def parse(text, original=real.parse_request):
    request = original(text)
    KillingLines.operation = request.operation
    note(request)
    return request


def note(request):
    """One line in the ledger: who began, and which others were at work on the same stack."""
    others = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            command = (entry / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if "bin/pulumi" in command and str(request.work_dir.parent) in command:
            others.append(command.replace("\0", " "))
    ledger = json.loads(WISH.read_text())["ledger"]
    row = {"operation": request.operation, "at": time.time(), "others": others}
    with Path(ledger).open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    real.Lines = KillingLines
    real.parse_request = parse
    try:
        real.main()
    finally:
        sys.stderr.flush()
    os._exit(0)
