"""The plan as people read it, from the engine's events."""

from apps.deployments.plans import PlanReader, change_count, has_changes, value_at

SECRET = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270"}


def read(*events):
    reader = PlanReader()
    for event in events:
        reader.take(event)
    return reader.plan()


def step(operation, name, kind="a:b:C", **metadata):
    urn = f"urn:pulumi:s::p::{kind}::{name}"
    return {
        "resourcePreEvent": {"metadata": {"op": operation, "urn": urn, "type": kind, **metadata}}
    }


def state(custom=True, **inputs):
    return {"custom": custom, "inputs": inputs}


def test_a_replacement_told_in_three_steps_is_one_change():
    old, new = state(version="1"), state(version="2")
    diff = {"version": {"diffKind": "update-replace"}}
    plan = read(
        step("create-replacement", "x", old=old, new=new, detailedDiff=diff),
        step("replace", "x", old=old, new=new, detailedDiff=diff),
        step("delete-replaced", "x", old=old),
    )
    assert plan["summary"]["replace"] == change_count(plan) == 1
    found = plan["changes"][0]["properties"][0]
    assert (found["old"], found["new"], found["forces_replacement"]) == ("1", "2", True)


def test_deletes_and_replaces_stand_first():
    plan = read(
        step("create", "a", new=state()),
        step("update", "b", old=state(), new=state()),
        step("delete", "z", old=state()),
        step("replace", "y", old=state(), new=state()),
    )
    operations = [change["operation"] for change in plan["changes"]]
    assert operations == ["delete", "replace", "update", "create"]


def test_the_values_of_a_secret_are_never_there():
    old, new = state(key={**SECRET, "ciphertext": "[secret]"}), state(key="[secret]")
    plan = read(step("update", "x", old=old, new=new, detailedDiff={"key": {"diffKind": "update"}}))
    found = plan["changes"][0]["properties"][0]
    assert (found["old"], found["new"], found["secret"]) == (None, "secret changed", True)


def test_components_group_and_do_not_count():
    plan = read(
        step("create", "fleet", new=state(custom=False)), step("create", "x", new=state(port=1))
    )
    assert plan["summary"]["create"] == 1
    assert has_changes(plan)


def test_the_stack_and_providers_are_no_change():
    plan = read(
        step("create", "s", kind="pulumi:pulumi:Stack", new=state(custom=False)),
        step("create", "p", kind="pulumi:providers:orchestra", new=state()),
        step("same", "x", new=state()),
        step("refresh", "x", new=state()),
    )
    assert not has_changes(plan)
    assert plan["summary"]["same"] == 1


def outputs(operation, old, new):
    body = step(operation, "s", kind="pulumi:pulumi:Stack")["resourcePreEvent"]
    body["metadata"] |= {"old": {"outputs": old}, "new": {"outputs": new}}
    return {"resOutputsEvent": body}


def test_outputs_are_one_update_where_they_are_all_that_changes():
    old = {"gone": 1, "kept": [{"port": 8003}], "moved": "a", "key": {**SECRET, "ciphertext": "x"}}
    new = {
        "kept": [{"port": 8003}],
        "moved": "b",
        "new": True,
        "key": {**SECRET, "ciphertext": "y"},
    }
    # The engine tells the outputs twice: as they were, then as the program gave them.
    plan = read(
        step("same", "x", new=state()), outputs("same", old, old), outputs("same", old, new)
    )
    (change,) = plan["changes"]
    assert (change["name"], change["operation"]) == ("outputs", "update")
    found = [(one["path"], one["kind"], one["old"], one["new"]) for one in change["properties"]]
    assert found == [
        ("gone", "delete", 1, None),
        ("moved", "update", "a", "b"),
        ("new", "add", None, True),
    ]
    assert change_count(plan) == plan["summary"]["update"] == 1
    assert has_changes(plan)


def test_outputs_follow_the_resources_that_change():
    plan = read(step("update", "x", new=state()), outputs("same", {"a": 1}, {"a": 2}))
    assert [change["name"] for change in plan["changes"]] == ["x"]
    assert not has_changes(
        read(step("same", "x", new=state()), outputs("same", {"a": 1}, {"a": 1}))
    )


def test_a_value_known_only_later_is_named():
    plan = read(step("create", "x", new=state(id="04da6b54-80e4-46f7-96ec-b56ff0331ba9")))
    assert plan["changes"][0]["properties"][0]["new"] == "known after apply"


def test_paths_reach_into_lists_and_quoted_keys():
    value = {"servers": [{"port": 8003}], "tags": {"a.b": {"c": 1}}}
    assert value_at(value, "servers[0].port") == 8003
    assert value_at(value, 'tags["a.b"].c') == 1
    assert value_at(value, "servers[7].port") is None
    assert value_at(value, "servers.x") is None
