"""The looks at a database, against a real PostgreSQL server."""

import psycopg
import pytest

from apps.environments.choices import Finding
from apps.environments.probes.postgres import Unreachable, certificate_ends, look_at_postgres
from apps.environments.services import set_secret, set_setting
from apps.environments.validation import validate

pytestmark = [pytest.mark.postgres, pytest.mark.slow]
LEFT_OUT = ("engine", "backend", "branch", "ports")


def look(server, **changes):
    keys = {
        "host": server.host,
        "port": server.port,
        "user": server.user,
        "password": server.password,
        "name": "postgres",
    }
    return look_at_postgres(**{**keys, **changes})


def test_version_rights_time_and_the_own_database_are_read(postgres_server):
    found = look(postgres_server)
    assert found.major >= 14
    assert found.version.startswith(str(found.major))
    assert found.may_create_roles
    assert found.may_create_databases
    assert found.has_database
    assert abs(found.skew) < 1
    assert found.tls is False
    assert certificate_ends(postgres_server.host, postgres_server.port) is None
    assert look(postgres_server, name="nowhere").has_database is False


def test_a_wrong_password_is_said_and_not_shown(postgres_server):
    with pytest.raises(Unreachable) as refusal:
        look(postgres_server, password="canary-wrong")
    assert "password" in str(refusal.value)
    assert "canary-wrong" not in str(refusal.value)


@pytest.fixture
def on_postgres(development, root, actor, postgres_server):
    set_setting(
        actor(root),
        environment="development",
        key="database",
        value={
            "kind": "postgres",
            "host": postgres_server.host,
            "port": postgres_server.port,
            "admin_user": postgres_server.user,
            "name": "orchestra_of_tests",
            "user": "orchestra_of_tests",
        },
    )
    for key, value in (
        ("database_admin_password", postgres_server.password),
        ("database_password", "another"),
    ):
        set_secret(actor(root), environment="development", key=key, value=value)
    return development


def test_an_environment_on_postgres_is_looked_at_in_one_go(on_postgres, postgres_server):
    items = {item.code: item for item in validate(on_postgres, leave_out=LEFT_OUT)}
    assert items["database.reachable"].detail.endswith(
        "orchestra_of_tests is made by the deployment."
    )
    for code in ("database.version", "database.rights", "clock.agrees", "secret.set"):
        assert items[code].status == Finding.PASSED
    assert items["database.tls_local"].status == Finding.SKIPPED
    assert postgres_server.password not in repr(items)


def test_a_role_without_rights_is_told_what_it_lacks(on_postgres, postgres_server, root, actor):
    with psycopg.connect(postgres_server.url(), autocommit=True) as database:
        database.execute("DROP ROLE IF EXISTS weak")
        database.execute("CREATE ROLE weak LOGIN PASSWORD 'weak-password'")
    value = on_postgres.settings.get(key="database").value | {"admin_user": "weak"}
    set_setting(actor(root), environment="development", key="database", value=value)
    set_secret(
        actor(root),
        environment="development",
        key="database_admin_password",
        value="weak-password",
    )
    found = {item.code: item for item in validate(on_postgres, leave_out=LEFT_OUT)}
    item = found["database.no_right"]
    assert item.status == Finding.FAILED
    assert "weak lacks CREATEROLE and CREATEDB" in item.detail
    assert "ALTER ROLE weak CREATEROLE CREATEDB" in item.next_step
