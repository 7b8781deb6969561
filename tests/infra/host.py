"""Drives the engine host as the portal's run process does: one request in, lines out."""

import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import threading

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Another engine can be put under the same tests: a folder with bin/pulumi.
EMBEDDED = os.environ.get("ENGINE_UNDER_TEST") or str(ROOT / "infra" / "embedded_engine")
HOST = [sys.executable, "-m", "infra.engine_host"]
# What the run process hands on; nothing of this process's own environment beside it.
HANDED_ON = ("PATH", "HOME", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "TMPDIR")
HANDED_ON_PREFIXES = ("PIP_", "npm_config_", "NPM_CONFIG_", "COVERAGE_")


class Host:
    """One running host. `lines` grows while it runs."""

    def __init__(self, request, environment=None):
        kept = {
            name: value
            for name, value in os.environ.items()
            if name in HANDED_ON or name.startswith(HANDED_ON_PREFIXES)
        }
        self.errors = pathlib.Path(request["work_dir"]).parent / f"host-{request['run']}.err"
        with self.errors.open("wb") as errors:
            self.process = subprocess.Popen(
                HOST,
                cwd=ROOT,
                env={**kept, **(environment or {})},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )
        self.lines = []
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.say(request)

    def say(self, document):
        self.process.stdin.write(json.dumps(document).encode() + b"\n")
        self.process.stdin.flush()

    def leave(self):
        """As a run process that died: its end of the pipe is closed."""
        self.process.stdin.close()

    def wait_for_end(self, limit=60):
        """After `leave`: nobody reads a result any more."""
        self.process.wait(limit)
        self._reader.join()
        self.process.stdout.close()

    def wait_for(self, predicate, limit=60):
        """The first line that fits."""
        with self._changed:
            found = self._changed.wait_for(
                lambda: (
                    next(filter(predicate, self.lines), None)
                    or (self.process.poll() is not None and not self._reader.is_alive())
                ),
                limit,
            )
        assert isinstance(found, dict), (found, self.lines[-5:], self.errors.read_text())
        return found

    def finish(self, limit=300):
        """All lines; the last one is the result."""
        assert self.process.wait(limit) == 0, self.errors.read_text()
        self._reader.join()
        self.process.stdin.close()
        self.process.stdout.close()
        assert self.lines[-1]["type"] == "result", self.errors.read_text()
        return self.lines

    def _read(self):
        for line in self.process.stdout:
            with self._changed:
                self.lines.append(json.loads(line))
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()


@dataclasses.dataclass
class Stack:
    """One stack in a folder of its own; every run has its own work folder."""

    folder: pathlib.Path
    config: dict
    stack: str = "development"
    salt: str | None = None
    passphrase: str = "correct horse"
    program: dict | None = None
    runs: int = 0

    def start(self, operation, environment=None, **keys):
        self.runs += 1
        work_dir = self.folder / f"run-{self.runs}"
        work_dir.mkdir(mode=0o700)
        passphrase_file = work_dir / "passphrase"
        passphrase_file.write_text(self.passphrase + "\n")
        passphrase_file.chmod(0o600)
        request = {
            "protocol": 1,
            "run": str(self.runs),
            "operation": operation,
            "project": "orchestra",
            "stack": self.stack,
            "work_dir": str(work_dir),
            "backend_url": f"file://{self.folder / 'state'}",
            "engine_roots": [EMBEDDED],
            "passphrase_file": str(passphrase_file),
            "encryption_salt": self.salt,
            "program": self.program or {"kind": "builtin"},
            "config": self.config,
            "time_limit": 300,
            "grace": 20,
        }
        return Host({**request, **keys}, environment)

    def run(self, operation, **keys):
        """The result of one operation; salt is carried to the next as the portal does."""
        return self.lines(operation, **keys)[-1]

    def lines(self, operation, **keys):
        lines = self.start(operation, **keys).finish()
        self.salt = lines[-1].get("encryption_salt") or self.salt
        return lines

    @property
    def work_dir(self):
        return self.folder / f"run-{self.runs}"
