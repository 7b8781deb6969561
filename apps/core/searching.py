"""
Search in the lists of the admin without reading whole tables.

A word of three letters and more is found by an index of groups of three letters, which
`letter_index` keeps; a shorter one is looked for in the newest rows only, and the page says so.
Where the database has no such index, a search reads the table.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import connections, models
from django.db.models.expressions import RawSQL
from django.utils.text import smart_split, unescape_string_literal

from apps.core.letter_index import index_name, text_fields
from apps.core.lookups import NUMBER, field_of

SHORTEST, NEWEST = 3, 2000
Rows = models.QuerySet[Any]


def words_of(text: str) -> list[str]:
    """Split by spaces; what stands in quotes stays together."""
    return [
        unescape_string_literal(part) if len(part) > 1 and part[0] == part[-1] in "'\"" else part
        for part in smart_split(text)
    ]


def is_short(text: str) -> bool:
    """Whether no word is long enough for the index."""
    words = words_of(text)
    return bool(words) and all(len(word) < SHORTEST for word in words)


def search(rows: Rows, fields: Sequence[str], text: str, *, keep_order: bool = False) -> Rows:
    """
    Rows in which each word stands in some field. `fields` are those of `search_fields`: a name is
    searched for a part, `=name` and `name__exact` for the whole. Without `keep_order` they may come
    newest first, whatever their order was.
    """
    words = words_of(text)
    if not words or "\0" in text:
        return rows.none() if words else rows
    indexed = index_of(rows, fields)
    together = []
    for word in words:
        whole = wholly(rows.model, fields, word)
        if indexed and len(word) >= SHORTEST:
            if whole:
                rows = rows.filter(whole | models.Q(pk__in=matches(indexed, [word])))
            else:
                together.append(word)
        else:
            rows = rows.filter(whole | partly(fields, word))
    if is_short(text):
        return newest(rows, whole_word(rows.model, fields, words))
    if not together:
        return rows
    if keep_order:
        return rows.filter(pk__in=matches(indexed, together))
    return joined(rows, indexed, together)


def partly(fields: Sequence[str], word: str) -> models.Q:
    found = (models.Q((f"{name}__icontains", word)) for name in text_fields(fields))
    return models.Q(*found, _connector=models.Q.OR)


def wholly(model: type[models.Model], fields: Sequence[str], word: str) -> models.Q:
    """Fields that the word is the whole of; empty where it cannot be."""
    found = models.Q()
    for given in fields:
        if not (given.startswith("=") or given.endswith("__exact")):
            continue
        name = given.removeprefix("=").removesuffix("__exact")
        if isinstance(field_of(model, name), models.IntegerField) and not NUMBER.fullmatch(word):
            continue
        found |= models.Q((name, word))
    return found


def whole_word(model: type[models.Model], fields: Sequence[str], words: Sequence[str]) -> models.Q:
    """What a search of short words alone may find in old rows too."""
    return wholly(model, fields, words[0]) if len(words) == 1 else models.Q()


def newest(rows: Rows, whole: models.Q) -> Rows:
    keys = rows.model._default_manager.order_by("-pk").values_list("pk", flat=True)  # noqa: SLF001 - Django's public model API
    border = keys[NEWEST : NEWEST + 1].first()
    return rows if border is None else rows.filter(models.Q(pk__gt=border) | whole)


def index_of(rows: Rows, fields: Sequence[str]) -> str:
    """The table of SQLite's index; empty without one. PostgreSQL finds its own by itself."""
    database = connections[rows.db]
    names = text_fields(fields)
    if database.vendor != "sqlite" or not names:
        return ""
    name = index_name(rows.model, names)
    with database.cursor() as cursor:
        cursor.execute("SELECT 1 FROM sqlite_master WHERE name = %s", [name])
        return name if cursor.fetchone() else ""


def phrase(words: Sequence[str]) -> str:
    return " AND ".join('"' + word.replace('"', '""') + '"' for word in words)


def matches(index: str, words: Sequence[str]) -> RawSQL:
    return RawSQL(f"SELECT rowid FROM {index} WHERE {index} MATCH %s", [phrase(words)])  # noqa: S608, S611 - a name of our own


def joined(rows: Rows, index: str, words: Sequence[str]) -> Rows:
    """Newest first: the index is walked backwards, and the walk ends with the page."""
    table = rows.model._meta.db_table  # noqa: SLF001 - the same
    met = rows.extra(  # noqa: S610 - names of our own tables
        tables=[index],
        where=[f'{index} MATCH %s AND {index}.rowid = "{table}"."id"'],
        params=[phrase(words)],
    )
    return met.order_by(RawSQL(f"{index}.rowid", []).desc())  # noqa: S611 - the same
