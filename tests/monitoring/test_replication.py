"""Replication as PostgreSQL's own standby shows it: followed, stopped, cut off, promoted."""

import contextlib
import time

import psycopg
import pytest

from tests.servers import prepared_postgres, prepared_standby

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


@pytest.fixture(scope="module")
def primary(postgres_server):
    """A server of its own: it is stopped and started here."""
    with prepared_postgres(postgres_server.programs) as (server, start):
        yield server, start


def until(act, found, patience=20):
    """The first finding of this health; the last one after that many seconds."""
    deadline = time.monotonic() + patience
    while (finding := act()).found != found and time.monotonic() < deadline:
        time.sleep(0.1)
    assert finding.found == found, finding.reason
    return finding


def run(server, *statements):
    with psycopg.connect(server.url(), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


@pytest.fixture
def ask(primary, look):
    """A look at the primary, or at another port of it."""
    server = primary[0]

    def act(port=server.port, user="portal", password=server.password, **more):
        given = {"host": "127.0.0.1", "port": port, "database": "postgres", "user": user, **more}
        return look("postgres", secrets={"pg": password}, password_secret="pg", **given)

    return act


def test_replicas_are_counted_and_their_lag_is_told(primary, ask):
    server, start = primary
    with start(), prepared_standby(server) as (port, follow):
        assert until(lambda: ask(replicas=1), "degraded").reason.startswith("0 of 1 replicas")
        with follow():
            well = until(lambda: ask(replicas=1), "healthy")
            assert well.steps[-1]["detail"] == "1 of 1"
            assert ask(replicas=2).reason.startswith("1 of 2 replicas follow")
            standby = until(lambda: ask(port=port, lag_seconds=1), "healthy")
            assert standby.steps[-1]["detail"] == "0.0 s"

            # It receives and does not replay.
            with psycopg.connect(server.url().replace(str(server.port), str(port))) as other:
                other.autocommit = True
                other.execute("SELECT pg_wal_replay_pause()")
                run(server, "CREATE TABLE moved (a int)")
                time.sleep(1.2)
                behind = until(lambda: ask(port=port, lag_seconds=1), "degraded")
                assert "behind, 1 s are allowed" in behind.reason
                other.execute("SELECT pg_wal_replay_resume()")
            until(lambda: ask(port=port, lag_seconds=1), "healthy")
        assert until(lambda: ask(replicas=1), "degraded").code == "replicas"


def test_who_may_not_see_the_replicas_is_told_what_to_grant(primary, ask):
    server, start = primary
    with start(), prepared_standby(server) as (_, follow), follow():
        run(server, "DROP ROLE IF EXISTS watcher", "CREATE ROLE watcher LOGIN PASSWORD 'w'")
        until(lambda: ask(replicas=1), "healthy")
        blind = ask(user="watcher", password="w", replicas=1)
        assert (blind.found, blind.code) == ("misconfigured", "rights")
        assert "Grant it pg_monitor" in blind.reason
        run(server, "GRANT pg_monitor TO watcher")
        assert ask(user="watcher", password="w", replicas=1).found == "healthy"


def test_a_standby_that_lost_its_primary_is_behind_although_it_replayed_everything(primary, ask):
    server, start = primary
    with contextlib.ExitStack() as stack:
        with start():
            port, follow = stack.enter_context(prepared_standby(server))
            stack.enter_context(follow())
            run(server, "CREATE TABLE IF NOT EXISTS once (a int)")
            until(lambda: ask(port=port, lag_seconds=2), "healthy")
        lost = until(lambda: ask(port=port, lag_seconds=2), "degraded")
        assert "behind, 2 s are allowed" in lost.reason


def test_a_standby_that_was_promoted_is_named(primary, ask):
    server, start = primary
    with start(), prepared_standby(server) as (port, follow), follow():
        until(lambda: ask(port=port, lag_seconds=2), "healthy")
        with psycopg.connect(server.url().replace(str(server.port), str(port))) as other:
            other.execute("SELECT pg_promote()")
        assert "Was it promoted?" in until(lambda: ask(port=port, lag_seconds=2), "degraded").reason
