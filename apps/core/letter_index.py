"""
Indexes of groups of three letters, for the lists of the admin that can be searched.

They follow the admin's `search_fields` by themselves, at the end of every `migrate`: PostgreSQL has
a GIN index (extension `pg_trgm`), SQLite a table of FTS5 that triggers keep as the rows are. No
migration makes them, because SQLite's triggers go with every table that a later migration rebuilds.
"""

from __future__ import annotations

import logging
import re
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

from django.db import DatabaseError, connections, models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

logger = logging.getLogger(__name__)

NAME = re.compile(r"[a-z_]+_letters_[0-9a-f]{8}")


def text_fields(given: Sequence[str]) -> tuple[str, ...]:
    """Those of `search_fields` that are searched for a part: plain names of the row's own."""
    return tuple(name for name in given if name.isidentifier() and "__" not in name)


def index_name(model: type[models.Model], fields: Sequence[str]) -> str:
    """`audit_auditevent_letters_1a2b3c4d`: other fields, another index."""
    mark = zlib.crc32(" ".join(fields).encode())
    return f"{model._meta.db_table}_letters_{mark:08x}"  # noqa: SLF001 - Django's public model API


def wanted(database: BaseDatabaseWrapper) -> Iterator[tuple[type[models.Model], tuple[str, ...]]]:
    """Searched models and fields whose table stands as they say: a half-way migration has fewer."""
    from django.contrib import admin  # noqa: PLC0415 - processes of runs are without it

    tables = set(database.introspection.table_names())
    for model, shown in admin.site._registry.items():  # noqa: SLF001 - its only list
        fields, table = text_fields(shown.search_fields), model._meta.db_table  # noqa: SLF001 - Django's public model API
        if not fields or table not in tables:
            continue
        with database.cursor() as cursor:
            described = database.introspection.get_table_description(cursor, table)
        if {*fields, "id"} <= {column.name for column in described}:
            yield model, fields


def forget(using: str, plan: Any, **_: Any) -> None:
    """Before migrations: SQLite refuses to take away a column that a trigger names."""
    database = connections[using]
    if plan and database.vendor == "sqlite":
        for name in standing(database):
            _drop(database, name)


def keep(using: str, **_: Any) -> None:
    """After migrations: every list that can be searched has its index, and no other is left."""
    database = connections[using]
    if database.vendor not in {"sqlite", "postgresql"}:
        return
    have = standing(database)
    missing = {index_name(model, fields): (model, fields) for model, fields in wanted(database)}
    for name in have - missing.keys():
        _drop(database, name)
    try:
        with transaction.atomic(using=using):
            if database.vendor == "postgresql" and missing.keys() - have:
                _run(database, "CREATE EXTENSION IF NOT EXISTS pg_trgm")
            for name in sorted(missing.keys() - have):
                _make(database, name, *missing[name])
    except DatabaseError as error:
        logger.warning(
            "No index for the search in lists: %s Searches read whole tables until an administrator"
            " of the database allows pg_trgm (PostgreSQL) or has FTS5 (SQLite), then run migrate.",
            str(error).strip(),
        )


def standing(database: BaseDatabaseWrapper) -> set[str]:
    """Names of the indexes there are; one of SQLite without its triggers is none."""
    with database.cursor() as cursor:
        if database.vendor == "postgresql":
            cursor.execute("SELECT indexname FROM pg_indexes")
        else:
            cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        names = {str(name).removesuffix("_add") for (name,) in cursor.fetchall()}
    return {name for name in names if NAME.fullmatch(name)}


def _drop(database: BaseDatabaseWrapper, name: str) -> None:
    if database.vendor == "postgresql":
        _run(database, f'DROP INDEX IF EXISTS "{name}"')
        return
    for ending in ("add", "change", "end"):
        _run(database, f'DROP TRIGGER IF EXISTS "{name}_{ending}"')
    _run(database, f'DROP TABLE IF EXISTS "{name}"')


def _make(
    database: BaseDatabaseWrapper, name: str, model: type[models.Model], fields: Sequence[str]
) -> None:
    table = model._meta.db_table  # noqa: SLF001 - Django's public model API
    if database.vendor == "postgresql":
        columns = ", ".join(f'UPPER("{field}"::text) gin_trgm_ops' for field in fields)
        _run(database, f'CREATE INDEX "{name}" ON "{table}" USING gin ({columns})')
        return
    _drop(database, name)
    columns = ", ".join(f'"{field}"' for field in fields)
    new, old = (", ".join(f'{row}."{field}"' for field in fields) for row in ("new", "old"))
    add = f'INSERT INTO "{name}" (rowid, {columns}) VALUES (new.id, {new});'  # noqa: S608 - names of our own
    end = f'INSERT INTO "{name}" ("{name}", rowid, {columns}) VALUES (\'delete\', old.id, {old});'  # noqa: S608 - the same
    given = f"content='{table}', content_rowid='id', tokenize='trigram'"
    trigger = f'CREATE TRIGGER "{name}'
    for text in (
        f'CREATE VIRTUAL TABLE "{name}" USING fts5({columns}, {given})',
        f'{trigger}_add" AFTER INSERT ON "{table}" BEGIN {add} END',
        f'{trigger}_end" AFTER DELETE ON "{table}" BEGIN {end} END',
        f'{trigger}_change" AFTER UPDATE OF {columns} ON "{table}" BEGIN {end} {add} END',
        f'INSERT INTO "{name}" ("{name}") VALUES (\'rebuild\')',  # noqa: S608 - the same
    ):
        _run(database, text)


def _run(database: BaseDatabaseWrapper, text: str) -> None:
    with database.cursor() as cursor:
        cursor.execute(text)
