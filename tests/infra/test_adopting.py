"""What an unfinished create left behind comes into the state by its id, with the real engine."""

import json
import pathlib

import pytest

from infra.engine_host.adopting import AdoptionError, with_adopted
from infra.engine_host.protocol import PROTOCOL, RequestError, parse_request

DATABASE = "orchestra:database:SqliteDatabase"
URN = "urn:pulumi:development::orchestra::a:b:C::"


def state(*resources, creating=(), updating=()):
    pending = [{"resource": entry, "type": "creating"} for entry in creating]
    pending += [{"resource": entry, "type": "updating"} for entry in updating]
    deployment = {"resources": list(resources), "pending_operations": pending}
    return {"version": 3, "deployment": deployment}


def thing(name, **keys):
    return {"urn": f"{URN}{name}", "custom": True, "type": "a:b:C", "inputs": {"n": 1}, **keys}


def test_the_named_creates_become_resources_and_the_others_are_left_out():
    before = state(thing("a", id="1"), creating=[thing("b"), thing("c")], updating=[thing("a")])
    found = with_adopted(before, {f"{URN}b": "2"})["deployment"]
    assert found["resources"] == [thing("a", id="1"), thing("b", id="2")]
    assert [entry["type"] for entry in found["pending_operations"]] == ["updating"]
    # What was given is what it was.
    assert len(before["deployment"]["pending_operations"]) == 3
    assert "pending_operations" not in with_adopted(state(creating=[thing("b")]), {})["deployment"]


@pytest.mark.parametrize(
    ("before", "code"),
    [
        (state(), "adopt.unknown"),
        (None, "adopt.unknown"),
        (state(updating=[thing("b")]), "adopt.unknown"),
        (state(creating=[thing("b", custom=False)]), "adopt.unknown"),
        (state(thing("b", id="1"), creating=[thing("b")]), "adopt.recorded"),
    ],
)
def test_what_cannot_be_adopted_is_refused_by_name(before, code):
    with pytest.raises(AdoptionError, match="b") as caught:
        with_adopted(before, {f"{URN}b": "2"})
    assert caught.value.code == code


@pytest.mark.parametrize("identity", ["", None, 7])
def test_an_adoption_without_an_id_breaks_the_contract(identity):
    keys = ("run", "operation", "project", "stack", "work_dir", "backend_url")
    request = dict.fromkeys(keys, "refresh") | {"engine_roots": [], "protocol": PROTOCOL}
    with pytest.raises(RequestError, match="has no id for"):
        parse_request(json.dumps({**request, "adopt": {URN: identity}}))


def succeeded(result):
    assert result["outcome"] == "succeeded", result
    return result


def of_type(result, kind):
    return [row for row in result["state"]["deployment"]["resources"] if row["type"] == kind]


def break_off(stack):
    """The state as an engine leaves it that was killed while it made the database's file."""
    document = stack.run("inspect")["state"]["deployment"]
    (entry,) = (row for row in document["resources"] if row["type"] == DATABASE)
    document["resources"].remove(entry)
    identity = entry.pop("id")
    entry.pop("outputs")
    document["pending_operations"] = [{"resource": entry, "type": "creating"}]
    (path,) = (stack.folder / "state").rglob("development.json")
    checkpoint = json.loads(path.read_text())
    checkpoint["checkpoint"]["latest"] = document
    path.write_text(json.dumps(checkpoint))
    assert stack.run("update")["code"] == "state.pending_operations"
    return entry["urn"], identity


@pytest.mark.engine
@pytest.mark.slow
def test_what_is_there_is_adopted_and_nothing_is_made_a_second_time(stack):
    deployed = succeeded(stack.run("update"))
    (before,) = of_type(deployed, DATABASE)
    urn, identity = break_off(stack)
    refused = stack.run("refresh", adopt={urn.replace("database", "other"): identity})
    assert (refused["outcome"], refused["code"]) == ("refused", "adopt.unknown")
    assert len(refused["pending_operations"]) == 1
    made = pathlib.Path(before["outputs"]["path"]).stat().st_ino

    adopted = succeeded(stack.run("refresh", adopt={urn: identity}))
    assert adopted["pending_operations"] == adopted["locks"] == []
    (found,) = of_type(adopted, DATABASE)
    assert (found["id"], found["outputs"]) == (before["id"], before["outputs"])
    assert not (stack.work_dir / "adopt.json").exists()
    assert set(succeeded(stack.run("update", refresh=True))["changes"]) == {"same"}
    assert pathlib.Path(before["outputs"]["path"]).stat().st_ino == made


@pytest.mark.engine
@pytest.mark.slow
def test_where_nothing_is_there_the_refresh_forgets_it_and_the_update_makes_it(stack):
    deployed = succeeded(stack.run("update"))
    (before,) = of_type(deployed, DATABASE)
    urn, identity = break_off(stack)
    pathlib.Path(before["outputs"]["path"]).unlink()
    adopted = succeeded(stack.run("refresh", adopt={urn: identity}))
    assert of_type(adopted, DATABASE) == adopted["pending_operations"] == []
    assert succeeded(stack.run("update"))["changes"]["create"] == 1
