"""The dashboard as Grafana reads it."""

import json
import pathlib
import subprocess
import sys

import pytest
import yaml

INFRA = pathlib.Path(__file__).resolve().parents[2] / "infra"
SCRIPT = (
    "import json, sys, grafana_files as g;"
    "print(json.dumps([g.dashboard_file(sys.argv[1]), g.datasources_file('http://127.0.0.1:9090')]))"
)


def rendered(environment):
    """The dashboard and the data sources, written by a process like a program's own."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, environment],
        cwd=INFRA,
        capture_output=True,
        check=True,
        text=True,
    )
    board, sources = json.loads(done.stdout)
    return json.loads(board), yaml.safe_load(sources)


@pytest.mark.slow
def test_a_dashboard_has_panels_side_by_side_that_ask_our_prometheus():
    board, sources = rendered("e" * 60)
    assert len(board["uid"]) == 40
    assert board["title"] == f"Orchestra {'e' * 60}"
    assert [panel["id"] for panel in board["panels"]] == [1, 2, 3, 4]
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in board["panels"]}
    assert places == {(0, 0), (12, 0), (0, 8), (12, 8)}
    known = {source["uid"] for source in sources["datasources"]}
    assert {panel["datasource"]["uid"] for panel in board["panels"]} == known
    asked = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    assert any("probe_success" in query for query in asked)
    assert len(asked) == len(set(asked)) == 4
