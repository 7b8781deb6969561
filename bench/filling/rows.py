"""
Fills any table of the portal with numbered rows, without an object for each.

Row `n` has the key `n`. Half of all rows look alike: of the first environment, of a kind's first
value. The other half has the second, save among the first 100 rows, where all values are. So the
page of a filter is as long with 100 rows as with 100,000, and the filter is measured, not its page;
and what is under way (a plan that waits, an open incident) is no more than in an installation.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.db import connection, models
from django.utils import timezone

from apps.accounts.models import RoleBinding
from apps.deployments.choices import DEPLOYMENT_OPEN, RUN_TERMINAL, RunStatus
from apps.deployments.models import Deployment, Firing, Run, RunEvent, Schedule, StateCopy
from apps.environments.models import Environment, Freeze, Port, Protection, Stack, Stop, Window
from apps.mcp.models import McpServer
from apps.monitoring.models import Check, Delivery, Incident

# The rows that have all values; and how many environments an installation has.
FEW, PLACES = 100, 50
# Its texts are found by one word that no other row has.
NEEDLE = 7
BATCH = 250_000
# SQL of a column where the model's type does not say enough. `{n}` is the row's number.
OWN: dict[type[models.Model], dict[str, str]] = {
    # Nobody's own: who looks at the pages would have thousands of roles.
    RoleBinding: {"user_id": "2 + {n} % 50", "token_id": "NULL", "environment": "'e-' || {n}"},
    Environment: {"tier": "'development'", "colour": "'teal'", "rank": "{n}"},
    Freeze: {"begins": "'09:00:00'", "ends": "'10:00:00'", "weekdays": "'[]'", "zone": "'UTC'"},
    Port: {"port": "1024 + {n} % 60000", "host": "'10.0.0.' || ({n} / 60000)"},
    Run: {
        "mutating": "FALSE",
        "operation": "CASE WHEN {n} % 2 = 0 THEN 'drift' ELSE 'preview' END",
        "deployment_id": "CASE WHEN {n} <= 100 THEN 1 + {n} % 50 ELSE 1 + {n} % 2 END",
    },
    RunEvent: {"sequence": "{n}"},
    Schedule: {"zone": "'UTC'", "cron": "'0 3 * * *'"},
    Window: {"begins": "'09:00:00'", "ends": "'10:00:00'", "zone": "'UTC'"},
    Check: {
        "kind": "CASE WHEN {n} % 2 = 0 THEN 'http' ELSE 'tcp' END",
        "is_enabled": "TRUE",
        "parameters": '\'{{"host": "127.0.0.1", "port": 1}}\'',
        "health": "CASE WHEN {n} > 100 OR {n} % 2 = 0 THEN 'healthy' ELSE 'unreachable' END",
    },
    Deployment: {
        "turn_at": "NULL",
        "revision": """'{{"commit": "4f9c2e1"}}'""",
        "plan": """'{{"summary": {{"create": 1}}, "changes": []}}'""",
    },
}
# Values that only the first rows have.
UNDER_WAY: dict[type[models.Model], frozenset[str]] = {
    Deployment: frozenset(map(str, DEPLOYMENT_OPEN)),
    Run: frozenset(RunStatus.values) - frozenset(map(str, RUN_TERMINAL)),
    Incident: frozenset({"open", "acknowledged"}),
    Delivery: frozenset({"queued"}),
    Firing: frozenset({"due"}),
}
ENDED = {
    (Incident, "closed_at"),
    (Run, "finished_at"),
    (Deployment, "finished_at"),
    (Stop, "lifted_at"),
}
# A row of the first needs one of the second for itself alone, or is not whole without it.
BEFORE: dict[type[models.Model], type[models.Model]] = {StateCopy: Run, McpServer: Check}
AFTER: dict[type[models.Model], tuple[type[models.Model], ...]] = {Environment: (Stack, Protection)}


def fill(model: type[models.Model], count: int) -> None:
    """Brings the table up to `count` rows."""
    model = model._meta.concrete_model or model
    if model in BEFORE:
        fill(BEFORE[model], count)
    have = model._default_manager.order_by("-pk").values_list("pk", flat=True).first() or 0
    fields = [field for field in model._meta.local_concrete_fields if field.column]
    columns = ", ".join(connection.ops.quote_name(str(field.column)) for field in fields)
    words = ", ".join(typed(field, expression(model, field)) for field in fields)
    for start in range(have + 1, count + 1, BATCH):
        last = min(start + BATCH - 1, count)
        numbers = f"SELECT {start} UNION ALL SELECT n + 1 FROM s WHERE n < {last}"
        with unlinked(), connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO {table_of(model)} ({columns}) WITH RECURSIVE s(n) AS ({numbers})"
                f" SELECT {words} FROM s"
            )
    settle(model)
    for follower in AFTER.get(model, ()):
        fill(follower, count)


def trim(model: type[models.Model], count: int) -> None:
    """Takes the table back to its first `count` rows."""
    model = model._meta.concrete_model or model
    for follower in AFTER.get(model, ()):
        trim(follower, count)
    with unlinked(), connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {table_of(model)} WHERE id > {count}")
    settle(model)
    if model in BEFORE:
        trim(BEFORE[model], count)


@contextlib.contextmanager
def unlinked() -> Iterator[None]:
    """The database follows no foreign keys: a look at each child takes most of the time."""
    off, on = "PRAGMA foreign_keys = OFF", "PRAGMA foreign_keys = ON"
    if connection.vendor == "postgresql":
        off = "SET session_replication_role = replica"
        on = "SET session_replication_role = origin"
    with connection.cursor() as cursor:
        cursor.execute(off)
        try:
            yield
        finally:
            cursor.execute(on)


def table_of(model: type[models.Model]) -> str:
    return connection.ops.quote_name(model._meta.db_table)


def settle(model: type[models.Model]) -> None:
    """What an installation does by itself after a while."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"VACUUM ANALYZE {table_of(model)}")
        else:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def typed(field: Any, words: str) -> str:
    """PostgreSQL takes no text for JSON or a time of day."""
    if connection.vendor != "postgresql":
        return words
    return f"CAST({words} AS {field.rel_db_type(connection)})"


def expression(model: type[models.Model], field: Any) -> str:
    """SQL for the column's value in row `n`."""
    own = OWN.get(model, {}).get(str(field.column))
    if own is not None:
        return own.format(n="n")
    if field.primary_key and not field.remote_field:
        return "n"
    if field.remote_field:
        return relation(field)
    if field.flatchoices:
        return choice(model, field)
    if isinstance(field, models.DateTimeField):
        always = not field.null or (model, field.name) in ENDED
        return moment() if always else "NULL"
    if field.null:
        return "NULL"
    return plain(field)


def relation(field: Any) -> str:
    """The parent's key: the row's own where there is one for each, else the first for half."""
    parent = field.remote_field.model
    if field.unique:
        return "n"
    if field.null and parent is not Environment:
        return "NULL"
    most = max(1, min(parent._default_manager.count(), PLACES))
    return spread("1", f"1 + n % {most}", str(min(2, most)))


def spread(first: str, all_values: str, second: str) -> str:
    return f"CASE WHEN n % 2 = 0 THEN {first} WHEN n <= {FEW} THEN {all_values} ELSE {second} END"


def choice(model: type[models.Model], field: Any) -> str:
    values = [str(value) for value, _ in field.flatchoices if value != ""]
    rare = UNDER_WAY.get(model, frozenset()) if field.name in ("status", "outcome") else frozenset()
    usual = [value for value in values if value not in rare]
    every = [value for value in values if value in rare] + usual
    cases = " ".join(f"WHEN {number} THEN '{value}'" for number, value in enumerate(every))
    all_values = f"CASE (n / 2) % {len(every)} {cases} END"
    return spread(f"'{usual[0]}'", all_values, f"'{usual[min(1, len(usual) - 1)]}'")


def moment() -> str:
    """A moment that grows with the row, to the second."""
    begin = timezone.now() - timedelta(days=400)
    text = begin.strftime("%Y-%m-%d %H:%M:%S")
    if connection.vendor == "postgresql":
        return f"TIMESTAMPTZ '{text}+00' + n * INTERVAL '10 seconds'"
    return f"datetime('{text}', '+' || (n * 10) || ' seconds')"


def plain(field: Any) -> str:
    if isinstance(field, models.BooleanField):
        return "n % 2 = 0"
    if isinstance(field, models.JSONField):
        return "'[]'" if field.has_default() and field.get_default() == [] else "'{}'"
    if isinstance(field, models.FloatField | models.IntegerField):
        return "n" if field.unique else "n % 1000"
    if isinstance(field, models.TimeField):
        return "'09:00:00'"
    if field.max_length and field.max_length < 12:
        return f"'{str(field.get_default() or 'x')[: field.max_length]}'"
    word = field.name.replace("_", "-")
    if is_unique(field):
        return f"CASE WHEN n = {NEEDLE} THEN '{word}-needle' ELSE '{word}-' || n END"
    found = f"WHEN n = {NEEDLE} THEN '{word}-needle' WHEN n % 2 = 0 THEN '{word}-usual'"
    return f"CASE {found} ELSE '{word}-' || n END"


def is_unique(field: Any) -> bool:
    """Alone or with others, here or under a condition."""
    rules = field.model._meta.constraints
    return field.unique or any(field.name in getattr(rule, "fields", ()) for rule in rules)
