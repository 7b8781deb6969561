"""Beat alone: what it loads, and how often it asks whether its schedule has changed."""

import json
import subprocess
import sys

import pytest

from orchestra_portal.schedule import SCHEDULE

LOADED = """
import json, sys
from orchestra_portal.beat import app
app.loader.import_default_modules()
import orchestra_portal.beat_scheduler
print(json.dumps([sorted(sys.modules), sorted(app.conf.beat_schedule)]))
"""
# What serves pages, carries runs out or looks at servers.
FOREIGN = ("daphne", "rest_framework", "aiohttp", "pulumi", "grpc", "apps.")


def test_beat_loads_its_schedule_and_nothing_of_the_portal(tmp_path):
    answer = subprocess.run(
        [sys.executable, "-c", LOADED],
        env={
            "PATH": "/usr/bin:/bin",
            "ORCHESTRA_HOME": str(tmp_path),
            "PORTAL_SECRET_KEY": "k7Qz" * 16,
            "PORTAL_FIELD_KEYS": json.dumps({"k1": "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE="}),
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    modules, entries = json.loads(answer.stdout)
    assert [name for name in modules if f"{name}.".startswith(FOREIGN)] == []
    assert entries == sorted(SCHEDULE)


@pytest.mark.django_db
def test_a_changed_schedule_is_seen_once_the_interval_is_over(settings, monkeypatch):
    from celery import Celery
    from django_celery_beat.models import IntervalSchedule, PeriodicTask

    from orchestra_portal import beat_scheduler

    moment = [1000.0]
    monkeypatch.setattr(beat_scheduler.time, "monotonic", lambda: moment[0])
    # The test's own connection holds its transaction.
    monkeypatch.setattr("django_celery_beat.schedulers.close_old_connections", lambda: None)
    monkeypatch.setattr("django.db.transaction.commit", lambda: None)
    every = IntervalSchedule.objects.create(every=10, period="seconds")
    PeriodicTask.objects.create(name="one", task="one", interval=every)
    scheduler = beat_scheduler.Scheduler(app=Celery("test"), lazy=True)
    assert scheduler.schedule_changed() is False
    moment[0] += settings.CELERY_BEAT_MAX_LOOP_INTERVAL
    assert scheduler.schedule_changed() is False
    PeriodicTask.objects.create(name="one more", task="one.more", interval=every)
    assert scheduler.schedule_changed() is False
    moment[0] += settings.CELERY_BEAT_MAX_LOOP_INTERVAL
    assert scheduler.schedule_changed() is True
