"""The environment's database: a SQLite file, or a role and a database on a PostgreSQL server."""

import dataclasses
from typing import Any

import pulumi

from configuration import Settings
from orchestra import (
    PostgresDatabase,
    PostgresDatabaseArgs,
    SqliteDatabase,
    SqliteDatabaseArgs,
)

KINDS = ("sqlite", "postgres")


@dataclasses.dataclass
class DatabaseArgs:
    """One of the two is given."""

    sqlite: SqliteDatabaseArgs | None = None
    postgres: PostgresDatabaseArgs | None = None

    @classmethod
    def read(cls, settings: Settings) -> "DatabaseArgs":
        section = settings.section("database")
        if section.choice("kind", KINDS) == "sqlite":
            return cls(sqlite=SqliteDatabaseArgs(section.text("path")))
        return cls(
            postgres=PostgresDatabaseArgs(
                host=section.text("host"),
                port=section.number("port", 5432),
                admin_user=section.text("admin_user"),
                admin_password=settings.secret("database_admin_password"),
                name=section.text("name"),
                user=section.text("user"),
                password=settings.secret("database_password"),
                extensions=section.texts("extensions"),
            )
        )


class Database(pulumi.ComponentResource):
    """`summary` says where the database is, without its password."""

    summary: pulumi.Output[dict[str, Any]]

    def __init__(
        self, name: str, args: DatabaseArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("orchestra:database:Database", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        if args.sqlite:
            self.summary = _sqlite(SqliteDatabase(name, args.sqlite, child))
        elif args.postgres:
            self.summary = _postgres(PostgresDatabase(name, args.postgres, child), args.postgres)
        self.register_outputs({"summary": self.summary})


def _sqlite(database: SqliteDatabase) -> pulumi.Output[dict[str, Any]]:
    return pulumi.Output.all(kind="sqlite", path=database.path, name=database.name)


def _postgres(
    database: PostgresDatabase, args: PostgresDatabaseArgs
) -> pulumi.Output[dict[str, Any]]:
    return pulumi.Output.all(
        kind="postgres",
        host=args.host,
        port=args.port,
        name=database.name,
        user=args.user,
        replicas=database.replicas,
    )
