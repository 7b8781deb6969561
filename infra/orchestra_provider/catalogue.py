"""The resource types by token, each loaded at its first use: a run needs few of them."""

import importlib
from collections.abc import Iterator, Mapping
from typing import Any, cast

from infra.orchestra_provider.resource import ResourceType

_PLACES = {
    "orchestra:database:SqliteDatabase": "sqlite_database",
    "orchestra:database:PostgresDatabase": "postgres_database",
    "orchestra:mcp:Package": "package",
    "orchestra:mcp:Server": "server_process",
    "orchestra:monitoring:ConfigFile": "config_file",
}


class Catalogue(Mapping[str, ResourceType[Any]]):
    def __init__(self) -> None:
        self._loaded: dict[str, ResourceType[Any]] = {}

    def __getitem__(self, token: str) -> ResourceType[Any]:
        if token not in self._loaded:
            module = importlib.import_module(f"{__package__}.{_PLACES[token]}")
            made = cast("ResourceType[Any]", getattr(module, token.rpartition(":")[2])())
            self._loaded[token] = made
        return self._loaded[token]

    def __iter__(self) -> Iterator[str]:
        return iter(_PLACES)

    def __len__(self) -> int:
        return len(_PLACES)


RESOURCE_TYPES = Catalogue()
