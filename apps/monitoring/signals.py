"""News for the storeys above, sent after commit."""

from django.dispatch import Signal

# sender: Check; check: its row; tools: name → raw definition, complete. Heard by `mcp`.
tools_listed = Signal()
