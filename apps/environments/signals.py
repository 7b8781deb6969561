"""News for the storeys above, sent after commit."""

from django.dispatch import Signal

# sender: Stop; stop: its row. Heard by `monitoring`, which raises an alarm and ends it.
line_stopped = Signal()
line_released = Signal()
