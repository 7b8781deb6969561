"""
Configuration: keys, texts, secrets inside values, paths into structured ones; `config …`.

A value of the stack file is a scalar (text), `{"secure": ciphertext}` (secret), or a list or map,
which may hold `{"secure": …}` at any depth; then the whole key counts as secret.
"""

import functools
import json
import re
from collections.abc import Callable
from typing import Any

from infra.embedded_engine import paths
from infra.embedded_engine.cli import Arguments, tell
from infra.embedded_engine.errors import EngineError
from infra.embedded_engine.secrets import Secrets, replaced
from infra.embedded_engine.workspace import Workspace

Opener = Callable[[str], str]  # ciphertext → plain text


def full_key(key: str, project: str) -> str:
    """`name` → `project:name`; the old spelling `aws:config:region` → `aws:region`."""
    parts = key.split(":")
    if len(parts) == 3 and parts[1] == "config":
        del parts[1]
    if len(parts) > 2 or not all(parts):
        raise EngineError(f"invalid configuration key '{key}': write it as NAME or NAMESPACE:NAME")
    return ":".join(parts if len(parts) == 2 else [project, key])


def is_secure(value: Any) -> bool:
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get("secure"), str)


def transform(value: Any, secure: Callable[[str], Any]) -> Any:
    """The value with every `{"secure": ciphertext}` in it replaced."""
    return replaced(value, is_secure, lambda v: secure(v["secure"]))


def is_secret(value: Any) -> bool:
    """Whether the value is a secret or holds one."""
    found: list[str] = []
    transform(value, found.append)
    return bool(found)


def to_text(value: Any, open_: Opener) -> str:
    """What the program receives: text, or compact JSON with sorted keys for lists and maps."""
    value = transform(value, open_)
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def masked(value: Any) -> str:
    return to_text(value, lambda _: "[secret]")


def shown(value: Any, open_: Opener | None) -> dict[str, Any]:
    """`{value?, objectValue?, secret}` as `config --json` prints it; None hides secrets."""
    secret = is_secret(value)
    if secret and open_ is None:
        return {"secret": True}
    open_ = open_ or str
    out: dict[str, Any] = {"value": to_text(value, open_)}
    if isinstance(value, (dict, list)) and not is_secure(value):
        out["objectValue"] = transform(value, open_)
    return {**out, "secret": secret}


def coerce(text: str) -> Any:
    """A value set below a path: `true`, `false` and decimal integers get their type."""
    if text in ("true", "false"):
        return text == "true"
    return int(text) if re.fullmatch(r"-?(?:0|[1-9][0-9]*)", text) else text


def inside(value: Any, path: paths.Path) -> Any:
    """What is at the path; KeyError when nothing is, or when a secret is in the way."""
    for step in path:
        if is_secure(value) or not paths.has(value, step):
            raise KeyError(step)
        value = value[step]
    return value


def changed(value: Any, path: paths.Path, new: Any) -> Any:
    """The value with `new` at the path; PathError when it leads through a scalar or a secret."""
    at = value
    for step in path:
        if is_secure(at):
            raise paths.PathError("it leads through a secret")
        at = at[step] if paths.has(at, step) else None
    return paths.set(value, path, new)


# ---- commands ------------------------------------------------------------------------------------


class _Editor:
    """The settings file of one stack, its keys and its secrets, which are opened when needed."""

    def __init__(self, args: Arguments) -> None:
        self.workspace = Workspace(config_file=args.value("config-file"))
        self.ref = self.workspace.existing(args.value("stack"))
        self.settings = self.workspace.settings(self.ref)
        self.config = dict(self.settings.config)
        self._path = args.flag("path")

    @functools.cached_property
    def secrets(self) -> Secrets:
        return self.workspace.secrets(self.settings)

    def open(self, ciphertext: str) -> str:
        return self.secrets.decrypt(ciphertext)

    def split(self, key: str) -> tuple[str, paths.Path]:
        """The full key, and with --path the way into its value."""
        try:
            first, *rest = paths.parse_path(key) if self._path else [key]
        except paths.PathError as error:
            raise EngineError(f"invalid configuration key: {error}") from error
        return full_key(str(first), self.workspace.project.name), tuple(rest)

    def put(self, key: str, text: str, *, secret: bool) -> None:
        name, path = self.split(key)
        new: Any = coerce(text) if path and not secret else text
        if secret:
            new = {"secure": self.secrets.encrypt(text)}
        try:
            self.config[name] = changed(self.config.get(name), path, new)
        except paths.PathError as error:
            raise EngineError(f"could not set '{key}': {error}") from error

    def save(self) -> None:
        self.settings.set_config(self.config)
        self.settings.save()


def config(args: Arguments) -> None:
    editor = _Editor(args)
    open_ = editor.open if args.flag("show-secrets") else None
    found = {key: shown(value, open_) for key, value in sorted(editor.config.items())}
    plain = "\n".join(f"{key}  {e.get('value', '[secret]')}" for key, e in found.items())
    tell(args, found, plain)


def config_get(args: Arguments) -> None:
    editor, key = _Editor(args), args.word(0, "a key")
    name, path = editor.split(key)
    try:
        found = shown(inside(editor.config[name], path), editor.open)
    except KeyError as error:
        text = f"configuration key '{key}' not found for stack '{editor.ref.name}'"
        raise EngineError(text) from error
    tell(args, found, found["value"])


def config_set(args: Arguments) -> None:
    key = args.word(0, "a key")
    value = args.word(1, "a value: this engine reads none from standard input")
    editor = _Editor(args)
    editor.put(key, value, secret=args.flag("secret"))
    editor.save()


def config_set_all(args: Arguments) -> None:
    """`--plaintext K=V`, `--secret K=V` and `--json TEXT`; all of them, or with an error none."""
    editor = _Editor(args)
    for kind, pair in args.ordered:
        key, equals, value = pair.partition("=")
        if not equals:
            raise EngineError(f"could not set '{key}': write it as KEY=VALUE")
        editor.put(key, value, secret=kind == "secret")
    for key, entry in _entries(args.value("json") or "{}").items():
        if entry.get("secret") or "objectValue" not in entry:
            editor.put(key, str(entry.get("value", "")), secret=bool(entry.get("secret")))
        else:
            editor.config[editor.split(key)[0]] = entry["objectValue"]
    editor.save()


def _entries(text: str) -> dict[str, dict[str, Any]]:
    try:
        entries = json.loads(text)
    except ValueError as error:
        raise EngineError(f"could not parse the value of --json: {error}") from error
    if not isinstance(entries, dict) or not all(isinstance(e, dict) for e in entries.values()):
        raise EngineError('--json takes an object {KEY: {"value": TEXT, "secret": BOOL}}')
    return entries


def config_rm(args: Arguments) -> None:
    """`rm` and `rm-all`; a key that is not there is no error."""
    args.word(0, "a key")
    editor = _Editor(args)
    for key in args.words:
        name, path = editor.split(key)
        if not path:
            editor.config.pop(name, None)
        elif name in editor.config:
            editor.config[name] = paths.delete(editor.config[name], path)
    editor.save()


config_rm_all = config_rm


def config_refresh(args: Arguments) -> None:
    """The configuration of the newest history entry replaces the file's."""
    editor = _Editor(args)
    entries = editor.workspace.backend.history(editor.ref, 1, 1)
    if not entries:
        raise EngineError("getting latest configuration: no previous deployment")
    editor.config = entries[0]["config"]
    editor.save()
