"""A canary secret, printed by everything that can print, is found nowhere."""

import base64
import json
import urllib.parse
from pathlib import Path

import pytest
from django.db import connection

from apps.core.permissions import system
from apps.environments.services import set_secret

CANARY = 'can"ary/ücret 4711'


@pytest.fixture
def leaky(world):
    """Host, engine and program print the secret in every spelling."""
    set_secret(system("test"), environment="development", key="api_key", value=CANARY)
    spellings = [
        CANARY,
        base64.b64encode(CANARY.encode()).decode(),
        base64.b64encode(b"user:" + CANARY.encode()).decode(),
        urllib.parse.quote(CANARY),
        json.dumps(CANARY),
    ]
    urn = "urn:pulumi:development::orchestra::a:b:C::x"
    metadata = {"op": "create", "urn": urn, "type": "a:b:C"}
    metadata["new"] = {"custom": True, "inputs": {"echo": CANARY, "deep": [{"x": CANARY}]}}
    events = [
        {"diagnosticEvent": {"severity": "error", "message": f"denied for {text}", "urn": urn}}
        for text in spellings
    ]
    events += [
        {"resourcePreEvent": {"planning": True, "metadata": metadata}},
        {"surpriseEvent": {"text": CANARY}},
    ]
    state = {"version": 3, "deployment": {"resources": [{"outputs": {"echo": CANARY}}]}}
    world.wish(
        print=[f"token={text}" for text in spellings],
        events=events,
        result={
            "outcome": "failed",
            "code": "provider.failed",
            "reason": f"login denied for {CANARY}",
            "outputs": {"echo": CANARY},
            "state": state,
        },
    )
    return [*spellings, CANARY.replace('"', '\\"')]


def every_cell():
    """Every text of every row of every table."""
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            # The twin's own wishes are where the canary comes from.
            if table == "environments_setting":
                continue
            cursor.execute(f'SELECT * FROM "{table}"')
            for row in cursor.fetchall():
                yield from ((table, str(cell)) for cell in row)


def test_no_table_and_no_file_holds_it(world, leaky, tmp_path):
    deployment = world.applied()
    assert deployment.status == "failed"
    for table, cell in every_cell():
        found = [text for text in leaky if text in cell]
        assert not found, (table, cell[:200])
    for path in filter(Path.is_file, (tmp_path / "runs").rglob("*")):
        text = path.read_text(errors="replace")
        assert not [spelling for spelling in leaky if spelling in text], path.name


def test_the_log_still_says_what_happened(world, leaky):
    deployment = world.applied()
    run = deployment.runs.get(operation="update")
    messages = list(run.events.values_list("message", flat=True))
    assert any(message.startswith("denied for ••••") for message in messages)
    assert "••••" in deployment.status_reason


def test_the_run_folder_is_closed_to_others(world, tmp_path):
    deployment = world.applied()
    folder = tmp_path / "runs" / str(deployment.runs.get(operation="update").pk)
    assert folder.stat().st_mode & 0o777 == 0o700
    for path in folder.rglob("*"):
        assert not path.stat().st_mode & 0o077, path
