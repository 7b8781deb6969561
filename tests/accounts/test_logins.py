"""Guessing passwords is slow, and locks nobody out from elsewhere."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from apps.accounts import logins
from apps.accounts.models import LoginFailure

pytestmark = pytest.mark.django_db
RIGHT = "correct horse battery"


def log_in(name, password, address="10.0.0.1"):
    client = Client()
    answer = client.post(
        "/admin/login/", {"username": name, "password": password}, REMOTE_ADDR=address
    )
    return answer.status_code == 302, answer.content.decode()


def test_the_right_password_logs_in(vic):
    assert log_in("vic", RIGHT)[0]
    assert not LoginFailure.objects.exists()


def test_after_five_wrong_ones_even_the_right_one_waits_and_is_told_until_when(vic):
    for _ in range(5):
        entered, text = log_in("vic", "wrong")
        assert not entered
        assert "Locked until" not in text
    entered, text = log_in("vic", RIGHT)
    assert not entered
    assert "Locked until" in text
    assert (
        f"{LoginFailure.objects.get(failures=5, key__endswith='vic').locked_until:%H:%M:%S}" in text
    )


def test_a_lock_holds_for_its_network_only(vic):
    for _ in range(6):
        log_in("vic", "wrong")
    assert log_in("vic", RIGHT, address="10.0.0.2")[0]


def test_a_lock_ends_and_grows_and_has_an_end(vic):
    for _ in range(5):
        logins.note_failure("vic", "10.0.0.1")
    spans = []
    for _ in range(12):
        span = logins.locked_until("vic", "10.0.0.1") - timezone.now()
        spans.append(timedelta(seconds=round(span.total_seconds())))
        logins.note_failure("vic", "10.0.0.1")
    assert timedelta(seconds=28) < spans[0] <= logins.FIRST_LOCK
    assert spans == sorted(spans)
    assert spans[-1] <= logins.LONGEST_LOCK
    LoginFailure.objects.update(locked_until=timezone.now())
    assert log_in("vic", RIGHT)[0]


def test_a_network_that_tries_many_names_is_locked_for_all(vic):
    for number in range(logins.FREE_PER_NETWORK):
        logins.note_failure(f"name {number}", "10.0.0.1")
    assert "Locked until" in log_in("vic", RIGHT)[1]
    assert log_in("vic", RIGHT, address="10.0.0.2")[0]


def test_spellings_of_a_name_and_addresses_of_one_subscriber_count_as_one(vic):
    for number in range(5):
        logins.note_failure("VIC" if number % 2 else "vic", f"2001:db8::{number}")
    assert logins.locked_until("Vic", "2001:db8::ffff") is not None
    assert logins.locked_until("vic", "2001:db8:1::1") is None


def test_a_name_that_nobody_has_is_treated_the_same(vic):
    for _ in range(5):
        log_in("nobody", "wrong")
    assert "Locked until" in log_in("nobody", "wrong")[1]


def test_after_a_quiet_hour_counting_begins_anew(vic):
    for _ in range(4):
        logins.note_failure("vic", "10.0.0.1")
    LoginFailure.objects.update(last_at=timezone.now() - timedelta(hours=2))
    logins.note_failure("vic", "10.0.0.1")
    assert set(LoginFailure.objects.values_list("failures", flat=True)) == {1}
