"""Fails when the SDK moves what the host replaces in it, or builds on."""

import inspect
import subprocess
import sys

import pulumi.log
from pulumi.automation import PulumiCommand, Stack, _server
from pulumi.runtime import resource

PROOF = """
from infra.engine_host.quiet_sdk import quieten_sdk
quieten_sdk()
import pulumi.log
from pulumi.runtime import resource
assert len(resource._get_stack_trace().frames) == 0
assert resource._get_source_position(resource._get_stack_trace()) is None
assert pulumi.log.debug("x", ephemeral=True) is None
print("quiet")
"""


def test_each_registration_looks_the_stack_trace_up_in_its_module():
    source = inspect.getsource(resource)
    assert source.count("_get_stack_trace()") >= 4  # its definition, and one call in each kind
    assert list(inspect.signature(resource._get_stack_trace).parameters) == []


def test_debug_lines_go_through_one_function_of_the_log_module():
    assert next(iter(inspect.signature(pulumi.log.debug).parameters)) == "msg"
    assert "log.debug(" in inspect.getsource(resource)
    assert "log.debug(" in inspect.getsource(_server)


def test_a_quiet_sdk_records_no_positions_and_no_debug_lines():
    done = subprocess.run(
        [sys.executable, "-c", PROOF], capture_output=True, text=True, check=True, cwd=None
    )
    assert done.stdout == "quiet\n"


def test_the_sdk_can_be_left_as_it_is():
    proof = PROOF.replace("quieten_sdk()\n", "quieten_sdk()\n", 1).split("assert")[0]
    proof += "print(resource._get_stack_trace.__module__, pulumi.log.debug.__module__)"
    done = subprocess.run(
        [sys.executable, "-c", proof],
        capture_output=True,
        text=True,
        check=True,
        env={"ORCHESTRA_LOUD_SDK": "1"},
    )
    assert done.stdout.split() == ["pulumi.runtime.resource", "pulumi.log"]


def test_the_stacks_private_places_are_where_the_host_replaces_them():
    parameters = list(inspect.signature(Stack._setup_event_log).parameters)
    assert parameters == ["self", "command", "on_event", "pulumi_version"]
    for operation in (Stack.up, Stack.preview, Stack.refresh, Stack.destroy):
        assert "self._setup_event_log(" in inspect.getsource(operation)
    assert set(vars(Stack.__init__)) == set()
    names = Stack.__init__.__code__.co_names
    assert {"select_stack", "create_stack"} <= set(names)


def test_a_run_of_a_command_takes_what_the_host_overrides():
    parameters = list(inspect.signature(PulumiCommand.run).parameters)
    assert parameters == ["self", "args", "cwd", "additional_env", "on_output", "on_error"]
