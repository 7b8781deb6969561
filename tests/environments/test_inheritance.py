"""Settings come from a base and from the environment's own, and say so."""

import pytest
from rest_framework.test import APIClient

from apps.audit.models import AuditEvent
from apps.core.errors import Forbidden, Invalid, NotFound
from apps.deployments.approvals import last_editors
from apps.deployments.configuration import read_configuration
from apps.environments.choices import Origin
from apps.environments.effective import effective_settings, effective_values, merged
from apps.environments.models import BaseSetting
from apps.environments.services import (
    remove_base_setting,
    remove_setting,
    set_base_setting,
    set_setting,
)
from tests.conftest import person

POSTGRES = {"kind": "postgres", "host": "db", "name": "x", "user": "x", "admin_user": "a"}


@pytest.mark.parametrize(
    ("base", "own", "found"),
    [
        ({"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"c": 9}}, {"a": 1, "b": {"c": 9, "d": 3}}),
        ({"a": 1, "b": 2}, {"b": None}, {"a": 1}),
        ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
        ("text", {"a": {"b": None}}, {"a": {}}),
        ({"a": 1}, 5, 5),
    ],
)
def test_an_own_map_goes_over_the_base_key_by_key(base, own, found):
    assert merged(base, own) == found


def test_every_environment_inherits_and_its_own_wins(development, staging, root, actor):
    set_base_setting(actor(root), key="limits", value={"seconds": 30, "rows": 100})
    set_setting(actor(root), environment="staging", key="limits", value={"seconds": 300})
    assert effective_values(development) == {"limits": {"seconds": 30, "rows": 100}}
    assert effective_values(staging) == {"limits": {"seconds": 300, "rows": 100}}
    (row,) = effective_settings(staging)
    assert row.origin == Origin.BOTH
    assert row.origin_of(["seconds"]) == Origin.OWN
    assert row.origin_of(["rows"]) == Origin.BASE
    (row,) = effective_settings(development)
    assert (row.origin, row.origin_of(["rows"])) == (Origin.BASE, Origin.BASE)


def test_the_program_gets_what_it_comes_to_and_the_digest_moves_with_the_base(
    development, root, actor
):
    set_base_setting(actor(root), key="limits", value={"seconds": 30})
    first = read_configuration(development)
    assert first.values["orchestra:limits"] == {"seconds": 30}
    set_base_setting(actor(root), key="limits", value={"seconds": 31})
    assert read_configuration(development).digest() != first.digest()


def test_a_part_is_enough_where_the_base_has_the_rest(staging, root, actor):
    with pytest.raises(Invalid):
        set_setting(actor(root), environment="staging", key="database", value={"name": "own"})
    set_base_setting(actor(root), key="database", value=POSTGRES)
    set_setting(actor(root), environment="staging", key="database", value={"name": "own"})
    assert effective_values(staging)["database"] == POSTGRES | {"name": "own"}


def test_a_base_that_an_environment_could_not_use_is_refused_by_name(staging, root, actor):
    set_base_setting(actor(root), key="database", value=POSTGRES)
    set_setting(actor(root), environment="staging", key="database", value={"name": "own"})
    with pytest.raises(Invalid) as refusal:
        set_base_setting(actor(root), key="database", value={"kind": "postgres"})
    assert "In staging:" in refusal.value.text
    with pytest.raises(Invalid) as refusal:
        remove_base_setting(actor(root), key="database")
    assert "In staging:" in refusal.value.text
    remove_setting(actor(root), environment="staging", key="database")
    remove_base_setting(actor(root), key="database")
    assert not BaseSetting.objects.exists()
    with pytest.raises(NotFound):
        remove_base_setting(actor(root), key="database")


def test_the_base_is_for_those_who_may_change_all(staging, root, actor):
    with pytest.raises(NotFound):
        set_base_setting(actor(person("ned", "operator@staging")), key="x", value=1)
    with pytest.raises(Forbidden):
        set_base_setting(actor(person("vic", "viewer")), key="x", value=1)
    set_base_setting(actor(root), key="x", value=1)
    assert AuditEvent.objects.filter(event="environments.base_setting.changed").exists()
    # Whoever edits what all inherit has edited each of them.
    assert last_editors(staging) == {root.pk: "the setting x that all inherit"}


def test_a_note_explains_one_value(staging, root, actor):
    set_setting(actor(root), environment="staging", key="x", value=1, note="one is enough")
    assert set_setting(actor(root), environment="staging", key="x", value=1).note == "one is enough"
    assert set_setting(actor(root), environment="staging", key="x", value=2).note == ""


def test_rest_shows_where_each_value_comes_from(development, root):
    door = APIClient()
    door.force_authenticate(root)
    door.force_login(root)
    assert door.put("/api/v1/settings/limits/", {"value": {"rows": 1}}).status_code == 200
    assert door.get("/api/v1/settings/").json()[0]["key"] == "limits"
    door.put("/api/v1/environments/development/settings/limits/", {"value": {"seconds": 2}})
    (row,) = door.get("/api/v1/environments/development/settings/").json()
    assert row["value"] == {"rows": 1, "seconds": 2}
    assert row["origin"] == "both"
    assert (row["own_value"], row["base_value"]) == ({"seconds": 2}, {"rows": 1})
    assert door.delete("/api/v1/settings/limits/").status_code == 204
    (row,) = door.get("/api/v1/environments/development/settings/").json()
    assert (row["origin"], row["base_value"]) == ("own", None)
