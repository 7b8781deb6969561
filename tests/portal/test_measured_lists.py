"""The bench of lists knows each list there is, and fills it so that it answers."""

import pytest
from django.apps import apps
from django.contrib import admin

from bench import pages
from bench.filling import looks, rows
from orchestra_portal.api import router

# As many as there are environments, keys, ports: never more than one page shows.
WITHOUT_PAGES = {"settings", "matrix", "metrics", "monitoring/targets"}


def test_the_bench_fills_the_table_of_every_list_of_the_admin():
    assert set(looks.lists()) <= set(pages.TABLES)


def test_the_bench_fills_the_table_of_every_list_of_the_api(db):
    asked = {each["model"] for each in looks.of_api()}
    assert len(asked) > 20
    assert asked <= set(pages.TABLES)


def test_what_the_bench_lets_grow_is_filled():
    assert set(pages.TABLES) > pages.GROWING


def test_every_list_of_the_api_has_pages_that_the_bench_asks_for(db):
    asked = {each["address"] for each in looks.of_api()}
    short = set()
    for prefix, view, _ in router.registry:
        if hasattr(view, "list") and f"/api/v1/{prefix}/" not in asked:
            short.add(prefix)
        for action in view.get_extra_actions():
            if "orderings" in action.kwargs:
                assert (prefix, action.url_path) in looks.PARTS
    assert short == WITHOUT_PAGES


@pytest.fixture
def filled(root, monkeypatch):
    """A hundred rows in every table, as the side with few has them."""
    monkeypatch.setattr(rows, "settle", lambda _: None)  # outside a transaction only
    rows.fill(apps.get_model("environments.Environment"), pages.PLACES)
    for label in pages.TABLES:
        if label != "environments.Environment":
            rows.fill(apps.get_model(label), pages.FEW)


@pytest.mark.slow
def test_every_list_answers_with_the_rows_of_the_bench(client, root, filled):
    client.force_login(root)
    asked = [looks.of_list(model)["address"] for model in admin.site._registry]
    asked += [each["address"] for each in looks.of_api()]
    assert len(asked) > 40
    assert {address for address in asked if client.get(address).status_code != 200} == set()
