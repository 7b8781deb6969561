"""`orchestra:database:PostgresDatabase`: a role and a database on a given PostgreSQL server."""

import contextlib
import dataclasses
import re
from collections.abc import Iterator
from typing import Any

import psycopg
from psycopg import sql
from psycopg.errors import InvalidPassword

from infra.orchestra_provider.errors import Failure, HalfMadeError, ProviderError
from infra.orchestra_provider.resource import Call, Found, ResourceType
from infra.orchestra_provider.values import Properties

CONNECT_TIMEOUT = 10  # seconds
NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")
EXTENSION = re.compile(r"[a-z_][a-z0-9_-]{0,62}")
RESERVED = ("postgres", "template0", "template1")


@dataclasses.dataclass(frozen=True)
class PostgresInputs:
    host: str
    port: int
    admin_user: str
    admin_password: str
    name: str
    user: str
    password: str
    extensions: list[str] = dataclasses.field(default_factory=list)
    admin_database: str = "postgres"


class PostgresDatabase(ResourceType[PostgresInputs]):
    """Whose a database is stands in its comment, which every PostgreSQL tool shows."""

    token = "orchestra:database:PostgresDatabase"  # noqa: S105 (a type token)
    inputs = PostgresInputs
    replaced_by = frozenset({"host", "port", "name", "user"})
    computed = frozenset({"version", "replicas"})

    def check(self, inputs: PostgresInputs, old: PostgresInputs | None) -> list[Failure]:
        failures = [
            Failure(key, f"{getattr(inputs, key)!r} is not a plain lower-case name.")
            for key in ("name", "user")
            if not NAME.fullmatch(getattr(inputs, key)) or getattr(inputs, key) in RESERVED
        ]
        if inputs.user == inputs.admin_user:
            failures.append(Failure("user", "user and admin_user are the same role."))
        if not inputs.password:
            failures.append(Failure("password", "password is empty."))
        failures.extend(
            Failure("extensions", f"{name!r} is no name of an extension.")
            for name in inputs.extensions
            if not EXTENSION.fullmatch(name)
        )
        return failures

    def identify(self, inputs: PostgresInputs) -> str:
        return f"{inputs.host}:{inputs.port}/{inputs.name}"

    def create(self, call: Call, inputs: PostgresInputs) -> Properties:
        with _admin(inputs) as server:
            _refuse_foreign(server, call, inputs)
            # The comment follows each CREATE at once: a leftover can be told from a foreign one.
            if not _role_exists(server, inputs.user):
                _run(server, "CREATE ROLE {user} LOGIN", user=inputs.user)
                _run(
                    server, "COMMENT ON ROLE {user} IS {owner!l}", user=inputs.user, owner=call.urn
                )
            _set_password(server, inputs)
            if not _database_exists(server, inputs.name):
                _run(
                    server,
                    "CREATE DATABASE {name} OWNER {user}",
                    name=inputs.name,
                    user=inputs.user,
                )
                _run(
                    server,
                    "COMMENT ON DATABASE {name} IS {owner!l}",
                    name=inputs.name,
                    owner=call.urn,
                )
            _run(server, "REVOKE ALL ON DATABASE {name} FROM PUBLIC", name=inputs.name)
        try:
            _set_extensions(inputs)
        except ProviderError as error:
            raise HalfMadeError(_outputs(inputs), str(error)) from error
        return _outputs(inputs)

    def read(self, call: Call, identifier: str, inputs: PostgresInputs) -> Found | None:
        with _admin(inputs) as server:
            if _owner(server, "pg_database", "datname", inputs.name) != call.urn:
                return None
            role = _role_exists(server, inputs.user)
        now = dataclasses.asdict(inputs)
        if not role or not _password_works(inputs):
            now["password"] = ""
        with _admin(inputs, inputs.name) as database:
            rows = database.execute("SELECT extname FROM pg_extension").fetchall()
            present = {str(row[0]) for row in rows}
            now["extensions"] = [name for name in inputs.extensions if name in present]
        return Found(now, _outputs(inputs))

    def update(
        self, call: Call, identifier: str, old: PostgresInputs, new: PostgresInputs
    ) -> Properties:
        # Everything that can change in place is idempotent in the create.
        return self.create(call, new)

    def delete(self, call: Call, identifier: str, inputs: PostgresInputs) -> None:
        with _admin(inputs) as server:
            _refuse_foreign(server, call, inputs)
            _run(server, "DROP DATABASE IF EXISTS {name} WITH (FORCE)", name=inputs.name)
            if _owner(server, "pg_authid", "rolname", inputs.user) == call.urn:
                _run(server, "DROP ROLE IF EXISTS {user}", user=inputs.user)
            if _database_exists(server, inputs.name):
                reason = f"The database {inputs.name} is still there after its removal."
                raise ProviderError("provider.failed", reason)


def _outputs(inputs: PostgresInputs) -> Properties:
    with _admin(inputs) as server:
        version = server.execute("SHOW server_version").fetchone()
        replicas = server.execute(
            "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"
        ).fetchone()
    assert version
    assert replicas
    return {"version": str(version[0]), "replicas": int(replicas[0])}


@contextlib.contextmanager
def _admin(inputs: PostgresInputs, database: str = "") -> Iterator[psycopg.Connection[Any]]:
    """A connection of the administrator; errors become sentences."""
    try:
        with psycopg.connect(
            host=inputs.host,
            port=inputs.port,
            user=inputs.admin_user,
            password=inputs.admin_password,
            dbname=database or inputs.admin_database,
            connect_timeout=CONNECT_TIMEOUT,
            application_name="orchestra-provider",
            autocommit=True,
        ) as connection:
            yield connection
    except psycopg.OperationalError as error:
        raise ProviderError(
            "provider.failed",
            f"PostgreSQL at {inputs.host}:{inputs.port} cannot be used: {_words(error)}",
            "check host, port, administrator and password in the settings.",
        ) from error
    except psycopg.Error as error:
        raise ProviderError("provider.failed", f"PostgreSQL refused: {_words(error)}") from error


def _words(error: psycopg.Error) -> str:
    return " ".join(str(error).split())


def _run(server: psycopg.Connection[Any], template: str, **names: str) -> None:
    """Executes a statement; `{name}` is an identifier, `{name!l}` a literal."""
    parts: dict[str, sql.Composable] = {}
    for name, value in names.items():
        literal = f"{{{name}!l}}" in template
        template = template.replace(f"{{{name}!l}}", f"{{{name}}}")
        parts[name] = sql.Literal(value) if literal else sql.Identifier(value)
    server.execute(sql.SQL(template).format(**parts))


def _set_password(server: psycopg.Connection[Any], inputs: PostgresInputs) -> None:
    # Hashed here: the plain password stands in no statement, and so in no log of the server.
    hashed = server.pgconn.encrypt_password(
        inputs.password.encode(), inputs.user.encode(), b"scram-sha-256"
    )
    _run(server, "ALTER ROLE {user} PASSWORD {hashed!l}", user=inputs.user, hashed=hashed.decode())


def _set_extensions(inputs: PostgresInputs) -> None:
    with _admin(inputs, inputs.name) as database:
        for name in inputs.extensions:
            _run(database, "CREATE EXTENSION IF NOT EXISTS {name}", name=name)


def _password_works(inputs: PostgresInputs) -> bool:
    try:
        with psycopg.connect(
            host=inputs.host,
            port=inputs.port,
            user=inputs.user,
            password=inputs.password,
            dbname=inputs.name,
            connect_timeout=CONNECT_TIMEOUT,
        ):
            return True
    except InvalidPassword:
        return False
    except psycopg.OperationalError as error:
        # The server says 28P01 while connecting, which psycopg hands on as text only.
        return "password authentication failed" not in str(error)


def _database_exists(server: psycopg.Connection[Any], name: str) -> bool:
    row = server.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone()
    return row is not None


def _role_exists(server: psycopg.Connection[Any], name: str) -> bool:
    row = server.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (name,)).fetchone()
    return row is not None


def _owner(server: psycopg.Connection[Any], catalogue: str, column: str, name: str) -> str | None:
    """The comment of a database or role; "" without one, None when there is no such thing."""
    query = sql.SQL(
        "SELECT coalesce(shobj_description(oid, {kind}), '') FROM {catalogue} WHERE {column} = %s"
    ).format(
        kind=sql.Literal(catalogue),
        catalogue=sql.Identifier("pg_roles" if catalogue == "pg_authid" else catalogue),
        column=sql.Identifier(column),
    )
    row = server.execute(query, (name,)).fetchone()
    return None if row is None else str(row[0])


def _refuse_foreign(server: psycopg.Connection[Any], call: Call, inputs: PostgresInputs) -> None:
    for kind, catalogue, column, name in (
        ("database", "pg_database", "datname", inputs.name),
        ("role", "pg_authid", "rolname", inputs.user),
    ):
        owner = _owner(server, catalogue, column, name)
        if owner not in (None, call.urn):
            whose = f"belongs to {owner}" if owner else "was not made by a stack"
            raise ProviderError(
                "provider.failed",
                f"The {kind} {name} on {inputs.host}:{inputs.port} is there already and {whose}. "
                "Nothing was changed.",
                f"give the environment another {kind}.",
            )
