"""A message in words: subject and text for mail, text for a chat."""

from __future__ import annotations

from datetime import datetime
from typing import Any

WORDS = {
    "incident.opened": "is in trouble",
    "incident.worsened": "got worse",
    "incident.closed": "is well again",
    "incident.acknowledged": "is being looked at",
    "incident.reminder": "is still in trouble",
}


def subject_of(payload: dict[str, Any]) -> str:
    """`[PRODUCTION] memory is in trouble (critical)`; one line, whatever the thing is called."""
    data = payload["data"]
    if payload["type"] == "route.test":
        return one_line(f"[TEST] Alert route {data['route']} works")
    words = WORDS.get(payload["type"], payload["type"])
    text = f"[{data['environment'].upper()}] {data['thing']} {words} ({data['severity']})"
    return one_line(text)


def text_of(payload: dict[str, Any]) -> str:
    """Fact, since when, what to do next."""
    data = payload["data"]
    if payload["type"] == "route.test":
        return f"{data['text']}\n\n{data['link']}\n"
    lines = [subject_of(payload), "", data["reason"], "", f"Since {_utc(data['opened_at'])}."]
    if data["closed_at"]:
        lines.append(f"Over since {_utc(data['closed_at'])}.")
    if data["acknowledged_by"]:
        lines.append(f"{data['acknowledged_by']} looks at it.")
    return "\n".join([*lines, "", data["link"], ""])


def slack_of(payload: dict[str, Any]) -> dict[str, Any]:
    """What Slack, Mattermost and Rocket.Chat take; foreign text makes no link and calls nobody."""
    data = payload["data"]
    title, rest = escaped(subject_of(payload)), escaped(data.get("reason") or data.get("text", ""))
    return {"text": f"*{title}*\n{rest}\n<{data['link']}|Open in the portal>"}


def escaped(text: str) -> str:
    """Slack's three characters; `@channel` and `<!here>` become harmless with them."""
    found = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return found.replace("@", "@\u200b")


def one_line(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)[:180]


def _utc(text: str) -> str:
    return datetime.fromisoformat(text).strftime("%Y-%m-%d %H:%M:%S UTC")
