"""
Carries one message to where a route leads: a mail server, a webhook, a chat. No rows here.

The address of a webhook is typed in by a person, so it is called as a check's is: a rule of the
environment allows it or it is public, nothing is followed, little is read.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import smtplib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.smtp import EmailBackend
from standardwebhooks import Webhook

from apps.core import safe_http
from apps.core.addresses import Rules
from apps.monitoring.choices import RouteKind
from apps.monitoring.wording import slack_of, subject_of, text_of

# Seconds for one message, and how much of an answer is read.
LIMIT = 10.0
READ = 300
GONE = 410


@dataclasses.dataclass(frozen=True)
class Outgoing:
    """One message, ready to go; `key` is its row, `rules` what may be reached for it."""

    key: int
    kind: str
    address: str
    secret: str
    message_id: str
    payload: dict[str, Any]
    rules: Rules


@dataclasses.dataclass(frozen=True)
class Answer:
    """`accepted`, or whether a later try may help, and the receiver's wish when (seconds)."""

    key: int
    accepted: bool
    words: str
    final: bool = False
    wait: float = 0.0


def send_all(messages: Sequence[Outgoing]) -> list[Answer]:
    """All of them at once; one that hangs costs the others nothing."""
    return asyncio.run(_all(messages))


async def _all(messages: Sequence[Outgoing]) -> list[Answer]:
    return list(await asyncio.gather(*map(_one, messages)))


async def _one(message: Outgoing) -> Answer:
    try:
        if message.kind == RouteKind.EMAIL:
            words = await asyncio.to_thread(_mail, message)
            return Answer(message.key, accepted=True, words=words)
        return await _post(message)
    except smtplib.SMTPRecipientsRefused as error:
        return Answer(message.key, accepted=False, words=f"The mail server refuses it: {error}")
    except TimeoutError:
        return Answer(message.key, accepted=False, words=f"No answer within {LIMIT:.0f} s.")
    except safe_http.AddressRefused as error:
        words = f"{error}. Add the range to the environment, or correct the route."
        return Answer(message.key, accepted=False, words=words)
    except (OSError, smtplib.SMTPException, ValueError) as error:
        name = type(error).__name__
        return Answer(message.key, accepted=False, words=f"{name}: {error}"[:READ])


def _mail(message: Outgoing) -> str:
    """Blocking. The message id is the mail's own, so a mailbox drops a repetition."""
    host = settings.PORTAL_MAIL_FROM.rpartition("@")[2].rstrip(">") or "orchestra-portal"
    mail = EmailMessage(
        subject_of(message.payload),
        text_of(message.payload),
        settings.PORTAL_MAIL_FROM,
        [message.address],
        headers={
            "Message-ID": f"<{message.message_id}@{host}>",
            "Auto-Submitted": "auto-generated",
        },
        connection=EmailBackend(timeout=LIMIT),  # from EMAIL_URL; never a backend of tests
    )
    mail.send()
    return "The mail server took it."


async def _post(message: Outgoing) -> Answer:
    body = slack_of(message.payload) if message.kind == RouteKind.SLACK else message.payload
    text = json.dumps(body, ensure_ascii=False)
    headers = {"Content-Type": "application/json"}
    if message.kind == RouteKind.WEBHOOK:
        headers |= signed(message.message_id, text, message.secret)
    answer = await safe_http.post(
        message.address,
        text.encode(),
        rules=message.rules,
        deadline=LIMIT,
        headers=headers,
        limit=READ,
    )
    words = f"{answer.status} {answer.body.decode(errors='replace')}".strip()
    if 200 <= answer.status < 300:
        return Answer(message.key, accepted=True, words=words)
    wait = answer.headers.get("retry-after", "")
    return Answer(
        message.key,
        accepted=False,
        words=words,
        final=answer.status == GONE,
        wait=min(float(wait), 3600.0) if wait.isascii() and wait.isdigit() else 0.0,
    )


def signed(message_id: str, text: str, secret: str) -> dict[str, str]:
    """The three headers of Standard Webhooks."""
    now = datetime.now(UTC)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign(message_id, now, text),
    }
