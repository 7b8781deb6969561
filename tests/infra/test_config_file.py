"""Monitoring files against real files, the real tools where they are, and a real reload."""

import http.server
import json
import threading

import pytest

from infra.orchestra_provider.syntax import SyntaxProblemError, check_syntax
from tests.infra.engine_rpc import RpcError, secret

TOKEN = "orchestra:monitoring:ConfigFile"
RULES = "groups:\n- name: g\n  rules:\n  - {alert: Down, expr: up == 0}\n"


@pytest.fixture
def inputs(tmp_path):
    return {"path": str(tmp_path / "rules" / "g.yml"), "kind": "prometheus_rules", "content": RULES}


def test_a_file_is_written_read_updated_and_removed(engine, inputs, tmp_path):
    identifier, outputs = engine.create(TOKEN, inputs)
    path = tmp_path / "rules" / "g.yml"
    assert identifier == str(path)
    assert path.read_text() == RULES
    assert len(outputs["digest"]) == 64
    assert outputs["checked_by"] in ("promtool", "orchestra")
    assert engine.drift(TOKEN, identifier, inputs) == []
    new = {**inputs, "content": RULES.replace("Down", "Gone")}
    assert engine.update(TOKEN, identifier, inputs, new)["digest"] != outputs["digest"]
    assert "Gone" in path.read_text()
    path.write_text("groups: []\n")
    assert engine.drift(TOKEN, identifier, new) == ["content"]
    path.unlink()
    assert engine.drift(TOKEN, identifier, new) is None
    engine.delete(TOKEN, identifier, new)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_nobody_would_take_is_refused_before_it_is_written(engine, inputs, tmp_path):
    _, failures = engine.check(TOKEN, {**inputs, "content": "groups:\n- rules: []\n"})
    ((name, reason),) = failures
    assert name == "content"
    assert "g.yml" in reason
    assert list(tmp_path.iterdir()) == []


def test_a_foreign_file_is_refused_and_left_as_it_is(engine, inputs, tmp_path):
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "g.yml").write_text("theirs")
    with pytest.raises(RpcError, match="was not made by a stack"):
        engine.create(TOKEN, inputs)
    with pytest.raises(RpcError, match="was not made by a stack"):
        engine.delete(TOKEN, inputs["path"], inputs)
    assert (tmp_path / "rules" / "g.yml").read_text() == "theirs"


def test_a_secret_in_the_content_stays_wrapped_and_masked(engine, inputs):
    content = "route: {receiver: canary-hook}\nreceivers: []\n"
    own = {**inputs, "kind": "alertmanager", "content": secret(content)}
    checked, failures = engine.check(TOKEN, own)
    assert checked["content"] == own["content"]
    assert failures[0][0] == "content"
    own = {**inputs, "content": secret(RULES)}
    identifier, outputs = engine.create(TOKEN, own)
    assert outputs["content"] == own["content"]
    _, now, properties = engine.read(TOKEN, identifier, own)
    assert now["content"] == properties["content"] == own["content"]


@pytest.mark.parametrize("status", [200, 500])
def test_a_service_is_asked_to_reload_and_its_refusal_is_recorded(engine, inputs, status):
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            asked.append(self.path)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"bad rules")

        def log_message(self, *args):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    own = {**inputs, "reload_url": f"http://127.0.0.1:{server.server_port}/-/reload"}
    try:
        if status == 200:
            engine.create(TOKEN, own)
        else:
            with pytest.raises(RpcError) as failed:
                engine.create(TOKEN, own)
            assert failed.value.partial.id == inputs["path"]
            assert "refused to reload: 500 bad rules" in failed.value.partial.reasons[0]
    finally:
        server.shutdown()
        server.server_close()
    assert asked == ["/-/reload"]


@pytest.mark.parametrize(
    ("kind", "content", "said"),
    [
        ("prometheus", "scrape_configs: [{job_name: a}, {job_name: a}]", "Two scrape"),
        ("prometheus", "scrape_configs: {}", "no scrape_configs"),
        ("prometheus", "a: [", "cannot be parsed"),
        ("prometheus_rules", "groups: [{name: g, rules: [{expr: up}]}]", "neither"),
        ("alertmanager", "{route: {receiver: x}, receivers: []}", "receiver x"),
        ("grafana_dashboard", '{"uid": "x", "title": "", "panels": []}', "no title"),
        ("grafana_dashboard", "uid: x", "cannot be parsed"),
        ("grafana_datasources", "datasources: [{name: p, type: prometheus}]", "no url"),
        ("grafana_providers", "providers: [{name: p, options: {}}]", "no path"),
        ("blackbox", "modules: {tcp: {}}", "no prober"),
        ("yaml", "- a\n  b: c", "cannot be parsed"),
        ("json", "{'a': 1}", "cannot be parsed"),
    ],
)
def test_each_kind_of_file_has_its_rules(kind, content, said):
    with pytest.raises(SyntaxProblemError, match=said):
        check_syntax(kind, content)


@pytest.mark.prometheus("promtool")
def test_promtool_finds_what_our_rules_do_not():
    bad = json.dumps({"groups": [{"name": "g", "rules": [{"alert": "A", "expr": "up =="}]}]})
    with pytest.raises(SyntaxProblemError, match="promtool refuses it"):
        check_syntax("prometheus_rules", bad)
    assert check_syntax("prometheus_rules", RULES) == "promtool"
