"""Every public function of a services module is a verb: actor first, a right, an audit row."""

import ast
import functools
import importlib
import inspect
import pathlib

import pytest

APPS = pathlib.Path(__file__).resolve().parents[2] / "apps"
# `record` and `announce` are what verbs are made of.
NOT_VERBS = {("audit", "record"), ("live", "announce")}


@functools.cache
def functions_of(file):
    """The functions of a module by name, parsed once: each verb asks for those of its folder."""
    return {
        node.name: node
        for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.FunctionDef)
    }


def service_files():
    for app in sorted(path.name for path in APPS.iterdir() if (path / "apps.py").exists()):
        single, package = APPS / app / "services.py", APPS / app / "services"
        files = [single] if single.exists() else sorted(package.glob("*.py"))
        yield from ((app, file) for file in files)


def verbs():
    for app, file in service_files():
        for name, node in functions_of(file).items():
            if not name.startswith("_") and (app, name) not in NOT_VERBS:
                yield pytest.param(file, node, id=f"{app}.{name}")


def calls_in(node):
    return {
        call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
        for call in ast.walk(node)
        if isinstance(call, ast.Call)
    }


def reachable_calls(file, node, seen=None):
    """Names called by the function or by functions of the same folder that it calls."""
    seen = set() if seen is None else seen
    siblings = {
        name: (path, other)
        for path in (file.parent.glob("*.py") if file.parent.name == "services" else [file])
        for name, other in functions_of(path).items()
    }
    names = calls_in(node)
    for name in names & set(siblings) - seen:
        seen.add(name)
        names = names | reachable_calls(*siblings[name], seen)
    return names


@pytest.mark.parametrize(("file", "node"), list(verbs()))
def test_a_verb_takes_the_actor_first_and_the_rest_by_name(file, node):
    positional = [argument.arg for argument in node.args.args]
    assert positional[:1] == ["actor"] or node.args.kwonlyargs[0].arg == "actor", (
        f"{file.name}: {node.name}({', '.join(positional)})"
    )
    assert len(positional) <= 1, f"{node.name} takes {positional[1:]} by position"


@pytest.mark.parametrize(("file", "node"), list(verbs()))
def test_a_verb_checks_the_right_and_leaves_an_audit_row(file, node):
    calls = reachable_calls(file, node)
    assert "check" in calls or any(name.startswith("check_") for name in calls), (
        f"{node.name} checks no right"
    )
    assert "record" in calls, f"{node.name} leaves no audit row"


@pytest.mark.parametrize(("file", "node"), list(verbs()))
def test_a_verb_is_short(file, node):
    assert node.end_lineno - node.lineno < 50


def test_there_are_verbs_to_look_at():
    assert len(list(verbs())) > 8


def test_every_services_module_imports():
    for _, file in service_files():
        name = ".".join(file.relative_to(APPS.parent).with_suffix("").parts)
        assert inspect.ismodule(importlib.import_module(name.removesuffix(".__init__")))
