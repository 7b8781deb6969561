"""The whole beat schedule, one readable table; the database scheduler takes it over."""

from __future__ import annotations

from typing import Any

# Short ticks expire: after a pause of beat or worker the backlog would only repeat one look.
SCHEDULE: dict[str, dict[str, Any]] = {
    "sweep runs": {
        "task": "apps.deployments.tasks.sweep_runs",
        "schedule": 5.0,
        "options": {"expires": 10},
    },
    "sweep clock": {
        "task": "apps.deployments.tasks.sweep_clock",
        "schedule": 15.0,
        "options": {"expires": 15},
    },
    "look for drift": {
        "task": "apps.deployments.tasks.look_for_drift",
        "schedule": 60.0,
        "options": {"expires": 50},
    },
    "prune programs": {
        "task": "apps.deployments.tasks.prune_programs",
        "schedule": 3600.0,
        "options": {"expires": 3600},
    },
    "send alarms": {
        "task": "apps.deployments.tasks.send_alarms",
        "schedule": 5.0,
        "options": {"expires": 10},
    },
    "probe": {
        "task": "apps.monitoring.tasks.probe",
        "schedule": 5.0,
        "options": {"expires": 5},
    },
    "deliver": {
        "task": "apps.monitoring.tasks.deliver",
        "schedule": 5.0,
        "options": {"expires": 10},
    },
    "prune results": {
        "task": "apps.monitoring.tasks.prune",
        "schedule": 3600.0,
        "options": {"expires": 3600},
    },
    "tick": {
        "task": "apps.live.tasks.tick",
        "schedule": 10.0,
        "options": {"expires": 10},
    },
    "prune messages": {
        "task": "apps.live.tasks.prune_messages",
        "schedule": 3600.0,
        "options": {"expires": 3600},
    },
    "prune first answers": {
        "task": "apps.accounts.tasks.prune_first_answers",
        "schedule": 3600.0,
        "options": {"expires": 3600},
    },
}
