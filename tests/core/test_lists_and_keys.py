"""The plumbing of every endpoint, over a view set of its own on the audit rows."""

import json
import threading

import pytest
from django.core.cache import cache
from django.test import override_settings
from django.urls import include, path
from django.utils import timezone
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.test import APIClient

from apps.accounts.idempotency import PATIENCE
from apps.accounts.models import FirstAnswer
from apps.audit import services as audit
from apps.audit.models import AuditEvent
from apps.core.api import Input, ReadOnlyViewSet
from apps.core.errors import Refused
from apps.core.permissions import system

pytestmark = pytest.mark.django_db


class EventSerializer(serializers.ModelSerializer):
    class Meta:
        model = AuditEvent
        fields = ["id", "event", "environment"]


class NoteInput(Input):
    text = serializers.CharField(max_length=20)


class EventViewSet(ReadOnlyViewSet):
    queryset = AuditEvent.objects.all()
    serializer_class = EventSerializer
    filters = {"event": "event", "environment": "environment", "actor_id": "actor_id"}
    orderings = ("id", "at")

    @action(detail=False, methods=["post"])
    def note(self, request):
        text = self.body(NoteInput)["text"]
        if text == "break":
            raise RuntimeError("a bug")
        if text == "refuse":
            raise Refused("note.refused", "Not this one.")
        row = audit.record(self.actor, "note.written", text=text)
        return Response({"id": row.pk}, status=status.HTTP_201_CREATED)


router = SimpleRouter()
router.register("events", EventViewSet)
urlpatterns = [path("api/v1/", include(router.urls))]


@pytest.fixture
def client(root):
    client = APIClient(raise_request_exception=False)
    client.force_login(root)
    with override_settings(ROOT_URLCONF=__name__):
        yield client


@pytest.fixture
def events(db):
    for number in range(7):
        audit.record(system("test"), f"thing.{number % 2}", environment="staging")


def note(client, text, key=None):
    headers = {"Idempotency-Key": key} if key else {}
    return client.post("/api/v1/events/note/", {"text": text}, format="json", headers=headers)


def pages(client, url):
    rows = []
    while url:
        answer = client.get(url).json()
        rows += [row["id"] for row in answer["results"]]
        url = answer["next"]
    return rows


def test_pages_hold_every_row_once_newest_first(client, events):
    ids = list(AuditEvent.objects.values_list("pk", flat=True))
    assert pages(client, "/api/v1/events/?page_size=3") == sorted(ids, reverse=True)
    assert pages(client, "/api/v1/events/?page_size=2&ordering=at") == sorted(ids)


def test_a_filter_is_named_after_its_field(client, events):
    answer = client.get("/api/v1/events/?event=thing.1&environment=staging").json()
    assert {row["event"] for row in answer["results"]} == {"thing.1"}
    assert len(answer["results"]) == 3


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("evnt=x", "evnt"),
        ("actor_id=many", "actor_id"),
        ("actor_id=99999999999999999999", "actor_id"),
        ("event=%00", "event"),
        ("ordering=detail", "ordering"),
        ("page_size=501", "page_size"),
        ("page_size=0", "page_size"),
        ("page_size=²", "page_size"),
        ("cursor=nonsense", "cursor"),
        ("cursor=cD1hYmM%3D", "cursor"),
    ],
)
def test_a_query_nobody_can_use_is_a_400_that_names_the_parameter(client, events, query, field):
    answer = client.get(f"/api/v1/events/?{query}")
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    assert [item["field"] for item in answer.json()["errors"]] == [field]


def test_rows_of_others_are_neither_listed_nor_found(client, events, mallory):
    client.force_login(mallory)
    assert client.get("/api/v1/events/").json()["results"] == []
    pk = AuditEvent.objects.first().pk
    answer = client.get(f"/api/v1/events/{pk}/")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_a_field_nobody_reads_is_refused(client):
    answer = client.post("/api/v1/events/note/", {"text": "a", "txet": "b"}, format="json")
    assert answer.status_code == 400
    assert [item["field"] for item in answer.json()["errors"]] == ["txet"]


def test_the_same_key_and_body_answer_the_first_answer(client):
    first, second = note(client, "once", "k-1"), note(client, "once", "k-1")
    assert first.status_code == second.status_code == 201
    assert first.content == second.content
    assert second["Idempotency-Replayed"] == "true"
    assert second["Content-Type"] == first["Content-Type"]
    assert AuditEvent.objects.filter(event="note.written").count() == 1


def test_a_refusal_is_a_first_answer_too(client):
    first, second = note(client, "refuse", "k-1"), note(client, "refuse", "k-1")
    assert (first.status_code, second.status_code) == (409, 409)
    assert first.content == second.content
    assert second["Content-Type"] == "application/problem+json"


def test_another_body_under_the_same_key_is_refused(client):
    note(client, "once", "k-1")
    answer = note(client, "twice", "k-1")
    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency.reused")


def test_keys_of_two_people_are_two_keys(client, vic):
    note(client, "once", "k-1")
    client.force_login(vic)
    assert note(client, "twice", "k-1").status_code == 201


def test_a_failure_of_ours_gives_the_key_back(client):
    assert note(client, "break", "k-1").status_code == 500
    assert not FirstAnswer.objects.exists()


def test_a_key_of_yesterday_is_new_again(client):
    note(client, "once", "k-1")
    FirstAnswer.objects.update(created_at=timezone.now() - timezone.timedelta(hours=25))
    assert note(client, "twice", "k-1").status_code == 201


def test_a_key_under_way_is_refused_until_it_is_answered(client, root):
    note(client, "once", "k-1")
    FirstAnswer.objects.update(status=None)
    assert note(client, "once", "k-1").json()["code"] == "idempotency.in_progress"
    FirstAnswer.objects.update(created_at=timezone.now() - PATIENCE)
    assert note(client, "once", "k-1").json()["code"] == "idempotency.unknown"


@pytest.mark.parametrize("key", ["two words", "ü", "k" * 201])
def test_a_key_nobody_can_use_is_a_400(client, key):
    answer = note(client, "once", key)
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency.key")


def test_a_stored_answer_is_sealed(client):
    first = note(client, "once", "k-1")
    assert json.dumps(first.json()) not in FirstAnswer.objects.get().sealed
    assert str(first.json()["id"]) in first.content.decode()


@pytest.mark.django_db(transaction=True)
def test_of_ten_at_once_one_does_it(client, root):
    answers = []

    def ask():
        from django.db import connection

        own = APIClient()
        own.force_login(root)
        answers.append(note(own, "once", "k-1").status_code)
        connection.close()

    threads = [threading.Thread(target=ask) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert AuditEvent.objects.filter(event="note.written").count() == 1
    assert set(answers) <= {201, 409}
    assert 201 in answers


def test_too_many_requests_are_told_when_to_come_back(client):
    cache.clear()
    with override_settings(API_RATE="2/min"):
        answers = [client.get("/api/v1/events/") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].json()["code"] == "too_many"
    assert 0 < int(answers[2]["Retry-After"]) <= 61
