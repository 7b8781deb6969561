"""The host's contract on standard input and output."""

import io
import json

import pytest

from infra.engine_host.protocol import Lines, RequestError, parse_request

GOOD = {
    "protocol": 1,
    "run": "7",
    "operation": "preview",
    "project": "orchestra",
    "stack": "development",
    "work_dir": "/tmp/run",
    "backend_url": "file:///tmp/state",
    "engine_roots": ["/opt/pulumi"],
}


def test_a_small_request_gets_every_default():
    request = parse_request(json.dumps(GOOD))
    assert request.pulumi_home == request.work_dir / "home"
    assert request.program.kind == "builtin"
    assert (request.targets, request.config, request.refresh) == ((), {}, False)


def test_null_and_absent_keys_say_the_same():
    nulls = dict.fromkeys(("plan", "targets", "config", "program", "parallel", "time_limit"))
    assert parse_request(json.dumps({**GOOD, **nulls})) == parse_request(json.dumps(GOOD))


def test_keys_of_a_later_protocol_are_ignored():
    assert parse_request(json.dumps({**GOOD, "colour": "blue"})) == parse_request(json.dumps(GOOD))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"protocol": 2}, "protocol 2"),
        ({"operation": "up"}, "'up'"),
        ({"targets": "urn"}, "'targets'"),
        ({"parallel": True}, "'parallel'"),
        ({"config": {"orchestra:x": "bare"}}, "'orchestra:x'"),
        ({"program": {"kind": "git"}}, "'program'"),
        ({"stack": None}, "'stack'"),
    ],
)
def test_a_broken_request_is_refused_and_the_key_named(change, named):
    with pytest.raises(RequestError) as refused:
        parse_request(json.dumps({**GOOD, **change}))
    assert named in str(refused.value)


@pytest.mark.parametrize("key", ["run", "operation", "engine_roots"])
def test_a_missing_key_is_named(key):
    with pytest.raises(RequestError, match=key):
        parse_request(json.dumps({k: v for k, v in GOOD.items() if k != key}))


@pytest.mark.parametrize("line", ["", "[]", "{", "null"])
def test_something_else_than_a_request_is_refused(line):
    with pytest.raises(RequestError):
        parse_request(line)


def test_each_line_is_one_document_with_type_and_time():
    stream = io.StringIO()
    Lines(stream).write("output", stream="stdout", text="one\ntwo — ✓")
    (line,) = stream.getvalue().splitlines()
    document = json.loads(line)
    assert document["type"] == "output"
    assert document["text"] == "one\ntwo — ✓"
    assert len(document["at"]) == len("2026-11-23T01:02:03.123456Z")


def test_a_reader_that_left_does_not_break_the_run():
    class Gone(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    lines = Lines(Gone())
    lines.write("output", stream="stdout", text="x")
    lines.write("result")
