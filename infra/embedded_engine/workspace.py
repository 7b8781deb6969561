"""The workspace: Pulumi.yaml, the stack's settings file, the selection, the backend's address."""

import contextlib
import functools
import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from infra.embedded_engine.backend import Backend, StackRef, replace_file
from infra.embedded_engine.errors import EngineError, RefusedError, StackNotFoundError
from infra.embedded_engine.secrets import Secrets, read_passphrase

PROJECT_FILES = ("Pulumi.yaml", "Pulumi.yml", "Pulumi.json")


class _Loader(yaml.CSafeLoader):
    """YAML 1.2 scalars as the CLI reads them: no dates, no `yes`, no sexagesimal numbers."""

    yaml_implicit_resolvers: dict[str, Any] = {}


class _Dumper(yaml.CSafeDumper):
    """Quotes what YAML 1.1 or 1.2 would take for anything but text."""


_NUMBER = r"^[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?$"
for _tag, _pattern, _first in (
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("null", r"^(?:~|null|Null|NULL|)$", "~nN"),
    ("int", r"^[-+]?(?:0|[1-9][0-9]*)$", "-+0123456789"),
    ("float", _NUMBER, "-+.0123456789"),
    ("merge", r"^<<$", "<"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), list(_first))
_Dumper.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(rf"{_NUMBER}|^[-+]?0[box]"), list("-+.0123456789")
)


def load_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a file, key order kept; EngineError when it cannot be read as one."""
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 - a safe loader
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise EngineError(f"could not read {path}: {error}") from error
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise EngineError(f"could not read {path}: it holds no mapping of keys to values")
    return document


@dataclass(frozen=True)
class Project:
    """`Pulumi.yaml`: `path` is absolute, `raw` the whole document."""

    path: Path
    raw: Mapping[str, Any]

    @property
    def name(self) -> str:
        return str(self.raw["name"])

    @property
    def folder(self) -> Path:
        return self.path.parent

    @property
    def program_folder(self) -> Path:
        """`main` against the project's folder; the folder of a file when it names one."""
        path = self.folder / str(self.raw.get("main") or ".")
        return path.parent if path.is_file() else Path(os.path.normpath(path))

    @property
    def runtime(self) -> str:
        runtime = self.raw.get("runtime")
        return str(runtime.get("name") if isinstance(runtime, Mapping) else runtime or "")


def find_project(start: Path | None = None) -> Project:
    """The project of a folder (the working directory) or of its nearest parent that has one."""
    folder = Path(os.path.abspath(start or Path.cwd()))  # noqa: PTH100 - resolve() would follow links
    for place in (folder, *folder.parents):
        for name in PROJECT_FILES:
            path = place / name
            if path.is_file():
                raw = load_yaml(path)
                if not isinstance(raw.get("name"), str) or not raw["name"]:
                    raise EngineError(f"could not load the project: {path} names no project")
                return Project(path, raw)
    where = f"(searching upwards from {folder})"
    raise EngineError(f"no Pulumi.yaml project file found {where}. Run this where there is one")


class StackSettings:
    """`Pulumi.<stack>.yaml`. Unknown keys and the order of keys survive a `save`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.document: dict[str, Any] = load_yaml(path) if path.exists() else {}
        if not isinstance(self.document.get("config") or {}, dict):
            raise EngineError(f"could not read {path}: `config` holds no mapping of keys to values")

    @property
    def config(self) -> dict[str, Any]:
        """Full key → value as in the file; change it in place, or through `set_config`."""
        return self.document.get("config") or {}

    def set_config(self, config: dict[str, Any]) -> None:
        """An empty map removes the section. Keys are sorted, as the CLI sorts them."""
        if config:
            self.document["config"] = dict(sorted(config.items()))
        else:
            self.document.pop("config", None)

    @property
    def salt(self) -> str | None:
        return self.document.get("encryptionsalt")

    @salt.setter
    def salt(self, text: str) -> None:
        rest = {k: v for k, v in self.document.items() if k != "encryptionsalt"}
        self.document = {"encryptionsalt": text, **rest}

    def save(self) -> None:
        style: Any = {"sort_keys": False, "allow_unicode": True, "width": 2**20}
        text = yaml.dump(self.document, Dumper=_Dumper, **style) if self.document else ""
        mode = self.path.stat().st_mode & 0o777 if self.path.exists() else None
        replace_file(self.path, text.encode(), mode)


class Workspace:
    """Project, backend and settings of one command, each read when it is first asked for."""

    def __init__(self, environ: Mapping[str, str] = os.environ, config_file: str = "") -> None:
        self.environ = environ
        self._config_file = config_file
        self.home = Path(environ.get("PULUMI_HOME") or Path.home() / ".pulumi")

    @functools.cached_property
    def project(self) -> Project:
        return find_project()

    @functools.cached_property
    def backend(self) -> Backend:
        project = self.project.raw if self._has_project() else {}
        url = self.environ.get("PULUMI_BACKEND_URL") or (project.get("backend") or {}).get("url")
        url = url or _read_json(self.home / "credentials.json").get("current")
        if not url:
            raise EngineError("no backend is set; set PULUMI_BACKEND_URL to file:// and a folder")
        return Backend(str(url))

    def _has_project(self) -> bool:
        with contextlib.suppress(EngineError):
            return bool(self.project)
        return False

    def ref(self, text: str | None = None) -> StackRef:
        """A stack by bare or qualified name, or the selected one; it need not exist."""
        text = text or self.selected()
        if not text:
            raise EngineError("no stack selected; name one with --stack, or select one")
        parts = text.split("/")
        if len(parts) == 1:
            return StackRef(self.project.name, text)
        if len(parts) == 3 and parts[0] == "organization":
            return StackRef(parts[1], parts[2])
        raise EngineError(f"'{text}' is no stack: give NAME or organization/PROJECT/NAME")

    def existing(self, text: str | None = None) -> StackRef:
        """As `ref`, but StackNotFoundError when there is no state of it."""
        ref = self.ref(text)
        if ref not in self.backend.stacks():
            raise StackNotFoundError(text or ref.name)
        return ref

    def settings(self, ref: StackRef) -> StackSettings:
        if self._config_file:
            return StackSettings(Path(self._config_file))
        folder = self.project.folder / str(self.project.raw.get("stackConfigDir") or ".")
        return StackSettings(folder / f"Pulumi.{ref.name}.yaml")

    def _selections(self) -> tuple[Path, dict[str, str]]:
        """The file that remembers the selected stacks, and them by backend address."""
        digest = hashlib.sha1(str(self.project.path).encode(), usedforsecurity=False).hexdigest()
        path = self.home / "workspaces" / f"{self.project.name}-{digest}-workspace.json"
        return path, dict(_read_json(path).get("stacks") or {})

    def selected(self) -> str | None:
        return self._selections()[1].get(self.backend.url) if self._has_project() else None

    def select(self, ref: StackRef | None) -> None:
        path, stacks = self._selections()
        stacks.pop(self.backend.url, None)
        stacks |= {self.backend.url: ref.qualified} if ref else {}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"stacks": stacks}, indent=4), encoding="utf-8")

    def secrets(self, settings: StackSettings, state_salt: str = "") -> Secrets:
        """
        The stack's secrets: the salt of its settings, else of its state, else a new one.

        A settings file without a salt is written again with the one that was found or made. The
        passphrase is read here and verified by the first use, or by `.verify()`.
        """
        provider = settings.document.get("secretsprovider")
        if provider and provider != "passphrase":
            raise RefusedError(f"secrets provider {provider}")
        passphrase = read_passphrase(self.environ)
        if settings.salt:
            return Secrets(settings.salt, passphrase)
        secrets = Secrets(state_salt, passphrase) if state_salt else Secrets.new(passphrase)
        secrets.verify()
        settings.salt = secrets.salt
        settings.save()
        return secrets


def _read_json(path: Path) -> dict[str, Any]:
    """The object in a file of the CLI's home; an unreadable file is as good as none."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
