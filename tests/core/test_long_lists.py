"""Lists that are long: pages that begin at a row, and searches that read no whole table."""

import html
import re

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.core import letter_index, searching
from apps.deployments.models import Deployment
from apps.environments.models import Environment

ADDRESS = "/admin/deployments/deployment/"


def deployments(environment, count, **fields):
    given = {"status": "canceled", "requested_by": "olga"} | fields
    Deployment.objects.bulk_create(
        Deployment(environment=environment, **given) for _ in range(count)
    )


def shown(client, **query):
    """Keys of the page's rows, and its links by their words."""
    response = client.get(ADDRESS, query)
    text = response.content.decode()
    part = text[text.index('class="paginator"') :].split("</p>")[0]
    found = re.findall(r'<a href="([^"]*)">(\w+)</a>', part)
    links = {words: html.unescape(link) for link, words in found}
    return [row.pk for row in response.context["cl"].result_list], links


def follow(client, link):
    return shown(client, **dict(pair.split("=") for pair in link.lstrip("?").split("&") if pair))


def test_pages_go_on_from_a_row_to_the_oldest_and_back(client, vic, development):
    deployments(development, 120)
    client.force_login(vic)
    keys = list(Deployment.objects.order_by("-pk").values_list("pk", flat=True))
    first, links = shown(client)
    assert first == keys[:50]
    assert set(links) == {"Older", "Oldest"}
    second, links = follow(client, links["Older"])
    assert second == keys[50:100]
    assert set(links) == {"Newest", "Newer", "Older", "Oldest"}
    assert follow(client, links["Newer"])[0] == first
    oldest, links = follow(client, links["Oldest"])
    assert oldest == keys[70:]
    assert set(links) == {"Newest", "Newer"}
    assert follow(client, links["Newer"])[0] == keys[20:70]
    assert follow(client, links["Newest"])[0] == first


def test_no_page_skips_rows(client, vic, development, django_assert_max_num_queries):
    deployments(development, 120)
    client.force_login(vic)
    for place in ("last", f"before-{Deployment.objects.latest('pk').pk}"):
        with django_assert_max_num_queries(15) as seen:
            client.get(ADDRESS, {"p": place})
        assert not [each["sql"] for each in seen.captured_queries if " OFFSET " in each["sql"]]


def test_a_filter_goes_along_from_page_to_page(client, vic, development, staging):
    deployments(development, 60)
    deployments(staging, 60)
    client.force_login(vic)
    query = {"environment__id__exact": staging.pk}
    _, links = shown(client, **query)
    older, _ = shown(client, p=re.search(r"before-\d+", links["Older"])[0], **query)
    assert len(older) == 10
    assert set(Deployment.objects.filter(pk__in=older).values_list("environment")) == {
        (staging.pk,)
    }


@pytest.mark.parametrize("place", ["before-x", "after-99999999999999999999", "2x", "", "lastly"])
def test_a_page_that_nobody_gave_is_the_first(client, vic, development, place):
    deployments(development, 60)
    client.force_login(vic)
    assert len(shown(client, p=place)[0]) == 50


def test_a_list_by_rank_pages_by_rank(client, root, monkeypatch):
    for rank in range(9, 0, -1):
        Environment.objects.create(
            slug=f"e{rank}", name="e", tier="development", rank=100 + rank, colour="teal"
        )
    monkeypatch.setattr(admin.site.get_model_admin(Environment), "list_per_page", 4)
    client.force_login(root)
    address = reverse("admin:environments_environment_changelist")

    def slugs(place):
        rows = client.get(address, {"p": place}).context["cl"].result_list
        return [row.slug for row in rows]

    fifth = Environment.objects.get(slug="e5").pk
    assert slugs(f"before-{fifth}") == ["e6", "e7", "e8", "e9"]
    assert slugs("last") == ["e6", "e7", "e8", "e9"]
    assert slugs(f"after-{fifth}") == ["e1", "e2", "e3", "e4"]


@pytest.fixture
def reasons(development):
    """Deployments by their reason."""
    texts = ["Raise the limits", "Lower the limits", "Zürich: 100% of “tools”", "a b"]
    for text in texts:
        deployments(development, 1, reason=text)
    return {row.reason: row.pk for row in Deployment.objects.all()}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("limits", {"Raise the limits", "Lower the limits"}),
        ("LIMITS raise", {"Raise the limits"}),
        ('"the limits" low', {"Lower the limits"}),
        ("mit er", {"Lower the limits"}),
        ("100%", {"Zürich: 100% of “tools”"}),
        ("zürich", {"Zürich: 100% of “tools”"}),
        ("olga", {"Raise the limits", "Lower the limits", "Zürich: 100% of “tools”", "a b"}),
        ("a b", {"Raise the limits", "a b"}),
        ("nowhere", set()),
        ('limits" OR "tools', set()),
        ("limits*", set()),
        ("lim_ts", set()),
    ],
)
def test_a_search_finds_rows_that_have_every_word(client, vic, reasons, text, found):
    client.force_login(vic)
    if text == "a b":  # b stands in no other text than this and Olga's name has an a
        found = {"a b"}
    keys, _ = shown(client, q=text)
    assert {words for words, key in reasons.items() if key in keys} == found


def test_a_number_is_the_deployment_of_that_number_too(client, vic, development):
    deployments(development, 2)
    first, second = Deployment.objects.order_by("pk")
    Deployment.objects.filter(pk=second.pk).update(reason=f"after {first.pk:03d}")
    client.force_login(vic)
    assert first.pk in shown(client, q=str(first.pk))[0]
    assert shown(client, q=f"{first.pk:03d}")[0] == [second.pk, first.pk]


def test_a_search_keeps_its_order_and_its_pages(client, vic, development):
    deployments(development, 60, reason="limits")
    client.force_login(vic)
    keys = list(Deployment.objects.order_by("-pk").values_list("pk", flat=True))
    first, links = shown(client, q="limits")
    assert first == keys[:50]
    assert follow(client, links.get("Next") or links["Older"])[0] == keys[50:]
    by_status = client.get(ADDRESS, {"q": "limits", "o": "3"})
    assert len(by_status.context["cl"].result_list) == 50


def test_the_index_follows_the_rows(client, vic, development):
    deployments(development, 1, reason="limits")
    client.force_login(vic)
    Deployment.objects.update(reason="budget")
    assert shown_count(client, "limits") == 0
    assert shown_count(client, "budget") == 1
    Deployment.objects.all().delete()
    assert shown_count(client, "budget") == 0


def shown_count(client, text):
    return len(client.get(ADDRESS, {"q": text}).context["cl"].result_list)


def test_short_words_are_looked_for_in_the_newest_rows_and_the_page_says_so(
    client, vic, development, monkeypatch
):
    monkeypatch.setattr(searching, "NEWEST", 3)
    deployments(development, 1, reason="qx")
    deployments(development, 3)
    old = Deployment.objects.earliest("pk").pk
    client.force_login(vic)
    text = client.get(ADDRESS, {"q": "qx"}).content.decode()
    assert "Fewer than 3 letters are looked for in the newest 2,000 rows only." in text
    assert shown_count(client, "qx") == 0
    assert old in shown(client, q=str(old))[0] or len(str(old)) > 2
    assert "Fewer than" not in client.get(ADDRESS, {"q": "limits"}).content.decode()


def test_every_searched_list_has_its_index(root):
    wanted = {
        letter_index.index_name(model, fields) for model, fields in letter_index.wanted(connection)
    }
    assert len(wanted) >= 10
    assert letter_index.index_name(User, ("username", "email")) in wanted
    assert letter_index.standing(connection) == wanted


@pytest.mark.skipif(connection.vendor != "sqlite", reason="triggers are SQLite's")
def test_a_migration_finds_no_trigger_in_its_way_and_the_index_comes_back(client, vic, development):
    before = letter_index.standing(connection)
    letter_index.forget("default", plan=[])
    assert letter_index.standing(connection) == before
    letter_index.forget("default", plan=["a migration"])
    assert letter_index.standing(connection) == set()
    deployments(development, 1, reason="limits")
    client.force_login(vic)
    assert shown_count(client, "limits") == 1, "without an index it reads the table"
    letter_index.keep("default")
    assert letter_index.standing(connection) == before
    assert shown_count(client, "limits") == 1


def test_nobody_writes_the_schedule_past_the_verbs(client, root):
    client.force_login(root)
    assert client.get("/admin/django_celery_beat/periodictask/").status_code == 404
    tables = apps.get_app_config("django_celery_beat").get_models()
    assert not [model for model in tables if admin.site.is_registered(model)]


@pytest.mark.parametrize(
    "place",
    ["deployments", "runs", "states", "holds", "monitoring/checks", "schedules"],
)
def test_the_api_asks_a_list_by_the_key_of_an_environment_and_not_through_a_join(
    client, vic, development, production, place
):
    deployments(production, 1)
    client.force_login(vic)
    address = f"/api/v1/{place}/"
    with CaptureQueriesContext(connection) as asked:
        assert client.get(address, {"environment": "production"}).status_code == 200
        assert client.get(address, {"environment": "nowhere"}).json()["results"] == []
    by_name = [query["sql"] for query in asked if "'production'" in query["sql"]]
    assert by_name
    assert all(' FROM "environments_' in sql for sql in by_name)
