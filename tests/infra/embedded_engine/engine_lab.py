"""
A laboratory for engines: a workspace, a backend, a scripted provider and a driver.

One engine process an operation, so that a test can signal it. The provider is the test's own.
"""

# ruff: noqa: N802 - the methods of the provider have the protocol's names

import gc
import json
import os
import subprocess
import sys
import threading
from concurrent import futures
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import pulumi
import pytest
import yaml
from google.protobuf import empty_pb2, json_format, struct_pb2
from pulumi.runtime.proto import language_pb2_grpc, provider_pb2, provider_pb2_grpc

from tests.infra.embedded_engine.served_program import Program

ROOT = Path(__file__).resolve().parents[3]
EMBEDDED = ROOT / "infra" / "embedded_engine"
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"
PASSPHRASE = "open sesame"
PROJECT = "lab"
# Runs a command whose files may not grow beyond a number of bytes: nearly a full disk.
SMALL_DISK = (
    "import os, resource, sys; limit = int(sys.argv[1]);"
    "resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit));"
    "os.execv(sys.argv[2], sys.argv[2:])"
)


class Entry(pulumi.CustomResource):
    """A resource of the laboratory. `fixed` asks for a replacement when it changes."""

    number: pulumi.Output[int]

    def __init__(self, name, props=None, opts=None):
        super().__init__("ledger:index:Entry", name, {"number": None, **(props or {})}, opts)


def open_secrets(value):
    """The value with secrets taken out of their wrapping."""
    if isinstance(value, dict):
        if value.get(SIGNATURE) == SECRET:
            return open_secrets(value.get("value"))
        return {k: open_secrets(v) for k, v in value.items()}
    return [open_secrets(v) for v in value] if isinstance(value, list) else value


def plain(message):
    return json_format.MessageToDict(message)


def struct(value):
    out = struct_pb2.Struct()
    json_format.ParseDict(value, out)
    return out


# Marks of a test that starts engines. When a program fails, the SDK leaves coroutines, event loops
# behind; `Lab.close` collects them inside the test, where these marks hold.
ENGINE = [
    pytest.mark.engine,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


def pair(value=1, **more):
    """Two entries, the second made of the first one's output, and two outputs."""

    def program():
        first = Entry("first", {"v": value, **more})
        second = Entry("second", {"of": first.number})
        pulumi.export("number", first.number)
        pulumi.export("hidden", pulumi.Output.secret(second.number))

    return program


def ok(outcome):
    assert outcome.code == 0, outcome.stdout + outcome.stderr
    return outcome


class Ledger(provider_pb2_grpc.ResourceProviderServicer):
    """
    The scripted provider. `real` maps id → inputs; `calls` lists (method, URN name, id).

    `on` maps (method, moment) to a function of the URN's name, with moment "before" or "after" the
    thing is done; `fail` maps (method, name) to the text of an error, `slow` to seconds.
    """

    def __init__(self):
        self.real = {}
        self.calls = []
        self.fail = {}
        self.on = {}
        self.slow = {}
        self.made = 0
        self.lock = threading.Lock()
        self.canceled = threading.Event()

    def _enter(self, method, request, context):
        name = request.urn.rsplit("::", 1)[-1]
        with self.lock:
            self.calls.append((method, name, getattr(request, "id", "")))
        self._moment(method, "before", name)
        self.canceled.wait(self.slow.get((method, name), 0))
        if (method, name) in self.fail:
            context.abort(grpc.StatusCode.UNKNOWN, self.fail[method, name])
        return name

    def _moment(self, method, moment, name):
        if action := self.on.get((method, moment)):
            action(name)

    def count(self, method):
        return sum(1 for call in self.calls if call[0] == method)

    def Handshake(self, request, context):
        self.canceled.clear()
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=True, accept_resources=True)

    def Attach(self, request, context):
        return empty_pb2.Empty()

    def GetPluginInfo(self, request, context):
        from pulumi.runtime.proto import plugin_pb2

        return plugin_pb2.PluginInfo(version="1.0.0")

    def Cancel(self, request, context):
        self.canceled.set()
        return empty_pb2.Empty()

    def CheckConfig(self, request, context):
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request, context):
        same = provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(changes=same)

    def Configure(self, request, context):
        return provider_pb2.ConfigureResponse(
            acceptSecrets=True, supportsPreview=True, acceptResources=True
        )

    def Check(self, request, context):
        self._enter("Check", request, context)
        failures = []
        if open_secrets(plain(request.news)).get("forbidden"):
            failures = [provider_pb2.CheckFailure(property="forbidden", reason="is forbidden")]
        return provider_pb2.CheckResponse(inputs=request.news, failures=failures)

    def Diff(self, request, context):
        self._enter("Diff", request, context)
        old, new = open_secrets(plain(request.old_inputs)), open_secrets(plain(request.news))
        changed = sorted(k for k in old.keys() | new.keys() if old.get(k) != new.get(k))
        kind = (
            provider_pb2.DiffResponse.DIFF_SOME if changed else provider_pb2.DiffResponse.DIFF_NONE
        )
        return provider_pb2.DiffResponse(
            changes=kind,
            diffs=changed,
            replaces=[k for k in changed if k.startswith("fixed")],
            deleteBeforeReplace=bool(open_secrets(plain(request.news)).get("alone")),
        )

    def Create(self, request, context):
        inputs = plain(request.properties)
        if request.preview:
            return provider_pb2.CreateResponse(properties=struct({**inputs, "number": UNKNOWN}))
        name = self._enter("Create", request, context)
        with self.lock:
            self.made += 1
            number = self.made
            self.real[f"{name}-{number}"] = inputs
        self._moment("Create", "after", name)
        return provider_pb2.CreateResponse(
            id=f"{name}-{number}", properties=struct({**inputs, "number": number})
        )

    def Read(self, request, context):
        self._enter("Read", request, context)
        inputs = self.real.get(request.id)
        if inputs is None:
            return provider_pb2.ReadResponse()
        number = int(request.id.rsplit("-", 1)[-1])
        outputs = struct({**inputs, "number": number})
        return provider_pb2.ReadResponse(id=request.id, properties=outputs, inputs=struct(inputs))

    def Update(self, request, context):
        inputs = plain(request.news)
        number = plain(request.olds).get("number")
        if not request.preview:
            name = self._enter("Update", request, context)
            self.real[request.id] = inputs
            self._moment("Update", "after", name)
        return provider_pb2.UpdateResponse(properties=struct({**inputs, "number": number}))

    def Delete(self, request, context):
        name = self._enter("Delete", request, context)
        self.real.pop(request.id, None)
        self._moment("Delete", "after", name)
        return empty_pb2.Empty()

    def Invoke(self, request, context):
        answer = {"echo": plain(request.args)}
        return provider_pb2.InvokeResponse(**{"return": struct(answer)})


@dataclass
class Outcome:
    """What an engine process left behind: exit status, texts, events in order, resource usage."""

    code: int
    stdout: str
    stderr: str
    events: list = field(default_factory=list)
    usage: object = None

    @property
    def changes(self):
        for event in self.events:
            if "summaryEvent" in event:
                return event["summaryEvent"]["resourceChanges"]
        return None

    @property
    def errors(self):
        found = [e["diagnosticEvent"] for e in self.events if "diagnosticEvent" in e]
        return [d["message"] for d in found if d["severity"] == "error"]

    def steps(self, name, kind="resOutputsEvent"):
        metadata = [e[kind]["metadata"] for e in self.events if kind in e]
        return [m["op"] for m in metadata if m["urn"].endswith(f"::{name}")]


class Lab:
    """One workspace with one backend; `ledger` is the provider."""

    def __init__(self, base, engine=EMBEDDED):
        self.engine = Path(engine) / "bin" / "pulumi"
        self.work = base / "work"
        self.backend = base / "backend"
        self.work.mkdir(parents=True)
        self.backend.mkdir()
        self.ledger = Ledger()
        self.server = grpc.server(futures.ThreadPoolExecutor(max_workers=16))
        provider_pb2_grpc.add_ResourceProviderServicer_to_server(self.ledger, self.server)
        port = self.server.add_insecure_port("127.0.0.1:0")
        self.server.start()
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(base),
            "PULUMI_HOME": str(base / "home"),
            "PULUMI_BACKEND_URL": f"file://{self.backend}",
            "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DEBUG_PROVIDERS": f"ledger:{port}",
            "ORCHESTRA_ENGINE_PYTHON": sys.executable,
        }
        self.process = None
        self.ended = threading.Event()  # the present operation's process is gone
        settings = {"name": PROJECT, "runtime": "python", "main": str(self.work)}
        (self.work / "Pulumi.yaml").write_text(yaml.safe_dump(settings))

    def close(self):
        self.server.stop(0).wait()
        gc.collect()

    # ---- commands ----

    def _command(self, args, disk):
        command = [str(self.engine), "--non-interactive", *args]
        return [sys.executable, "-c", SMALL_DISK, str(disk), *command] if disk else command

    def call(self, *args, env=None, stdin="", disk=0):
        """One engine process; Outcome without events. `disk`: no file may grow beyond that."""
        done = subprocess.run(
            self._command(args, disk),
            cwd=self.work, env={**self.env, **(env or {})}, input=stdin,
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        return Outcome(done.returncode, done.stdout, done.stderr)

    def must(self, *args, **kwargs):
        done = self.call(*args, **kwargs)
        assert done.code == 0, done.stderr + done.stdout
        return done.stdout

    def json(self, *args, **kwargs):
        return json.loads(self.must(*args, "--json", "--stack", "dev", **kwargs))

    def init(self, name="dev"):
        self.must("stack", "init", name)
        return self

    # ---- operations ----

    def operate(self, operation, program=None, *flags, env=None, disk=0, rehearse=False):
        """An operation with the program served by the SDK's language server."""
        log = self.work / "events.ndjson"
        log.unlink(missing_ok=True)
        texts = [self.work / "stdout.txt", self.work / "stderr.txt"]
        self.ended.clear()
        args = [operation, *flags, "--event-log", str(log), "--stack", "dev"]
        if operation != "preview" and "--preview-only" not in flags:
            args += ["--yes"] if rehearse else ["--yes", "--skip-preview"]
        server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
        served = Program(program or (lambda: None))
        language_pb2_grpc.add_LanguageRuntimeServicer_to_server(served, server)
        args += [f"--client=127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"]
        server.start()
        try:
            with texts[0].open("w") as out, texts[1].open("w") as err:
                self.process = subprocess.Popen(
                    self._command([*args, "--exec-kind", "auto.inline"], disk),
                    cwd=self.work, env={**self.env, **(env or {})}, stdout=out, stderr=err,
                )  # fmt: skip
            code, usage = self._wait()
        finally:
            served.idle.wait(30)  # the program of a killed engine notices, before another one runs
            server.stop(0).wait()
        # A log that a kill or a full disk cut short ends in half a line.
        lines = log.read_text().split("\n")[:-1] if log.exists() else []
        stdout, stderr = (text.read_text() for text in texts)
        return Outcome(code, stdout, stderr, [json.loads(line) for line in lines], usage)

    def _wait(self):
        """Exit status and resource usage of the process, which is killed after two minutes."""
        watchdog = threading.Timer(120, self.process.kill)
        watchdog.start()
        _, status, usage = os.wait4(self.process.pid, 0)
        watchdog.cancel()
        self.process.returncode = os.waitstatus_to_exitcode(status)
        self.ended.set()
        return self.process.returncode, usage

    def up(self, program, *flags, **kwargs):
        return self.operate("up", program, *flags, **kwargs)

    def preview(self, program, *flags, **kwargs):
        return self.operate("preview", program, *flags, **kwargs)

    def refresh(self, *flags, **kwargs):
        return self.operate("refresh", None, *flags, **kwargs)

    def destroy(self, *flags, **kwargs):
        return self.operate("destroy", None, *flags, **kwargs)

    # ---- files ----

    @property
    def state_file(self):
        return self.backend / ".pulumi" / "stacks" / PROJECT / "dev.json"

    @property
    def latest(self):
        return json.loads(self.state_file.read_text())["checkpoint"]["latest"]

    def entries(self):
        """The recorded resources of the provider: id → entry."""
        found = [r for r in self.latest.get("resources", []) if r["type"] == "ledger:index:Entry"]
        return {r["id"]: r for r in found}

    def pending(self):
        operations = self.latest.get("pending_operations", [])
        return {o["resource"]["urn"].rsplit("::", 1)[-1]: o["type"] for o in operations}

    def locks(self):
        return list((self.backend / ".pulumi" / "locks").rglob("*.json"))
