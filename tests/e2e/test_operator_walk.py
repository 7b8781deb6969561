"""
The main job, as an operator does it: log in, deploy development, watch it, look at the memory
server, destroy it. Nothing is simulated; no page is reloaded while something moves.
"""

import json
import re
import socket
import urllib.request

import pytest

pytestmark = [pytest.mark.chromium, pytest.mark.network, pytest.mark.slow]

MINUTES = 60_000
ACCEPT = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}


def ask(port, method, params, session=None):
    """One JSON-RPC request to the memory server; (result, session id)."""
    headers = ACCEPT | ({"Mcp-Session-Id": session} if session else {})
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
    request = urllib.request.Request(f"http://127.0.0.1:{port}/mcp", body.encode(), headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        text = answer.read().decode()
        found = re.findall(r"^data: (\{.*\})$", text, re.MULTILINE) or [text]
        return json.loads(found[-1])["result"], answer.headers.get("Mcp-Session-Id")


def listens(port):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def mark(page):
    """Leaves a trace in the page that any reload would remove."""
    page.evaluate("window.never_reloaded = true")


def was_never_reloaded(page):
    return page.evaluate("window.never_reloaded === true")


def test_deploys_watches_and_destroys_development(portal, page):
    base, port = portal.place.url, portal.memory_port
    home = portal.place.home / "environments" / "development"

    page.goto(f"{base}admin/")
    page.click("article.env-teal >> text=Deploy…")
    page.fill("#id_reason", "first <b>deployment</b>")
    page.click("text=Plan deployment to development")
    mark(page)
    page.wait_for_selector("text=Apply 4 changes to development…", timeout=2 * MINUTES)
    assert was_never_reloaded(page)
    assert page.locator("text=“first <b>deployment</b>”").count() == 1
    assert not listens(port), "a plan changes nothing"

    page.click("text=Apply 4 changes to development…")
    page.click("button:has-text('Apply 4 changes to development')")
    mark(page)
    page.wait_for_selector(".op-head .op-st:has-text('Succeeded')", timeout=5 * MINUTES)
    assert was_never_reloaded(page)
    assert page.locator(".op-live-tree .op-leaf .op-st:has-text('created')").count() == 4

    hello = {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "t", "version": "1"},
    }
    _, session = ask(port, "initialize", hello)
    tools, _ = ask(port, "tools/list", {}, session)
    assert len(tools["tools"]) == 9

    page.goto(f"{base}admin/mcp/mcpserver/1/change/")
    page.wait_for_selector(".op-head .op-st:has-text('Healthy')", timeout=MINUTES)
    page.wait_for_selector("text=create_entities", timeout=MINUTES)

    page.goto(f"{base}admin/environments/development/")
    page.click("text=Destroy…")
    page.click("text=Plan the removal of development")
    page.wait_for_selector("text=Destroy 4 resources in development…", timeout=2 * MINUTES)
    page.click("text=Destroy 4 resources in development…")
    page.fill("#id_confirm", "developmen")
    page.click("button:has-text('Destroy 4 resources in development')")
    assert "You typed “developmen”" in page.inner_text("main")
    assert listens(port)
    page.fill("#id_confirm", "development")
    page.click("button:has-text('Destroy 4 resources in development')")
    page.wait_for_selector(".op-head .op-st:has-text('Succeeded')", timeout=2 * MINUTES)
    assert not listens(port)
    assert not list(home.glob("packages/*"))
    assert not (home / "database.sqlite3").exists()
