"""The PostgreSQL resource against a real server."""

import itertools

import psycopg
import pytest

from tests.infra.engine_rpc import RpcError, secret

TOKEN = "orchestra:database:PostgresDatabase"
PASSWORD = "canary-password-of-the-role"
numbers = itertools.count()

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


@pytest.fixture
def inputs(postgres_server):
    number = next(numbers)
    return {
        "host": postgres_server.host,
        "port": postgres_server.port,
        "admin_user": postgres_server.user,
        "admin_password": secret(postgres_server.password),
        "name": f"platform_{number}",
        "user": f"role_{number}",
        "password": secret(PASSWORD),
        "extensions": [],
    }


def _connect(inputs, password=PASSWORD):
    return psycopg.connect(
        host=inputs["host"],
        port=inputs["port"],
        user=inputs["user"],
        password=password,
        dbname=inputs["name"],
    )


def test_a_created_database_can_be_used_by_its_role_only_with_its_password(engine, inputs):
    identifier, outputs = engine.create(TOKEN, inputs)
    assert identifier == f"{inputs['host']}:{inputs['port']}/{inputs['name']}"
    assert outputs["replicas"] == 0
    assert outputs["password"] == inputs["password"]
    assert outputs["admin_password"] == inputs["admin_password"]
    with _connect(inputs) as database:
        database.execute("CREATE TABLE kept (x int)")
    with pytest.raises(psycopg.OperationalError):
        _connect(inputs, "wrong")


def test_a_create_whose_record_was_lost_adopts_the_database_with_its_data(engine, inputs):
    engine.create(TOKEN, inputs)
    with _connect(inputs) as database:
        database.execute("CREATE TABLE kept (x int)")
    engine.create(TOKEN, inputs)
    with _connect(inputs) as database:
        assert database.execute("SELECT count(*) FROM kept").fetchone() == (0,)


def test_a_foreign_database_or_role_is_refused(engine, inputs, postgres_server):
    with psycopg.connect(postgres_server.url(), autocommit=True) as server:
        server.execute(f"CREATE DATABASE {inputs['name']}")
    with pytest.raises(RpcError, match=r"database .* was not made by a stack"):
        engine.create(TOKEN, inputs)
    with pytest.raises(RpcError, match="was not made by a stack"):
        engine.delete(TOKEN, "x", inputs)
    other = {**inputs, "name": inputs["name"] + "b"}
    with psycopg.connect(postgres_server.url(), autocommit=True) as server:
        server.execute(f"CREATE ROLE {inputs['user']}")
    with pytest.raises(RpcError, match=r"role .* was not made by a stack"):
        engine.create(TOKEN, other)


def test_another_environments_database_is_refused_by_name(engine, inputs):
    engine.create(TOKEN, inputs)
    engine.stack = "production"
    with pytest.raises(RpcError, match="belongs to urn:pulumi:development"):
        engine.create(TOKEN, inputs)


def test_drift_of_password_extension_and_existence_is_seen_and_corrected(
    engine, inputs, postgres_server
):
    inputs["extensions"] = ["plpgsql"]
    checked, _ = engine.check(TOKEN, inputs)
    identifier, _ = engine.create(TOKEN, inputs)
    assert engine.drift(TOKEN, identifier, checked) == []
    with psycopg.connect(postgres_server.url(), autocommit=True) as server:
        server.execute(f"ALTER ROLE {inputs['user']} PASSWORD 'another'")
    assert engine.drift(TOKEN, identifier, checked) == ["password"]
    _, now, _ = engine.read(TOKEN, identifier, checked)
    assert now["password"] == secret("")
    with psycopg.connect(postgres_server.url(inputs["name"]), autocommit=True) as database:
        database.execute("DROP EXTENSION plpgsql")
    assert engine.drift(TOKEN, identifier, checked) == ["extensions[0]", "password"]
    engine.update(TOKEN, identifier, checked, inputs)
    assert engine.drift(TOKEN, identifier, checked) == []
    with psycopg.connect(postgres_server.url(), autocommit=True) as server:
        server.execute(f"DROP DATABASE {inputs['name']}")
    assert engine.drift(TOKEN, identifier, checked) is None


def test_a_rotated_password_works_and_the_old_one_does_not(engine, inputs):
    identifier, _ = engine.create(TOKEN, inputs)
    engine.update(TOKEN, identifier, inputs, {**inputs, "password": secret("rotated-password")})
    with _connect(inputs, "rotated-password"):
        pass
    with pytest.raises(psycopg.OperationalError):
        _connect(inputs)


def test_a_delete_ends_open_sessions_and_removes_database_and_role(engine, inputs, postgres_server):
    identifier, _ = engine.create(TOKEN, inputs)
    session = _connect(inputs)
    engine.delete(TOKEN, identifier, inputs)
    session.close()
    with psycopg.connect(postgres_server.url()) as server:
        found = server.execute(
            "SELECT 1 FROM pg_database WHERE datname = %s UNION SELECT 1 FROM pg_roles"
            " WHERE rolname = %s",
            (inputs["name"], inputs["user"]),
        ).fetchone()
    assert found is None
    engine.delete(TOKEN, identifier, inputs)


def test_errors_name_the_server_and_never_a_password(engine, inputs):
    with pytest.raises(RpcError) as failed:
        engine.create(TOKEN, {**inputs, "admin_password": secret("canary-wrong-password")})
    assert f"PostgreSQL at {inputs['host']}:{inputs['port']} cannot be used" in failed.value.text
    assert "canary" not in failed.value.text
    with pytest.raises(RpcError) as failed:
        engine.create(TOKEN, {**inputs, "extensions": ["no_such_extension"]})
    assert "PostgreSQL refused" in failed.value.partial.reasons[0]
    assert failed.value.partial.id == f"{inputs['host']}:{inputs['port']}/{inputs['name']}"
    assert "canary" not in failed.value.text


def test_the_passwords_stand_in_no_statement_that_the_server_sees(engine, inputs, postgres_server):
    engine.create(TOKEN, inputs)
    with psycopg.connect(postgres_server.url()) as server:
        row = server.execute(
            "SELECT rolpassword FROM pg_authid WHERE rolname = %s", (inputs["user"],)
        ).fetchone()
    assert row[0].startswith("SCRAM-SHA-256$")


def test_bad_names_are_refused_by_the_check(engine, inputs):
    bad = {**inputs, "name": 'x"; DROP', "user": inputs["admin_user"], "password": secret("")}
    _, failures = engine.check(TOKEN, {**bad, "extensions": ["a b"]})
    assert [name for name, _ in failures] == ["name", "user", "password", "extensions"]
