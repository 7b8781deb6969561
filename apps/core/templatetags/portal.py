"""Pieces of every page: icons, statuses, environments, times. Words come from choices."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.core.searching import NEWEST, SHORTEST, is_short

register = template.Library()

SHAPES = {
    "teal": "circle",
    "violet": "triangle",
    "bronze": "square",
    "crimson": "octagon",
    "olive": "diamond",
    "slate": "hexagon",
}
# operation → (sign, tone, plural)
OPERATIONS = {
    "create": ("+", "ok", "creates"),
    "update": ("~", "busy", "updates"),
    "replace": ("±", "change", "replaces"),
    "delete": ("−", "bad", "deletes"),  # noqa: RUF001 - a minus sign is as wide as the plus
    "same": ("=", "off", "same"),
}
ORDER = ("delete", "replace", "update", "create", "same")
# operation → what its beginning and its end are called in a log
STEPS = {
    "create": ("creating", "created"),
    "update": ("updating", "updated"),
    "replace": ("replacing", "replaced"),
    "create-replacement": ("creating the replacement", "replacement created"),
    "delete-replaced": ("deleting the replaced one", "replaced one deleted"),
    "delete": ("deleting", "deleted"),
    "same": ("unchanged", "unchanged"),
    "refresh": ("reading", "read back"),
}
# A status whose icon is not its tone's.
ICONS = {
    "queued": "clock",
    "scheduled": "calendar",
    "stale": "clock",
    "expired": "clock",
    "rolled_back": "back",
    "auth_required": "key",
}


@register.simple_tag
def icon(name: str, css: str = "") -> SafeString:
    """One symbol of the sprite, hidden from screen readers: a word always stands beside it."""
    spin = " op-spin" if name == "busy" else ""
    return format_html(
        '<svg class="op-i{}{}" viewBox="0 0 16 16" aria-hidden="true"><use href="#i-{}"/></svg>',
        spin,
        f" {css}" if css else "",
        name,
    )


@register.simple_tag
def shape(environment: Any) -> SafeString:
    """The environment's shape."""
    return format_html(
        '<svg class="op-shape" viewBox="0 0 16 16" aria-hidden="true"><use href="#s-{}"/></svg>',
        SHAPES.get(environment.colour, "hexagon"),
    )


@register.simple_tag
def status(member: Any, words: str = "", *, plain: bool = False) -> SafeString:
    """Icon and word of a status that has `.label` and `.tone`; `words` replace the label."""
    return format_html(
        '<span class="op-st t-{}{}">{}{}</span>',
        member.tone,
        " is-plain" if plain else "",
        icon(ICONS.get(str(getattr(member, "value", "")), member.tone)),
        words or member.label,
    )


@register.simple_tag
def environment_tag(environment: Any) -> SafeString:
    """The environment as a solid tag: colour, shape and word."""
    return format_html(
        '<span class="op-env env-{}">{}{}</span>',
        environment.colour,
        shape(environment),
        environment.slug,
    )


@register.simple_tag
def operation(name: str) -> SafeString:
    """Sign and word of one change."""
    sign, tone, _ = OPERATIONS.get(name, ("?", "unknown", name))
    return format_html(
        '<span class="op-op t-{}"><b aria-hidden="true">{}</b>{}</span>', tone, sign, name
    )


@register.filter
def in_words(summary: dict[str, int]) -> str:
    """`deletes 1, replaces 2` from counts by operation, in the order that matters."""
    parts = [f"{OPERATIONS[name][2]} {summary[name]}" for name in ORDER[:-1] if summary.get(name)]
    return ", ".join(parts) or "changes nothing"


@register.filter
def counted(summary: dict[str, int]) -> list[dict[str, Any]]:
    """Rows of the counts in words: `{"sign", "tone", "word", "count"}`."""
    rows = []
    for name in ORDER:
        if count := (summary or {}).get(name):
            sign, tone, word = OPERATIONS[name]
            rows.append({"sign": sign, "tone": tone, "word": word, "count": count})
    return rows


@register.filter
def changed(summary: dict[str, int]) -> list[dict[str, Any]]:
    """`counted` without what stays the same."""
    return [row for row in counted(summary) if row["sign"] != "="]


@register.filter
def duration(value: Any) -> str:
    """Seconds or a timedelta: `61 ms`, `41 s`, `3 min 22 s`, `5 min`, `3 h 08 min`, `7 d`."""
    if value is None:
        return "not known"
    seconds = value.total_seconds() if isinstance(value, timedelta) else float(value)
    if seconds < 1:
        return f"{max(0, round(seconds * 1000))} ms"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    if whole < 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86_400} d"


@register.filter
def age(moment: datetime | None) -> str:
    """How long ago."""
    return duration(timezone.now() - moment) if moment else "not known"


@register.simple_tag
def at(moment: datetime | None, *, seconds: bool = False) -> SafeString | str:
    """A moment in UTC: time today, day and time this year, else the date; exact in the title."""
    if not moment:
        return "not known"
    now, moment = timezone.now(), moment.astimezone(timezone.get_default_timezone())
    clock = moment.strftime("%H:%M:%S" if seconds else "%H:%M")
    if moment.date() == now.date():
        text = clock
    elif moment.year == now.year:
        text = f"{moment.day} {moment:%b} {clock}"
    else:
        text = f"{moment.day} {moment:%b %Y}"
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        moment.isoformat(),
        moment.strftime("%Y-%m-%d %H:%M:%S UTC"),
        text,
    )


@register.simple_tag
def elapsed(moment: datetime | None) -> SafeString | str:
    """Time since then, counted on by the browser."""
    if not moment:
        return ""
    return format_html('<time data-elapsed="{}">{}</time>', moment.isoformat(), age(moment))


@register.filter
def short(digest: str) -> str:
    """`5c9a f230` of a digest."""
    return f"{digest[:4]} {digest[4:8]}" if digest else "not known"


@register.simple_tag
def uncounted(cl: Any) -> dict[str, Any]:
    """
    Where a change list stands, without counting: `{"words", "links"}`, the links (words, address)
    in the order they stand in; none to where there is nothing.
    """
    rows, pages = list(cl.result_list), cl.paginator
    newest_first = cl.queryset.query.order_by[:1] in {("-id",), ("-pk",)}
    words = "Nothing here"
    if rows:
        words = f"{rows[0].pk} to {rows[-1].pk}" + (", newest first" if newest_first else "")
        if not pages.key:
            start = (cl.page_num - 1) * cl.list_per_page
            words = f"Rows {start + 1} to {start + len(rows)}"
        elif not newest_first:
            words = f"{rows[0]} to {rows[-1]}"
    first, earlier, more, last = (
        ("Newest", "Newer", "Older", "Oldest")
        if newest_first
        else ("First", "Before", "Next", "Last")
    )
    back, on = (
        (f"after-{rows[0].pk}", f"before-{rows[-1].pk}")
        if pages.key and rows
        else (cl.page_num - 1, cl.page_num + 1)
    )
    links = []
    if pages.has_earlier:
        links = [(first, cl.get_query_string()), (earlier, cl.get_query_string({"p": back}))]
    if pages.has_more:
        links.append((more, cl.get_query_string({"p": on})))
        if pages.key:
            links.append((last, cl.get_query_string({"p": "last"})))
    return {"words": words, "links": links}


@register.simple_tag
def short_search(text: str) -> str:
    """What a search of fewer than three letters leaves out; empty for a longer one."""
    if not is_short(text):
        return ""
    return f"Fewer than {SHORTEST} letters are looked for in the newest {NEWEST:,} rows only."


@register.simple_tag
def dot(tone: str, words: str = "", *, plain: bool = True, name: str = "") -> SafeString:
    """Icon and words of a tone that is no status of a row: a count, a step."""
    return format_html(
        '<span class="op-st t-{}{}">{}{}</span>',
        tone,
        " is-plain" if plain else "",
        icon(name or tone),
        words,
    )


@register.simple_tag
def glass_mark(row: Any) -> SafeString:
    """Red for ever beside the status of a deployment whose glass was broken; else nothing."""
    return dot("bad", "Glass broken", name="warn") if row.glass_broken else SafeString("")


@register.filter
def since_start(moment: datetime, started: datetime | None) -> str:
    """`1:02.345` since the start of a log. `log.js` says the same."""
    if started is None:
        return ""
    passed = max(0, round((moment - started).total_seconds() * 1000))
    hours, minutes = passed // 3_600_000, passed // 60_000 % 60
    seconds = f"{passed % 60_000 / 1000:06.3f}"
    return f"{hours}:{minutes:02d}:{seconds}" if hours else f"{minutes}:{seconds}"


@register.filter
def line_from(line: Any) -> str:
    """`Server memory` of an event that names a resource, else its kind. `log.js` says the same."""
    parts = line.urn.split("::")
    if len(parts) < 4:
        return str(line.kind)
    kind = parts[2].rpartition("$")[2].rpartition(":")[2]
    return visible(f"{kind} {'::'.join(parts[3:])}")


@register.filter
def line_words(line: Any) -> str:
    """What an event says: its text, or what is done to its resource."""
    if line.message:
        return visible(line.message)
    began, done = STEPS.get(line.operation, ("", ""))
    words = {"running": began, "done": done, "planned": began and f"plan: {line.operation}"}
    return words.get(line.status) or f"{line.operation} {line.status}".strip() or line.kind


@register.filter
def words(count: int, text: str) -> str:
    """`3 done`."""
    return f"{count} {text}"


@register.filter
def print_of(digest: str) -> str:
    """`7d3f 91c2 · b4e0 5a6d`: enough of a fingerprint to compare by eye."""
    return f"{digest[:4]} {digest[4:8]} · {digest[8:12]} {digest[12:16]}" if digest else "not known"


@register.filter
def as_text(value: Any) -> str:
    """Any value of a plan as people read it: texts as they are, the rest as JSON."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return visible(text)


@register.filter
def in_path(address: str | None, path: str) -> bool:
    """Whether the page at `path` lies at or below `address`."""
    return bool(address) and path.startswith(str(address))


@register.filter
def commit(text: str) -> str:
    """The first seven characters of a commit."""
    return str(text)[:7] or "not known"


@register.filter
def visible(text: str) -> str:
    """Untrusted text with its control characters shown; escaping is the template's."""
    return "".join(c if c.isprintable() or c in "\n\t" else "␛" for c in str(text))


@register.filter
def short_type(name: str) -> str:
    """`mcp:Server` of `orchestra:mcp:Server`."""
    return name.split(":", 1)[1] if name.startswith("orchestra:") else name


@register.filter
def percent(share: float | None) -> str:
    """`99.93 %` of a share; cut, not rounded: what is not whole is never shown as whole."""
    return "not known" if share is None else f"{int(share * 10_000) / 100:.2f} %"


@register.filter
def figure_value(figure: Any) -> str:
    """A figure's value in its unit."""
    return in_unit(figure.value, figure.unit)


@register.filter
def figure_goal(figure: Any) -> str:
    """A figure's promise, with its sense."""
    if figure.goal is None:
        return ""
    return f"{'≥' if figure.at_least else '≤'} {in_unit(figure.goal, figure.unit)}"


def in_unit(value: float | None, unit: str) -> str:
    """`4 min 2 s`, `99.93 %`, `0.30 per day`."""
    if value is None:
        return "not known"
    if unit == "seconds":
        return str(duration(value))
    return percent(value) if unit == "share" else f"{value:.2f} {unit}"
