"""
A twin of the engine host: speaks the lines of its contract, does nothing real.

The setting `fake` of the environment (config key `orchestra:fake`) chooses what happens, so that no
variable has to pass the scrubbed environment.
"""

import contextlib
import hashlib
import json
import os
import sys
import time
from pathlib import Path

STATE_DIGEST = "5" * 64


def say(kind, **keys):
    at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) + ".000000Z"
    sys.stdout.write(json.dumps({"type": kind, "at": at, **keys}) + "\n")
    sys.stdout.flush()


def step(operation, name, planning, kind="resOutputsEvent"):
    return {
        kind: {
            "planning": planning,
            "metadata": {
                "op": operation,
                "urn": f"urn:pulumi:development::orchestra::orchestra:mcp:Server::{name}",
                "type": "orchestra:mcp:Server",
                "new": {"custom": True, "inputs": {"port": 8003}},
            },
        }
    }


def program_of(request, wish):
    """A kept program that is there is the one it was kept as; else what was wished."""
    path = (request.get("program") or {}).get("path")
    if path and (Path(path) / "Pulumi.yaml").is_file():
        return Path(path).name
    return wish.get("program", "b" * 64)


def plan_digest(path):
    """Of the plan's file as it is now; none without a file."""
    if not path or not Path(path).is_file():
        return None
    document = json.loads(Path(path).read_text())
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def hello(request, wish):
    say(
        "hello",
        protocol=1,
        pid=os.getpid(),
        start_ticks=1,
        engine={"name": wish.get("engine", "embedded"), "version": "3.272.0", "root": "/x"},
        provider={"name": "orchestra", "version": wish.get("provider", "1.0.0")},
        program={
            "kind": "builtin",
            "digest": program_of(request, wish),
            "lock_digest": wish.get("lock", ""),
        },
    )


def result(wish, **keys):
    found = {
        "outcome": "succeeded",
        "code": "",
        "reason": "",
        "next_step": "",
        "exit_code": 0,
        "changes": {"create": 1},
        "outputs": {"environment": "development"},
        "state": None,
        "state_digest_before": wish.get("state", STATE_DIGEST),
        "state_digest_after": wish.get("state", STATE_DIGEST),
        "plan_digest": plan_digest(wish.get("plan_file")),
        "pending_operations": wish.get("pending", []),
        "locks": [],
        "encryption_salt": "v1:salt",
        "duration": 0.1,
    }
    say("result", **{**found, **keys})


def wait_for_cancel(limit):
    import select

    return bool(select.select([sys.stdin], [], [], limit)[0]) and bool(sys.stdin.readline())


def keep(request, wish):
    if not request.get("keep"):
        return
    folder = Path(request["keep"]) / wish.get("program", "b" * 64)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "Pulumi.yaml").write_text("name: twin\nruntime: python\n")
    (folder / "__main__.py").write_text(wish.get("source", "x = 1\n"))


def inspect(request, wish):
    keep(request, wish)
    found = wish.get("inspect", {})
    if request["operation"] == "unlock":
        gone = [lock["name"] for lock in request["locks"]]
        left = [lock for lock in found.get("locks", []) if lock["name"] not in gone]
        found = {**found, "locks": left}
    result(wish, state=wish.get("inspected"), **found)


def restore(request, wish):
    state = json.loads(Path(request["state"]).read_text())
    result(wish, **{"state": state, **wish.get("result", {})})


SERVICES = {"inspect": inspect, "unlock": inspect, "restore": restore}


def act(request, wish):
    operation = request["operation"]
    planning = operation == "preview"
    if operation in SERVICES:
        SERVICES[operation](request, wish)
        return
    if not planning and wish.get("die"):
        os.kill(os.getpid(), 9)
    for number in range(wish.get("resources", 1)):
        say("event", event=step("create", f"memory-{number}", planning, "resourcePreEvent"))
        say("event", event=step("create", f"memory-{number}", planning))
    for text in wish.get("print", []):
        say("output", stream="stdout", text=text)
    for event in wish.get("events", []):
        say("event", event=event)
    if wish.get("sleep") and not planning and wait_for_cancel(wish["sleep"]):
        result(wish, outcome="canceled", code="run.canceled", reason="Canceled at work.")
        return
    say("event", event={"summaryEvent": {"resourceChanges": {"create": 1}, "result": "succeeded"}})
    if planning and request["plan"]:
        Path(request["plan"]).write_text(json.dumps({"resourcePlans": {}}))
    state = None if planning else {"version": 3, "deployment": {"resources": []}}
    # As the built-in program: what is made says for which environment it is.
    labelled = {"outputs": {"environment": request["stack"]}}
    keys = {} if planning else {**labelled, **wish.get("result", {})}
    result(wish, **{"state": state, **keys})


def remembered(request, name="fake.json"):
    """The last wish, for service operations: they are given no configuration."""
    for folder in Path(request["work_dir"]).parents:
        if (folder / name).exists():
            return json.loads((folder / name).read_text())
    return {}


def remember(request):
    """What was asked, for the tests of what a run is given."""
    folder = next(Path(request["work_dir"]).parents[1].glob("fake.json"), None)
    if folder is not None and request["operation"] not in ("inspect", "unlock"):
        asked = folder.with_name("asked")
        # A disk that a test has filled has no room for it.
        with contextlib.suppress(OSError):
            asked.mkdir(exist_ok=True)
            (asked / f"{request['run']}.json").write_text(json.dumps(request))


def main():
    request = json.loads(sys.stdin.readline())
    remember(request)
    wish = request["config"].get("orchestra:fake", {}).get("value") or remembered(request)
    # What is found otherwise from some moment on, with the configuration as it was.
    wish = {**wish, **remembered(request, "moved.json"), "plan_file": request.get("plan")}
    sys.stderr.write("".join(f"{text}\n" for text in wish.get("print", [])))
    sys.stderr.flush()
    hello(request, wish)
    act(request, wish)


if __name__ == "__main__":
    main()
