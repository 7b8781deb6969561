"""What the worker does for monitoring: rounds of looks, incidents, messages."""

from apps.monitoring.runner.delivering import deliver_due
from apps.monitoring.runner.rolling import prune_results, roll_up
from apps.monitoring.runner.rounds import finish_looks, run_round
from apps.monitoring.runner.tending import tend_incidents
from apps.monitoring.runner.ticking import note_tick

__all__ = [
    "deliver_due",
    "finish_looks",
    "note_tick",
    "prune_results",
    "roll_up",
    "run_round",
    "tend_incidents",
]
