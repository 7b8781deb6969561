"""Recurring freezes and windows on the command line: the same verbs, the same refusals."""

import io

import pytest
from django.core.management import CommandError, call_command

from apps.audit.models import AuditEvent
from apps.environments.models import Freeze, Window

pytestmark = pytest.mark.django_db
NIGHT = ("--begins", "22:00", "--ends", "06:00", "--weekdays", "fri,sat", "--zone", "Europe/Berlin")


def say(*words, who="ada"):
    out = io.StringIO()
    call_command(*words, "--as", who, stdout=out)
    return out.getvalue()


def test_a_freeze_recurs_every_week_until_it_is_lifted(ada, staging):
    said = say("freeze", "staging", *NIGHT, "--reason", "backup")
    row = Freeze.objects.get()
    assert (row.environment, row.weekdays, row.zone) == (staging, [4, 5], "Europe/Berlin")
    assert row.ends_at is None
    assert "staging is frozen" in said
    assert "22:00" in said
    assert f"{row.pk}  staging  " in say("freeze", "staging", "--list")
    edited = say(
        "freeze", "staging", "--edit", str(row.pk), "--until", "2099-01-04T09:00", "--why", "moved"
    )
    assert "until 2099-01-04 09:00 UTC" in edited
    assert say("freeze", "staging", "--lift", str(row.pk)) == (
        f"Freeze {row.pk} of staging is lifted.\n"
    )
    assert say("freeze", "staging", "--list") == "No freeze stands there.\n"
    events = list(AuditEvent.objects.order_by("pk").values_list("event", flat=True))
    assert events == [f"environments.freeze.{word}" for word in ("set", "edited", "lifted")]


def test_a_freeze_of_all_environments_is_lifted_as_such(ada, staging):
    until = ("--until", "2099-01-04T09:00")
    assert "all environments are frozen" in say("freeze", "--all", *until, "--reason", "year end")
    row = Freeze.objects.get()
    assert row.environment is None
    assert say("freeze", "staging", "--lift") == "staging is not frozen.\n"
    with pytest.raises(CommandError, match=rf"No freeze {row.pk} stands there"):
        say("freeze", "staging", "--lift", str(row.pk))
    assert "is lifted" in say("freeze", "--all", "--lift")
    assert say("freeze", "--all", "--lift") == "They are not all frozen.\n"


def test_a_window_is_added_listed_edited_and_taken_away(ada, staging, production):
    assert "begin in window" in say("window", "staging", *NIGHT, "--reason", "quiet hours")
    row = Window.objects.get()
    assert (row.environment, row.weekdays, row.reason) == (staging, [4, 5], "quiet hours")
    assert say("window", "staging", "--list").startswith(f"{row.pk}  staging  ")
    day = ("--begins", "09:00", "--ends", "16:00")
    say("window", "staging", "--edit", str(row.pk), *day, "--reason", "office hours")
    row.refresh_from_db()
    assert (f"{row.begins:%H:%M}", row.weekdays) == ("09:00", [])
    for deed in ("--end", "--edit"):
        with pytest.raises(CommandError, match=rf"No window {row.pk} stands there"):
            say("window", "production", deed, str(row.pk), *day, "--reason", "x")
    assert "is taken away" in say("window", "staging", "--end", str(row.pk), "--reason", "over")
    assert "begin at all times" in say("window", "staging", "--list")
    assert "all environments" in say("window", "--all", *day, "--reason", "office hours")
    events = list(AuditEvent.objects.order_by("pk").values_list("event", flat=True))
    words = ("added", "edited", "ended", "added")
    assert events == [f"environments.window.{word}" for word in words]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("window",), "Name one environment, or say --all"),
        (("window", "staging", "--all"), "Name one environment, or say --all"),
        (("freeze",), "Name one environment, or say --all"),
        (("window", "prod", *NIGHT, "--reason", "x"), "There is no environment prod"),
        (("window", "staging", "--reason", "x"), "needs hours"),
        (("window", "staging", "--begins", "9", "--ends", "10:00", "--reason", "x"), "time of day"),
        (("window", "staging", *NIGHT), "needs a reason"),
        (("window", "staging", *NIGHT[:4], "--weekdays", "day", "--reason", "x"), "no weekday day"),
        (("window", "staging", *NIGHT[:6], "--zone", "Mars/X", "--reason", "x"), "Mars/X"),
        (("freeze", "staging", "--reason", "x"), "is no day and time"),
        (("freeze", "staging", *NIGHT), "needs a reason"),
    ],
)
def test_what_nobody_can_use_is_refused_in_words(ada, staging, words, said):
    with pytest.raises(CommandError, match=said):
        say(*words)
    assert not Freeze.objects.exists()
    assert not Window.objects.exists()


def test_who_may_not_freeze_opens_no_window(olga, staging):
    with pytest.raises(CommandError, match="freeze needs admin or approver"):
        say("window", "staging", *NIGHT, "--reason", "x", who="olga")
