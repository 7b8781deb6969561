"""The app's signals, sent after commit."""

from django.dispatch import Signal

# sender: Run; run: the finished Run. Heard in `mcp/receivers.py` and `gpu/receivers.py`.
run_finished = Signal()
# sender: Deployment; deployment: one whose verification failed where that is rolled back by itself.
# Sent once. Heard in `receivers.py`.
rollback_due = Signal()
# By the clock, each until it was done; heard in `time_receivers.py`.
# sender: Firing; firing: a moment of a schedule.
firing_due = Signal()
# sender: Lifetime; lifetime: one that has ended.
lifetime_due = Signal()
# sender: Lifetime; lifetime: one that ends soon; field: which warning was marked.
lifetime_warning_due = Signal()
# sender: Run; run: the look that found drift; environment: one that corrects it by itself.
drift_due = Signal()
