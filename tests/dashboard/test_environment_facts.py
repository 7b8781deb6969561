"""Environments over REST: what is said of each, and at what cost for many."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from apps.monitoring.choices import Health
from apps.monitoring.models import Check

pytestmark = pytest.mark.django_db
BASE = "/api/v1/environments/"


@pytest.fixture
def ask(olga):
    client = APIClient()
    client.force_authenticate(olga)

    def of(slug=""):
        answer = client.get(f"{BASE}{slug}/" if slug else BASE)
        assert answer.status_code == 200
        return answer.json() if slug else {row["slug"]: row for row in answer.json()["results"]}

    return of


def watched(place, name, health, reason, hours):
    since = timezone.now() - timedelta(hours=hours)
    return Check.objects.create(
        environment=place,
        name=name,
        kind="tcp",
        parameters={"host": "127.0.0.1", "port": 1},
        health=health,
        health_reason=reason,
        health_since=since,
    )


def test_many_are_asked_for_no_more_often_than_one(
    ask, development, staging, production, deployment
):
    def fill(place):
        watched(place, "a", Health.HEALTHY, "Answers.", 1)
        deployment(place, "succeeded")
        deployment(place, "awaiting_approval")

    fill(development)
    ask()
    with CaptureQueriesContext(connection) as one:
        ask()
    fill(staging)
    fill(production)
    with CaptureQueriesContext(connection) as many:
        assert len(ask()) == 3
    assert len(many) == len(one)


def test_the_list_and_the_detail_say_the_same(ask, development, staging, deployment):
    for place in (development, staging):
        watched(place, "a", Health.HEALTHY, "Answers.", 1)
        deployment(place, "succeeded")
    rows = ask()
    assert rows["development"] == ask("development")
    assert rows["staging"] == ask("staging")


def test_what_runs_there_is_the_last_that_did_what_it_should(ask, development, deployment):
    done, _ = deployment(development, "succeeded")
    deployment(development, "failed")
    row = ask("development")
    assert row["current_deployment"] == done.pk
    assert row["current_revision"] == done.revision


def test_nothing_runs_in_what_was_destroyed(ask, development, deployment):
    deployment(development, "succeeded")
    deployment(development, "succeeded", kind="destroy")
    row = ask("development")
    assert (row["current_deployment"], row["current_revision"]) == (None, None)


def test_the_reason_is_of_the_check_that_has_been_worst_for_longest(ask, development, staging):
    watched(development, "well", Health.HEALTHY, "Answers.", 9)
    watched(development, "late", Health.UNREACHABLE, "Nobody listens on port 2.", 1)
    watched(development, "first", Health.UNREACHABLE, "Nobody listens on port 1.", 5)
    watched(staging, "well", Health.HEALTHY, "Answers in 3 ms.", 2)
    rows = ask()
    assert rows["development"]["health"]["status"] == "unreachable"
    assert rows["development"]["health"]["reason"] == "Nobody listens on port 1."
    assert rows["staging"]["health"]["reason"] == "Answers in 3 ms."
