"""Pages of single rows, and forms that begin with what holds."""

from datetime import time, timedelta

import pytest
from django.contrib import admin
from django.utils import timezone

from apps.deployments.models import Hold, StateCopy
from apps.environments.models import Freeze, Port, Window
from tests.conftest import person


def kept(run):
    """A copy of the state, as a run leaves one."""
    given = {"digest": "d", "resources": 1, "document": "{}"}
    return StateCopy.objects.create(run=run, stack=run.stack, **given)


@pytest.fixture
def boss(client, production):
    """An admin of everything, logged in."""
    user = person("boss", "admin")
    client.force_login(user)
    return user


def test_a_row_is_named_once_under_the_band_of_its_environment(client, boss, production):
    row = Port.objects.create(environment=production, port=8003, owner="memory")
    text = client.get(f"/admin/environments/port/{row.pk}/change/").content.decode()
    assert "<title>[PRODUCTION] Port 127.0.0.1:8003/tcp |" in text
    assert "env-crimson" in text
    assert "View port" not in text


def test_a_row_of_a_deployment_has_the_band_too(client, boss, production, deployment):
    row, _ = deployment(production, "succeeded")
    hold = Hold.objects.create(environment=production, deployment=row, reason="no", set_by="ada")
    text = client.get(f"/admin/deployments/hold/{hold.pk}/change/").content.decode()
    assert "[PRODUCTION] Hold on the revision" in text
    assert "not set" in text


def test_no_row_leads_to_a_history_that_knows_nothing(client, boss, production):
    row = Port.objects.create(environment=production, port=8003, owner="memory")
    text = client.get(f"/admin/environments/port/{row.pk}/change/").content.decode()
    assert "historylink" not in text
    assert client.get(f"/admin/environments/port/{row.pk}/history/").status_code == 404


def test_the_form_of_a_window_begins_with_its_hours(client, boss, production):
    row = Window.objects.create(
        environment=production,
        reason="office",
        created_by="ada",
        weekdays=[4, 0],
        begins=time(9),
        ends=time(17, 30),
        zone="Europe/Berlin",
    )
    address = f"/admin/environments/production/window/{row.pk}/edit/"
    text = client.get(address).content.decode()
    for value in ("09:00", "17:30", "mon, fri", "Europe/Berlin"):
        assert f'value="{value}"' in text


def test_the_list_of_freezes_says_until_when(client, boss, production):
    now = timezone.now()
    common = {"environment": production, "starts_at": now, "reason": "x", "created_by": "ada"}
    Freeze.objects.create(**common, begins=time(22), ends=time(6))
    Freeze.objects.create(**common, ends_at=now + timedelta(days=1))
    text = client.get("/admin/environments/freeze/").content.decode()
    assert 'class="field-until">lifted' in text
    assert f'datetime="{now + timedelta(days=1):%Y-%m-%d}' in text


def test_a_restore_says_in_words_when_the_copy_was_taken(client, boss, production, deployment):
    _, run = deployment(production, "succeeded")
    copy = StateCopy.objects.create(
        run=run, stack=run.stack, digest="d", resources=1, document="{}"
    )
    text = client.get(f"/admin/deployments/statecopy/{copy.pk}/restore/").content.decode()
    assert f"taken {copy.at:%Y-%m-%d %H:%M} UTC" in text


def test_no_column_of_a_list_is_hidden_by_a_field_of_the_same_name():
    """Django shows the field, and the method of the list is never called."""
    hidden = [
        (model.__name__, column)
        for model, shown in admin.site._registry.items()
        for column in shown.list_display
        if isinstance(column, str)
        and hasattr(type(shown), column)
        and column in {field.name for field in model._meta.get_fields()}
    ]
    assert hidden == []


def test_a_copy_of_the_state_is_downloaded_by_whom_may_recover(
    client, vic, olga, development, deployment
):
    _, run = deployment(development, "succeeded")
    copy = StateCopy.objects.create(
        run=run, stack=run.stack, digest="d", resources=1, document="{}"
    )
    link = f'href="/admin/deployments/statecopy/{copy.pk}/download/"'
    for user, given in ((vic, False), (olga, True)):
        client.force_login(user)
        text = client.get("/admin/deployments/statecopy/").content.decode()
        assert (link in text) is given
        assert ("disabled" in text) is not given


def test_a_figure_leads_nobody_to_a_record_that_is_refused(client, db):
    for role, given in (("viewer", False), ("operator", False), ("auditor", True), ("admin", True)):
        client.force_login(person(f"the-{role}", role))
        text = client.get("/admin/metrics/").content.decode()
        assert ('href="/admin/audit/auditevent/?q=' in text) is given


@pytest.mark.parametrize("status", ["awaiting_approval", "needs_recovery", "applying"])
def test_what_a_plan_deletes_is_read_first_and_open(client, boss, development, deployment, status):
    row, _ = deployment(development, status)
    change = {"type": "orchestra:mcp:Server", "parent": "", "properties": []}
    row.plan = {
        "summary": {"create": 1, "delete": 1},
        "changes": [
            {**change, "urn": f"u{name}", "name": name, "operation": name}
            for name in ("create", "delete")
        ],
    }
    row.save()
    text = client.get(f"/admin/deployments/deployment/{row.pk}/change/").content.decode()
    assert '<details id="plan-1" open><summary><span>Deletes and replaces' in text
    assert text.index("Deletes and replaces") < text.index('<details id="plan-2"')
