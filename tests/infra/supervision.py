"""A supervisord of the tests' own, ended with everything that it started."""

import contextlib
import dataclasses
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
import xmlrpc.client

from infra.orchestra_provider.supervisor import Supervisor, UnreachableError

CONFIGURATION = """\
[supervisord]
nodaemon=true
logfile={folder}/supervisord.log
pidfile={folder}/supervisord.pid
childlogdir={folder}
[unix_http_server]
file={folder}/s.sock
chmod=0700
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[include]
files={folder}/programs/*.conf
"""


@dataclasses.dataclass
class Running:
    folder: pathlib.Path
    process: subprocess.Popen

    @property
    def socket(self):
        return str(self.folder / "s.sock")

    @property
    def include_directory(self):
        return str(self.folder / "programs")

    def settings(self):
        """As the program's configuration key `supervisor` has it."""
        return {"socket": self.socket, "include_directory": self.include_directory}

    def info(self, process):
        return Supervisor(self.socket).info(process)

    def wait_for(self, process, state, *, other_than=None, limit=15.0):
        """The pid of the process once it is in that state, with another pid than the given one."""
        ends = time.monotonic() + limit
        while time.monotonic() < ends:
            info = self.info(process)
            if info and info["statename"] == state and info["pid"] != other_than:
                return info["pid"]
            time.sleep(0.05)
        raise AssertionError(f"{process} is {info and info['statename']}, not {state}")

    def stop(self):
        with contextlib.suppress(UnreachableError, xmlrpc.client.Fault):
            Supervisor(self.socket)._call("shutdown")
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextlib.contextmanager
def supervisord(environment=None):
    # A unix socket's path is short; pytest's folders are not.
    with tempfile.TemporaryDirectory(prefix="sv-") as name:
        folder = pathlib.Path(name)
        (folder / "programs").mkdir()
        (folder / "supervisord.conf").write_text(CONFIGURATION.format(folder=folder))
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "supervisor.supervisord",
                "-c",
                str(folder / "supervisord.conf"),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )
        running = Running(folder, process)
        try:
            _wait(running)
            yield running
        finally:
            running.stop()


def _wait(running):
    ends = time.monotonic() + 20
    while time.monotonic() < ends:
        with contextlib.suppress(UnreachableError):
            Supervisor(running.socket).require()
            return
        assert running.process.poll() is None, (running.folder / "supervisord.log").read_text()
        time.sleep(0.05)
    raise AssertionError("supervisord did not answer")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
