"""Pages of a change list without counting rows."""

from __future__ import annotations

import re
from typing import Any

from django.core.paginator import Page, Paginator
from django.db import models
from django.utils.functional import cached_property

from apps.core.lookups import field_of

# `before-217`: the page that begins behind row 217 in the list's order; `after-217`: the one that
# ends in front of it.
PLACE = re.compile(r"(before|after)-([0-9]{1,18})|last")


class UncountedPaginator(Paginator):  # type: ignore[type-arg]  # generic in the stubs only
    """
    Reads one row more than the page holds: that tells whether there are others.

    A list in the order of a unique field goes on from a row, not by skipping: its last page costs
    what the first does. `place` is the page asked for (`before-217`, `after-217`, `last`); a
    number, and any list in another order, skips rows.
    """

    has_earlier = has_more = False

    object_list: models.QuerySet[Any]

    def __init__(self, rows: models.QuerySet[Any], per_page: int, *, place: str = "") -> None:
        super().__init__(rows, per_page)
        self.place = PLACE.fullmatch(place)

    @cached_property
    def count(self) -> int:
        # Django asks whether there is a next page; nobody knows before it is read, and no page
        # shows this number.
        return 1_000_000_000

    @cached_property
    def key(self) -> str:
        """The first field of the order, if no two rows share it; empty otherwise."""
        order = self.object_list.query.order_by
        name = order[0].lstrip("-") if order and isinstance(order[0], str) else ""
        if name in {"", "pk"}:
            return name
        field = field_of(self.object_list.model, name)
        return name if field is not None and field.unique and "__" not in name else ""

    def page(self, number: Any) -> Page[Any]:
        number = self.validate_number(number)
        known = self.place and (self.key or not self.place[1])
        return Page(self._from_place() if known else self._skipped(number), number, self)

    def _skipped(self, number: int) -> list[Any]:
        start = (number - 1) * self.per_page
        rows = list(self.object_list[start : start + self.per_page + 1])
        self.has_earlier, self.has_more = number > 1, len(rows) > self.per_page
        return rows[: self.per_page]

    def _from_place(self) -> list[Any]:
        assert self.place is not None
        rows = self.object_list
        side, row = self.place[1], self.place[2]
        forward = side == "before"
        if side:
            falls = str(rows.query.order_by[0]).startswith("-")
            border: Any = int(row)
            if self.key != "pk":
                border = rows.model._default_manager.filter(pk=row).values(self.key)[:1]  # noqa: SLF001 - Django's public model API
            rows = rows.filter(**{f"{self.key}__{'lt' if forward == falls else 'gt'}": border})
        found = list((rows if forward else rows.reverse())[: self.per_page + 1])
        more, found = len(found) > self.per_page, found[: self.per_page]
        self.has_earlier, self.has_more = (True, more) if forward else (more, bool(side))
        return found if forward else found[::-1]
