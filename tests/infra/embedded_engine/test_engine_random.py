"""Random programs: whatever the graph, the edits and the failures, the state tells the truth."""

import tempfile
from pathlib import Path

import pulumi
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.infra.embedded_engine.engine_lab import ENGINE, Entry, Lab

pytestmark = [*ENGINE, pytest.mark.slow]

NAMES = "abcdefg"


@st.composite
def graphs(draw):
    """A program as data: name → its properties, whose outputs it takes, whom it waits for."""
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=6))
    graph = {}
    for index, name in enumerate(names):
        earlier = (
            st.lists(st.sampled_from(names[:index]), unique=True, max_size=2)
            if index
            else st.just([])
        )
        graph[name] = {
            "value": draw(st.integers(0, 2)),
            "fixed": draw(st.integers(0, 1)),
            "alone": draw(st.booleans()),
            "takes": draw(earlier),
            "waits": draw(earlier),
        }
    return graph


def program(graph):
    def run():
        made = {}
        for name, node in graph.items():
            props = {"v": node["value"], "fixed": node["fixed"], "alone": node["alone"]}
            props |= {f"of_{other}": made[other].number for other in node["takes"]}
            waits = [made[other] for other in node["waits"]]
            made[name] = Entry(name, props, pulumi.ResourceOptions(depends_on=waits))

    return run


def recorded_graph(lab):
    """Name → (inputs without numbers of others, names of dependencies) as the state has it."""
    found = {}
    for entry in lab.entries().values():
        name = entry["urn"].rsplit("::", 1)[-1]
        dependencies = {u.rsplit("::", 1)[-1] for u in entry.get("dependencies", [])}
        assert name not in found, "two live entries of one resource"
        found[name] = (
            {k: v for k, v in entry["inputs"].items() if not k.startswith("of_")},
            dependencies,
        )
    return found


def declared_graph(graph):
    return {
        name: (
            {"v": node["value"], "fixed": node["fixed"], "alone": node["alone"]},
            {*node["takes"], *node["waits"]},
        )
        for name, node in graph.items()
    }


def no_call_twice(lab):
    """In one run a resource is created and updated at most once, each object deleted once."""
    for method in ("Create", "Update", "Delete"):
        calls = [(name, id_) for m, name, id_ in lab.ledger.calls if m == method]
        assert len(calls) == len(set(calls)), (method, calls)


def run(lab, graph):
    lab.ledger.calls.clear()
    outcome = lab.up(program(graph))
    no_call_twice(lab)
    assert sorted(lab.entries()) == sorted(lab.ledger.real), "the state does not say what exists"
    assert lab.pending() == {}
    return outcome


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(graphs(), min_size=1, max_size=3), st.sampled_from(["", *NAMES]), st.data())
def test_the_state_is_the_graph_of_the_last_program(programs, failing, data):
    with tempfile.TemporaryDirectory() as folder:
        lab = Lab(Path(folder)).init()
        try:
            for graph in programs:
                method = data.draw(st.sampled_from(["Create", "Update", "Delete"]))
                lab.ledger.fail = {(method, failing): "refused by the provider"}
                failed = run(lab, graph)
                if failed.code:
                    assert any("refused by the provider" in text for text in failed.errors)
                lab.ledger.fail = {}
                done = run(lab, graph)
                assert done.code == 0, done.stdout + done.stderr
                assert recorded_graph(lab) == declared_graph(graph)
                assert run(lab, graph).changes == {"same": len(graph) + 1}
            gone = lab.destroy()
            assert gone.code == 0, gone.stdout + gone.stderr
            assert (lab.ledger.real, lab.latest.get("resources", [])) == ({}, [])
        finally:
            lab.close()
