"""The base has a page of its own; a change of it says first whom it touches."""

import pytest
from django.urls import reverse

from apps.audit.models import AuditEvent
from apps.environments.effective import effective_values
from apps.environments.models import BaseSetting
from apps.environments.services import set_base_setting, set_setting
from tests.conftest import person

pytestmark = pytest.mark.django_db


def at(name, *args):
    return reverse(f"admin:base-setting{name}", args=args)


def text_of(answer):
    return answer.content.decode()


def seen_at(client, address):
    return {"seen": client.get(address).context["confirmation"].hidden["seen"]}


def lines_at(client, address):
    return " ".join(line for _, line in client.get(address).context["confirmation"].lines)


def test_a_setting_of_the_base_is_added_changed_and_removed(client, olga, development, staging):
    client.force_login(olga)
    page = at("s")
    assert "The base has no settings yet" in text_of(client.get(page))
    given = {"key": "limits", "kind": "structure", "value": '{"rows": 1}', "note": "as asked"}
    assert client.post(at("-add"), given).url == page
    shown = text_of(client.get(page))
    for door in (at("-change", "limits"), at("-remove", "limits"), at("-add")):
        assert f'href="{door}"' in shown
    assert "as asked" in shown
    change = at("-change", "limits")
    answer = client.post(change, {"value": '{"rows": 2}', **seen_at(client, change)})
    assert answer.url == page
    assert effective_values(development) == effective_values(staging) == {"limits": {"rows": 2}}
    remove = at("-remove", "limits")
    assert client.post(remove, seen_at(client, remove)).url == page
    assert not BaseSetting.objects.exists()
    assert list(AuditEvent.objects.order_by("pk").values_list("event", flat=True)) == [
        "environments.base_setting.changed",
        "environments.base_setting.changed",
        "environments.base_setting.removed",
    ]


def test_a_change_names_whom_it_touches_in_part_or_not_at_all(
    client, root, actor, development, staging, production
):
    for key, value in (("limits", {"rows": 1}), ("region", "eu"), ("team", "ops")):
        set_base_setting(actor(root), key=key, value=value)
    set_setting(actor(root), environment="staging", key="limits", value={"seconds": 3})
    set_setting(actor(root), environment="production", key="region", value="us")
    client.force_login(root)
    said = lines_at(client, at("-change", "limits"))
    assert "Touches development, production: no value of their own." in said
    assert "Touches staging in part" in said
    said = lines_at(client, at("-remove", "region"))
    assert "Touches development, staging: no value of their own." in said
    assert "Leaves production alone" in said
    assert "Change team in development, staging, production" in text_of(
        client.get(at("-change", "team"))
    )


def test_what_touches_production_is_typed(client, olga, actor, root, development, production):
    set_base_setting(actor(root), key="team", value="ops")
    set_base_setting(actor(root), key="region", value="eu")
    set_setting(actor(root), environment="production", key="region", value="us")
    client.force_login(olga)
    change = at("-change", "team")
    given = {"value": "web", **seen_at(client, change)}
    assert client.post(change, given).status_code == 400
    assert BaseSetting.objects.get(key="team").value == "ops"
    assert client.post(change, {**given, "confirm": "production"}).status_code == 302
    assert BaseSetting.objects.get(key="team").value == "web"
    change = at("-change", "region")
    answer = client.post(change, {"value": "asia", **seen_at(client, change)})
    assert answer.status_code == 302
    assert effective_values(production)["region"] == "us"


def test_who_looked_at_an_older_base_writes_over_nothing(client, olga, actor, root, development):
    set_base_setting(actor(root), key="team", value="ops")
    client.force_login(olga)
    doors = at("-change", "team"), at("-remove", "team")
    marks = [seen_at(client, door) for door in doors]
    set_base_setting(actor(person("ann", "admin")), key="team", value="web")
    for door, mark in zip(doors, marks, strict=True):
        answer = client.post(door, {"value": "new", **mark})
        assert (answer.status_code, "by ann" in text_of(answer)) == (409, True)
    given = {"key": "team", "kind": "text", "value": "new"}
    assert client.post(at("-add"), given).status_code == 409
    assert BaseSetting.objects.get().value == "web"


def test_a_value_that_an_environment_cannot_use_is_refused(client, olga, development):
    client.force_login(olga)
    given = {"key": "mcp_enabled", "kind": "text", "value": "perhaps"}
    answer = client.post(at("-add"), given)
    assert answer.status_code == 400
    assert "not yes or no" in text_of(answer)
    assert client.get(at("-change", "mcp_enabled")).status_code == 404


def test_who_holds_no_role_everywhere_sees_no_base_and_no_door_to_it(
    client, vic, actor, root, development
):
    set_base_setting(actor(root), key="team", value="ops")
    places = reverse("admin:environments_environment_changelist")
    client.force_login(vic)
    shown = text_of(client.get(at("s")))
    assert "edit settings needs" in shown
    assert at("-change", "team") not in shown
    assert "disabled" in text_of(client.get(at("-change", "team")))
    given = {"value": "x", **seen_at(client, at("-change", "team"))}
    assert client.post(at("-change", "team"), given).status_code == 403
    assert at("s") in text_of(client.get(places))
    client.force_login(person("ned", "operator@development"))
    assert at("s") not in text_of(client.get(places))
    for door in (at("s"), at("-add"), at("-change", "team"), at("-remove", "team")):
        assert client.get(door).status_code == 404


def test_the_page_asks_no_more_for_more_settings(
    client, olga, actor, root, development, staging, django_assert_max_num_queries
):
    for number in range(30):
        set_base_setting(actor(root), key=f"key{number}", value=number)
    client.force_login(olga)
    with django_assert_max_num_queries(16):
        assert client.get(at("s")).status_code == 200
