"""
The file backend: the folder `<url>/.pulumi`, its objects, locks, states, history and tags.

Every object has a side file `.attrs`, as the CLI writes it. An object is written into a temporary
file in its own folder and renamed, so a reader sees the old content or the new, never a part.
"""

import base64
import contextlib
import getpass
import hashlib
import json
import os
import re
import socket
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from infra.embedded_engine.errors import EngineError, RefusedError

NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}")
TAGS = "stacks/{0.project}/{0.name}.pulumi-tags"
ATTRS = (
    '{"user.cache_control":"","user.content_disposition":"","user.content_encoding":"",'
    '"user.content_language":"","user.content_type":"text/plain; charset=utf-8",'
    '"user.metadata":null,"md5":"%s"}\n'
)


@dataclass(frozen=True)
class StackRef:
    project: str
    name: str

    def __post_init__(self) -> None:
        for part in (self.project, self.name):
            if not NAME.fullmatch(part):
                rule = "up to 100 letters, digits, hyphens, underscores and periods"
                raise EngineError(f"'{part}' is no name of a stack or project: it may have {rule}")

    @property
    def qualified(self) -> str:
        return f"organization/{self.project}/{self.name}"

    @property
    def state(self) -> str:
        return f"stacks/{self.project}/{self.name}.json"

    @property
    def history(self) -> str:
        return f"history/{self.project}/{self.name}"


def now_text() -> str:
    """The present as RFC 3339 with nanoseconds, UTC."""
    seconds, nanos = divmod(time.time_ns(), 10**9)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{nanos:09d}Z"


def dump_json(value: Any) -> str:
    """Compact JSON as the CLI writes it: no HTML escapes, integral numbers without a fraction."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class Backend:
    """Objects are named by their path below `.pulumi`, with `/`."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme != "file":
            raise RefusedError(f"backend URL {parts.scheme or url}://")
        self.url = url
        self._attrs = parse_qs(parts.query).get("metadata") != ["skip"]
        folder = os.path.expanduser(unquote(parts.netloc + parts.path))  # noqa: PTH111 - `~` may stand in a text
        self.root = Path(os.path.abspath(folder)) / ".pulumi"  # noqa: PTH100 - resolve() would follow links
        self._lock_id = str(uuid.uuid4())

    def read(self, name: str) -> bytes | None:
        """Content, or None when there is no such object."""
        try:
            return (self.root / name).read_bytes()
        except FileNotFoundError:
            return None

    def write(self, name: str, data: bytes) -> None:
        """Atomic; on OSError (a full disk) the old object is intact and no temporary file stays."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if self._attrs:
            digest = base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest())
            replace_file(path.with_name(path.name + ".attrs"), (ATTRS % digest.decode()).encode())
        replace_file(path, data)

    def delete(self, *names: str) -> None:
        for name in names:
            for suffix in ("", ".attrs"):
                (self.root / (name + suffix)).unlink(missing_ok=True)

    def names(self, folder: str) -> list[str]:
        """Sorted names of the objects directly in a folder, without side files."""
        try:
            found = sorted(e.name for e in os.scandir(self.root / folder) if e.is_file())
        except FileNotFoundError:
            return []
        return [n for n in found if not n.endswith(".attrs") and not n.startswith(".tmp-")]

    def ensure_meta(self) -> None:
        """Marks the layout on first use; refuses a folder of the old layout."""
        if self.read("meta.yaml") is None:
            if any(name.endswith(".json") for name in self.names("stacks")):
                raise RefusedError("legacy stack layout")
            self.write("meta.yaml", b"version: 1\n")

    @contextlib.contextmanager
    def locked(self, ref: StackRef) -> Iterator[None]:
        self._refuse_foreign(ref)
        who = {"username": _user(), "hostname": socket.gethostname()}
        owner = {"pid": os.getpid(), **who, "timestamp": now_text()}
        ours = f"locks/{ref.qualified}/{self._lock_id}.json"
        self.write(ours, dump_json(owner).encode())
        try:
            self._refuse_foreign(ref)  # another one may have looked at the same moment
            yield
        finally:
            self.delete(ours)

    def _refuse_foreign(self, ref: StackRef) -> None:
        folder, lines = f"locks/{ref.qualified}", []
        for name in self.names(folder):
            try:
                owner = json.loads(self.read(f"{folder}/{name}") or b"{}")
                stamp = re.sub(r"\.\d+", "", owner["timestamp"])
                who = f"{owner['username']}@{owner['hostname']} (pid {owner['pid']}) at {stamp}"
            except (ValueError, KeyError, TypeError):
                who = "somebody unknown (the file cannot be read)"
            if name != f"{self._lock_id}.json":
                place = f"file://{self.root}/{folder}/{name}?no_tmp_dir=true"
                lines.append(f"\n  {place}: created by {who}")
        if lines:
            wait = "Either wait for the other process(es) to end or delete the lock file"
            start = f"the stack is currently locked by {len(lines)} lock(s). {wait}"
            raise EngineError(f"{start} with `pulumi cancel`.{''.join(lines)}")

    def unlock(self, ref: StackRef) -> int:
        """Removes every lock of the stack, whoever holds it; answers how many there were."""
        names = [f"locks/{ref.qualified}/{name}" for name in self.names(f"locks/{ref.qualified}")]
        self.delete(*names)
        return len(names)

    def stacks(self) -> list[StackRef]:
        paths = (self.root / "stacks").glob("*/*")
        matches = ((p.parent.name, re.fullmatch(r"(.+)\.json(\.gz|\.zst)?", p.name)) for p in paths)
        return [StackRef(*both) for both in sorted({(f, m[1]) for f, m in matches if m})]

    def read_state(self, ref: StackRef) -> dict[str, Any] | None:
        data = self.read(ref.state)
        if data is None:
            if any((self.root / f"{ref.state}{packed}").exists() for packed in (".gz", ".zst")):
                raise RefusedError("compressed states")
            return None
        try:
            document = json.loads(data)
            problem = "" if isinstance(document["checkpoint"], dict) else "it is no checkpoint"
        except (ValueError, KeyError, TypeError) as error:
            problem = str(error) or "it is cut short"
        if problem:
            backup = f"{self.root / ref.state}.bak holds the one before it"
            text = f"the state of stack '{ref.name}' cannot be read ({problem}); {backup}"
            raise EngineError(text)
        return dict(document)

    def write_state(self, ref: StackRef, document: Mapping[str, Any]) -> None:
        """Writes the checkpoint; what was there before becomes `.bak`."""
        before = self.read(ref.state)
        if before is not None:
            self.write(f"{ref.state}.bak", before)
        self.write(ref.state, dump_json(document).encode())

    def retire(self, ref: StackRef, to: StackRef | None) -> None:
        """The state becomes its own `.bak`; history and tags go to another stack, or away."""
        before = self.read(ref.state)
        if before is None:
            raise RefusedError("compressed states")
        if to is not None:
            self.write_tags(to, self.read_tags(ref))
        self.write_tags(ref, {})
        self.write(f"{ref.state}.bak", before)
        self.delete(ref.state)
        for name in self.names(ref.history):
            if to is not None:
                content = self.read(f"{ref.history}/{name}") or b""
                self.write(f"{to.history}/{to.name}{name.removeprefix(ref.name)}", content)
            self.delete(f"{ref.history}/{name}")

    def add_history(self, ref: StackRef, entry: Mapping[str, Any]) -> None:
        """Writes the entry with a copy of the present state, and a copy under `backups/`."""
        state, stamp = self.read(ref.state) or b"", time.time_ns()
        prefix = f"{ref.history}/{ref.name}-{stamp}"
        text = json.dumps(entry, ensure_ascii=False, indent=4)
        self.write(f"{prefix}.history.json", text.encode())
        self.write(f"{prefix}.checkpoint.json", state)
        if os.environ.get("PULUMI_DIY_BACKEND_DISABLE_CHECKPOINT_BACKUPS") not in ("true", "1"):
            self.write(f"backups/{ref.project}/{ref.name}/{ref.name}.{stamp}.json", state)

    def history(self, ref: StackRef, page: int = 1, size: int = 0) -> list[dict[str, Any]]:
        names = [n for n in reversed(self.names(ref.history)) if n.endswith(".history.json")]
        if size:
            names = names[(page - 1) * size : page * size]
        return [self._past(f"{ref.history}/{name}") for name in names]

    def _past(self, name: str) -> dict[str, Any]:
        try:
            record = json.loads(self.read(name) or b"{}")
            problem = "" if isinstance(record, dict) else "it is no object"
        except ValueError as error:
            record, problem = {}, str(error)
        if problem:
            raise EngineError(
                f"the history entry {self.root / name} is damaged ({problem}); move it away to "
                "read the others"
            )
        return dict(record)

    def read_tags(self, ref: StackRef) -> dict[str, str]:
        data = self.read(TAGS.format(ref))
        return dict(json.loads(data)["tags"]) if data else {}

    def write_tags(self, ref: StackRef, tags: Mapping[str, str]) -> None:
        """An empty map removes the object."""
        if tags:
            self.write(TAGS.format(ref), dump_json({"version": 1, "tags": dict(tags)}).encode())
        else:
            self.delete(TAGS.format(ref))


def replace_file(path: Path, data: bytes, mode: int | None = None) -> None:
    """Atomic: readers see the old content or the new; on OSError no temporary file stays."""
    temporary = path.with_name(f".tmp-{os.getpid()}-{path.name}")
    try:
        if mode is not None:
            temporary.touch(0o600)  # before there is anything to read
            temporary.chmod(mode)
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
