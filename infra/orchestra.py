"""The provider's resource types as the program declares them, by its property names."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
from pulumi import Input, Output


class _Resource(pulumi.CustomResource):
    """Inputs from a dataclass; outputs become attributes of the names given."""

    TOKEN = ""
    OUTPUTS: tuple[str, ...] = ()

    def __init__(self, name: str, args: Any, opts: pulumi.ResourceOptions | None = None) -> None:
        inputs = {field.name: getattr(args, field.name) for field in dataclasses.fields(args)}
        super().__init__(self.TOKEN, name, {**dict.fromkeys(self.OUTPUTS), **inputs}, opts)


@dataclasses.dataclass
class SqliteDatabaseArgs:
    path: Input[str]


class SqliteDatabase(_Resource):
    TOKEN = "orchestra:database:SqliteDatabase"  # noqa: S105 (a type token)
    OUTPUTS = ("name", "url")
    name: Output[str]
    path: Output[str]


@dataclasses.dataclass
class PostgresDatabaseArgs:
    host: Input[str]
    port: Input[int]
    admin_user: Input[str]
    admin_password: Input[str]
    name: Input[str]
    user: Input[str]
    password: Input[str]
    extensions: Input[Sequence[str]]


class PostgresDatabase(_Resource):
    TOKEN = "orchestra:database:PostgresDatabase"  # noqa: S105 (a type token)
    OUTPUTS = ("version", "replicas")
    name: Output[str]
    replicas: Output[int]


@dataclasses.dataclass
class PackageArgs:
    name: Input[str]
    version: Input[str]
    ecosystem: Input[str]
    home: Input[str]
    node: Input[str] | None = None


class Package(_Resource):
    """An isolated install. `command` starts its program; arguments are appended."""

    TOKEN = "orchestra:mcp:Package"  # noqa: S105 (a type token)
    OUTPUTS = ("command", "directory")
    command: Output[Sequence[str]]
    directory: Output[str]


@dataclasses.dataclass
class ServerArgs:
    process: Input[str]
    host: Input[str]
    port: Input[int]
    command: Input[Sequence[str]]
    environment: Input[Mapping[str, str]]
    directory: Input[str]
    socket: Input[str]
    include_directory: Input[str]


class Server(_Resource):
    TOKEN = "orchestra:mcp:Server"  # noqa: S105 (a type token)
    OUTPUTS = ("url",)
    url: Output[str]
    process: Output[str]


@dataclasses.dataclass
class ConfigFileArgs:
    path: Input[str]
    kind: Input[str]
    content: Input[str]
    reload_url: Input[str] | None = None


class ConfigFile(_Resource):
    TOKEN = "orchestra:monitoring:ConfigFile"  # noqa: S105 (a type token)
    OUTPUTS = ("digest", "checked_by")
    path: Output[str]
    kind: Output[str]
    digest: Output[str]
    checked_by: Output[str]
