"""Looks at a Redis server: connection, credentials, PING, role, replicas. Plain RESP, bounded."""

from __future__ import annotations

import asyncio

from apps.core.safe_http import allowed_addresses, dial
from apps.monitoring.choices import Health
from apps.monitoring.probes.finding import Finding, Look, cut

LARGEST = 64 * 1024


class RedisRefused(Exception):
    """An error answer; its text begins with the error's name."""


async def look_at_redis(look: Look, finding: Finding) -> Finding:
    """`{"host", "port"?: 6379, "user"?, "password_secret"?, "role"?, "replicas"?}`."""
    wanted = look.parameters
    host, port = wanted["host"], wanted.get("port", 6379)
    with finding.step("connect"):
        made = await dial(await allowed_addresses(host, port, look.rules), port)
        reader, writer = await asyncio.open_connection(sock=made, limit=LARGEST)
    try:
        if name := wanted.get("password_secret"):
            with finding.step("credentials"):
                user = [wanted["user"]] if "user" in wanted else []
                await ask(reader, writer, "AUTH", *user, look.secrets[name])
        with finding.step("ping") as rung:
            rung["detail"] = cut(await ask(reader, writer, "PING"), 40)
        if "role" in wanted or "replicas" in wanted:
            with finding.step("replication"):
                said = await ask(reader, writer, "INFO", "replication")
            return _replication(look, finding, said)
    except RedisRefused as error:
        return _refused(finding, f"{host}:{port}", str(error))
    except ValueError:
        sentence = f"{host}:{port} does not speak Redis. Correct the port."
        return finding.conclude(Health.PROTOCOL_ERROR, sentence, "not_redis")
    finally:
        writer.transport.abort()
    return finding.conclude(Health.HEALTHY)


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *words: str) -> str:
    """One command, one answer as text. Raises RedisRefused, ValueError for what is no answer."""
    parts = [word.encode() for word in words]
    lines = [b"*%d" % len(parts)]
    for part in parts:
        lines += [b"$%d" % len(part), part]
    writer.write(b"\r\n".join(lines) + b"\r\n")
    line = (await reader.readuntil(b"\r\n"))[:-2]
    if line[:1] == b"+":
        return line[1:].decode("utf-8", "replace")
    if line[:1] == b"-":
        raise RedisRefused(line[1:].decode("utf-8", "replace"))
    if line[:1] != b"$" or not 0 <= (size := int(line[1:])) <= LARGEST:
        raise ValueError("no answer of Redis")
    return (await reader.readexactly(size + 2))[:-2].decode("utf-8", "replace")


def _refused(finding: Finding, where: str, said: str) -> Finding:
    word = said.partition(" ")[0]
    if word in ("NOAUTH", "WRONGPASS", "NOPERM") or "AUTH" in said:
        return finding.conclude(
            Health.AUTH_REQUIRED,
            f"{where} refused the credentials ({cut(word, 20)}). Correct the secret.",
            "credentials",
        )
    if word in ("LOADING", "MASTERDOWN", "BUSY"):
        return finding.conclude(
            Health.UNREACHABLE, f"{where} is not ready ({word}). Look at it in a minute.", "loading"
        )
    return finding.conclude(
        Health.PROTOCOL_ERROR, f"{where} answered {cut(said, 120)}. Look at its log.", "refused"
    )


def _replication(look: Look, finding: Finding, said: str) -> Finding:
    facts = dict(line.split(":", 1) for line in said.splitlines() if ":" in line)
    role = {"slave": "replica"}.get(facts.get("role", ""), facts.get("role", "unknown"))
    finding.steps[-1]["detail"] = cut(role, 40)
    wanted = look.parameters
    if (expected := wanted.get("role", role)) != role:
        return finding.conclude(
            Health.MISCONFIGURED,
            f"It is a {cut(role, 20)}, expected a {expected}. Was it promoted? Correct the check.",
            "role",
        )
    count = int(facts.get("connected_slaves", "0"))
    if count < (needed := wanted.get("replicas", 0)):
        return finding.conclude(
            Health.DEGRADED,
            f"{count} of {needed} replicas follow. Look at the missing.",
            "replicas",
        )
    if role == "replica" and facts.get("master_link_status") == "down":
        return finding.conclude(
            Health.DEGRADED, "The replica has lost its master. Look at the network.", "lag"
        )
    return finding.conclude(Health.HEALTHY)
