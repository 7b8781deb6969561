"""`orchestra:database:SqliteDatabase`: a database file in WAL mode, readable by its owner only."""

import contextlib
import dataclasses
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from infra.orchestra_provider.errors import Failure, ProviderError
from infra.orchestra_provider.resource import Call, Found, ResourceType
from infra.orchestra_provider.values import Properties

APPLICATION_ID = 0x4F524348  # "ORCH" in the file's header: shown by file(1), kept by copies
JOURNAL_MODES = ("wal", "delete", "truncate")
SIDE_FILES = ("-wal", "-shm", "-journal")
BUSY_TIMEOUT = 10.0  # seconds that another writer may hold the file


@dataclasses.dataclass(frozen=True)
class SqliteInputs:
    path: str
    journal_mode: str = "wal"
    mode: str = "600"


class SqliteDatabase(ResourceType[SqliteInputs]):
    token = "orchestra:database:SqliteDatabase"  # noqa: S105 (a type token)
    inputs = SqliteInputs
    replaced_by = frozenset({"path"})

    def check(self, inputs: SqliteInputs, old: SqliteInputs | None) -> list[Failure]:
        failures = []
        if not Path(inputs.path).is_absolute():
            failures.append(Failure("path", f"{inputs.path} is not an absolute path."))
        if inputs.journal_mode not in JOURNAL_MODES:
            known = ", ".join(JOURNAL_MODES)
            failures.append(Failure("journal_mode", f"journal_mode is one of {known}."))
        if not inputs.mode.isdigit() or any(digit > "7" for digit in inputs.mode):
            failures.append(Failure("mode", "mode is an octal number such as 600."))
        return failures

    def identify(self, inputs: SqliteInputs) -> str:
        return inputs.path

    def create(self, call: Call, inputs: SqliteInputs) -> Properties:
        path = Path(inputs.path)
        if path.exists() and path.stat().st_size:
            owner = _owner(path)
            if owner != call.urn:
                raise _foreign(path, owner)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Made with its mode before SQLite writes a byte: the file is never readable by others.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, int(inputs.mode, 8)))
        self._shape(call, inputs)
        return _outputs(inputs)

    def read(self, call: Call, identifier: str, inputs: SqliteInputs) -> Found | None:
        path = Path(identifier)
        if not path.exists() or _owner(path) != call.urn:
            # A foreign file in its place is not ours to report as changed: ours is gone.
            return None
        with _connected(path) as database:
            journal = str(database.execute("PRAGMA journal_mode").fetchone()[0])
        now = SqliteInputs(identifier, journal, f"{path.stat().st_mode & 0o777:o}")
        return Found(dataclasses.asdict(now), _outputs(now))

    def update(
        self, call: Call, identifier: str, old: SqliteInputs, new: SqliteInputs
    ) -> Properties:
        self._shape(call, new)
        return _outputs(new)

    def delete(self, call: Call, identifier: str, inputs: SqliteInputs) -> None:
        path = Path(identifier)
        if path.exists():
            owner = _owner(path) if path.stat().st_size else call.urn
            if owner != call.urn:
                raise _foreign(path, owner)
        for name in [identifier, *(identifier + suffix for suffix in SIDE_FILES)]:
            Path(name).unlink(missing_ok=True)
        if path.exists():
            raise ProviderError(
                "provider.failed", f"{identifier} is still there after its removal."
            )

    def _shape(self, call: Call, inputs: SqliteInputs) -> None:
        path = Path(inputs.path)
        with _connected(path) as database:
            database.execute(f"PRAGMA journal_mode={inputs.journal_mode}")
            database.execute(f"PRAGMA application_id={APPLICATION_ID}")
            database.execute("CREATE TABLE IF NOT EXISTS orchestra_owner (urn TEXT PRIMARY KEY)")
            database.execute("INSERT OR IGNORE INTO orchestra_owner VALUES (?)", (call.urn,))
        path.chmod(int(inputs.mode, 8))


def _outputs(inputs: SqliteInputs) -> Properties:
    return {"name": Path(inputs.path).stem, "url": f"sqlite:///{inputs.path}"}


def _owner(path: Path) -> str:
    """The resource that the file says it belongs to; empty for a file that no stack made."""
    try:
        with _connected(path) as database:
            if database.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
                return ""
            row = database.execute("SELECT urn FROM orchestra_owner").fetchone()
    except sqlite3.DatabaseError:
        return ""
    return str(row[0]) if row else ""


def _foreign(path: Path, owner: str) -> ProviderError:
    whose = f"belongs to {owner}" if owner else "was not made by a stack"
    return ProviderError(
        "provider.failed",
        f"{path} is there already and {whose}. Nothing was changed.",
        "move the file away, or give the database another path.",
    )


@contextlib.contextmanager
def _connected(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection to a file that exists; SQLite would make a missing one."""
    uri = f"{path.absolute().as_uri()}?mode=rw"
    database = sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT, isolation_level=None)
    try:
        yield database
    finally:
        database.close()
