"""
Runs the built-in program without an engine and says what it declares.

In a process of its own: the SDK keeps its settings per process.
"""

import asyncio
import json
import pathlib
import runpy
import subprocess
import sys

INFRA = pathlib.Path(__file__).resolve().parents[2] / "infra"
# What the provider would answer, as far as the program looks at it.
OUTPUTS = {
    "orchestra:mcp:Package": lambda i: {"command": [f"/start/{i['name']}"], "directory": "/d"},
    "orchestra:mcp:Server": lambda i: {"url": f"http://{i['host']}:{int(i['port'])}/mcp"},
    "orchestra:monitoring:ConfigFile": lambda i: {"digest": "d" * 64, "checked_by": "promtool"},
    "orchestra:database:SqliteDatabase": lambda i: {"name": pathlib.Path(i["path"]).stem},
    "orchestra:database:PostgresDatabase": lambda i: {"replicas": 1, "version": "15"},
}


def declare(*configurations):
    """For each: `{"resources": [{"type", "name", "inputs"}], "outputs", "error": text or null}`."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.infra.declare"],
        input=json.dumps(configurations),
        capture_output=True,
        text=True,
        check=False,
        cwd=INFRA.parent,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _declare_one(config):
    import pulumi
    from pulumi.runtime import mocks

    seen, exported, outputs = [], {}, {}

    class Recorder(mocks.Mocks):
        def new_resource(self, args):
            seen.append({"type": args.typ, "name": args.name, "inputs": args.inputs})
            make = OUTPUTS.get(args.typ)
            return f"{args.name}-id", {**args.inputs, **(make(args.inputs) if make else {})}

        def call(self, args):
            return {}

    texts = {
        f"orchestra:{key}": value if isinstance(value, str) else json.dumps(value)
        for key, value in config.items()
    }
    asyncio.set_event_loop(asyncio.new_event_loop())
    mocks.set_mocks(Recorder(), "orchestra", "development", preview=False)
    pulumi.runtime.set_all_config(texts, [key for key in texts if key.endswith("_password")])
    pulumi.export = exported.__setitem__
    program = runpy.run_path(str(INFRA / "__main__.py"), run_name="declared")["program"]

    @pulumi.runtime.test
    def run():
        program()
        return pulumi.Output.all(**exported).apply(outputs.update)

    error = None
    try:
        run()
    except Exception as problem:  # noqa: BLE001 (the answer is what the test looks at)
        error = str(problem)
    return {"resources": seen, "outputs": outputs, "error": error}


if __name__ == "__main__":
    sys.path.insert(0, str(INFRA))
    json.dump([_declare_one(config) for config in json.load(sys.stdin)], sys.stdout)
