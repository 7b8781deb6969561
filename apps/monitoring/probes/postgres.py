"""Looks at a PostgreSQL server: connection, a query, replication."""

from __future__ import annotations

from typing import Any

import psycopg

from apps.core.safe_http import allowed_addresses
from apps.monitoring.choices import Health
from apps.monitoring.probes.finding import Finding, Look, cut

# Seconds a standby lacks; 0 where it has replayed all it received, however long ago that was, and
# is receiving: one that lost its primary has replayed everything, too, and falls behind unseen.
# One that has replayed no transaction yet lacks what came since its start.
LAG = """
SELECT CASE WHEN NOT pg_is_in_recovery() THEN NULL
  WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn()
    AND EXISTS (SELECT FROM pg_stat_wal_receiver) THEN 0
  ELSE EXTRACT(EPOCH FROM now()
    - COALESCE(pg_last_xact_replay_timestamp(), pg_postmaster_start_time())) END
"""
# A role without pg_read_all_stats sees that somebody follows, and not in which state.
REPLICAS = """
SELECT ARRAY[count(*) FILTER (WHERE state = 'streaming'), count(*) FILTER (WHERE state IS NULL)]
FROM pg_stat_replication
"""


async def look_at_postgres(look: Look, finding: Finding) -> Finding:
    """
    `{"host", "port"?: 5432, "database", "user", "password_secret"?, "tls"?, "query"?,
    "lag_seconds"?, "replicas"?}`. The query runs read-only; no row, null and false are failures.
    """
    wanted = look.parameters
    where = f"{wanted['host']}:{wanted.get('port', 5432)}"
    try:
        with finding.step("connect") as rung:
            connection = await _connect(look)
            rung["detail"] = f"PostgreSQL {connection.info.server_version // 10_000}"
    except psycopg.OperationalError as error:
        return _no_connection(finding, where, wanted, str(error))
    async with connection:
        try:
            return await _ask(connection, wanted, finding, where)
        except psycopg.errors.QueryCanceled:
            raise TimeoutError from None
        except psycopg.Error as error:
            said = error.diag.message_primary or error.__class__.__name__
            return finding.conclude(
                Health.MISCONFIGURED,
                f"The query was refused: {cut(said, 120)}. Correct it or the user's rights.",
                "query_refused",
            )


async def _connect(look: Look) -> psycopg.AsyncConnection[Any]:
    wanted = look.parameters
    host, port = wanted["host"], wanted.get("port", 5432)
    # The address that was checked; the name stays for the certificate.
    addresses = await allowed_addresses(host, port, look.rules)
    milliseconds = int(look.time_limit * 1000)
    return await psycopg.AsyncConnection.connect(
        host=host,
        hostaddr=addresses[0],
        port=port,
        dbname=wanted["database"],
        user=wanted["user"],
        password=look.secrets.get(wanted.get("password_secret", ""), ""),
        sslmode="verify-full" if wanted.get("tls") else "prefer",
        application_name="orchestra-portal check",
        passfile="/dev/null",
        connect_timeout=max(int(look.time_limit), 2),
        options=f"-c statement_timeout={milliseconds} -c default_transaction_read_only=on",
        autocommit=True,
    )


def _no_connection(finding: Finding, where: str, wanted: dict[str, Any], said: str) -> Finding:
    if "authentication failed" in said or "no password supplied" in said or "pg_hba" in said:
        return finding.conclude(
            Health.AUTH_REQUIRED,
            f"{where} refused the user {cut(wanted['user'], 60)}."
            " Correct the secret or its rights.",
            "credentials",
        )
    if "does not exist" in said:
        return finding.conclude(
            Health.MISCONFIGURED,
            f"{where} has no database {cut(wanted['database'], 60)}."
            " Create it or correct the name.",
            "no_database",
        )
    if "refused" in said:
        raise ConnectionRefusedError
    if "too many" in said or "remaining connection slots" in said:
        return finding.conclude(
            Health.UNREACHABLE,
            f"{where} has no connection left. Close some or raise max_connections.",
            "too_many_connections",
        )
    return finding.conclude(
        Health.UNREACHABLE,
        f"{where} took no session: {cut(said.splitlines()[-1] if said else 'no reason', 120)}."
        " Look at the server's log.",
        "no_session",
    )


async def _ask(
    connection: psycopg.AsyncConnection[Any], wanted: dict[str, Any], finding: Finding, where: str
) -> Finding:
    with finding.step("query") as rung:
        value = await _value(connection, wanted.get("query", "SELECT 1"))
        rung["passed"] = not (value is None or value is False)
    if not rung["passed"]:
        return finding.conclude(
            Health.PROTOCOL_ERROR,
            "The query found nothing, null or false. Look at the data, or correct the check.",
            "query",
        )
    if (limit := wanted.get("lag_seconds")) is not None:
        with finding.step("replication lag") as rung:
            lag = await _value(connection, LAG)
            rung["detail"] = "not a standby" if lag is None else f"{float(lag):.1f} s"
            rung["passed"] = lag is not None and float(lag) <= limit
        if not rung["passed"]:
            return finding.conclude(
                Health.DEGRADED,
                f"{where} is {rung['detail']} behind, {limit:g} s are allowed. Look at the standby."
                if lag is not None
                else f"{where} is no standby. Was it promoted? Correct the check.",
                "lag",
            )
    if (count := wanted.get("replicas")) is not None:
        with finding.step("replicas") as rung:
            found, hidden = await _value(connection, REPLICAS)
            rung["detail"], rung["passed"] = f"{found} of {count}", found >= count
        if found < count <= found + hidden:
            return finding.conclude(
                Health.MISCONFIGURED,
                f"{wanted['user']} may not see how the replicas of {where} do."
                " Grant it pg_monitor.",
                "rights",
            )
        if found < count:
            return finding.conclude(
                Health.DEGRADED,
                f"{found} of {count} replicas follow {where}. Look at the missing ones.",
                "replicas",
            )
    return finding.conclude(Health.HEALTHY)


async def _value(connection: psycopg.AsyncConnection[Any], query: str) -> Any:
    """The first value of the first row; None when there is none."""
    cursor = await connection.execute(query.encode())
    row = await cursor.fetchone() if cursor.description else None
    return row[0] if row else None
