"""The commands that run no program, each a function of its name; and the door to those that do."""

import contextlib
import getpass
import json
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from infra.embedded_engine import config, secrets, state
from infra.embedded_engine.backend import StackRef, dump_json, replace_file
from infra.embedded_engine.cli import Arguments, say, tell
from infra.embedded_engine.errors import EngineError, RefusedError
from infra.embedded_engine.journal import Journal, read_latest, recovered, write_latest
from infra.embedded_engine.workspace import Workspace

_PLUGIN = re.compile(r"(resource|language|converter|analyzer|tool)-([\w-]+?)-v(\d[^/]*)")
Reveal = Callable[[dict[str, Any]], str]  # an encoded secret → the JSON text in it


def _open(args: Arguments, name: str | None = None) -> tuple[Workspace, StackRef]:
    workspace = Workspace(config_file=args.value("config-file"))
    return workspace, workspace.existing(name or args.value("stack"))


def _named(args: Arguments) -> str | None:
    return args.words[0] if args.words else args.value("stack")


def _time(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.000Z"


def operate(args: Arguments) -> int:
    """`preview`, `up`, `refresh` and `destroy`; without --skip-preview a preview comes first."""
    from infra.embedded_engine.operations import run  # noqa: PLC0415 - no other command needs it

    looks = args.command == "preview" or args.flag("preview-only")
    if not looks and not args.flag("skip-preview"):
        if not args.flag("yes"):
            need = "--yes or --skip-preview must be passed in to proceed"
            raise EngineError(f"{need} when running in non-interactive mode")
        if code := run(args, rehearsal=True):
            return code
    return run(args)


preview = up = refresh = destroy = operate


def install(_args: Arguments) -> None:
    """Inline programs have nothing to install."""


def whoami(args: Arguments) -> None:
    user = getpass.getuser()
    tell(args, {"user": user, "url": Workspace().backend.url}, user)


def cancel(args: Arguments) -> None:
    """Folds a journal that a killed operation left, then removes every lock of the stack."""
    workspace, ref = _open(args, _named(args))
    Journal(workspace.backend, ref).recover()
    workspace.backend.unlock(ref)
    say(f"The currently running update for '{ref.name}' has been canceled!")


def plugin_ls(args: Arguments) -> None:
    found = []
    for folder in sorted((Workspace().home / "plugins").glob("*-v*")):
        match = _PLUGIN.fullmatch(folder.name)
        if match and folder.is_dir() and not folder.with_name(f"{folder.name}.partial").exists():
            size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
            used = dict.fromkeys(("lastUsedTime", "installTime"), _time(folder.stat().st_mtime))
            kind, name, number = match.groups()
            found.append({"name": name, "kind": kind, "version": number, "size": size, **used})
    tell(args, found, "\n".join(f"{e['kind']}  {e['name']}  {e['version']}" for e in found))


# ---- the life of a stack -------------------------------------------------------------------------


def stack_init(args: Arguments) -> None:
    workspace = Workspace()
    ref, backend = workspace.ref(_named(args)), workspace.backend
    _refuse_provider(args.value("secrets-provider"))
    secrets.read_passphrase(workspace.environ)  # without one, nothing is written
    backend.ensure_meta()
    with backend.locked(ref):
        if backend.read_state(ref) is not None:
            raise EngineError(f"stack '{ref.qualified}' already exists")
        key = workspace.secrets(workspace.settings(ref))
        key.verify()  # a settings file that was there may have a salt of another passphrase
        for salt in ("", key.salt):  # in two writes, as the CLI has it
            write_latest(backend, ref, state.encode_latest(state.Snapshot(salt=salt)))
    if not args.flag("no-select"):
        workspace.select(ref)
    sys.stderr.write(f"Created stack '{ref.name}'\n")


def _refuse_provider(name: str) -> None:
    if name not in ("", "default", "passphrase"):
        raise RefusedError(f"secrets provider {name}")


def stack_select(args: Arguments) -> None:
    workspace, ref = _open(args, _named(args))
    workspace.select(ref)


def stack(args: Arguments) -> None:
    workspace, ref = _open(args)
    if args.value("stack"):  # how the SDK selects when it was told not to run `stack select`
        workspace.select(ref)
    count = len(read_latest(workspace.backend, ref).get("resources") or [])
    say(ref.name if args.flag("show-name") else f"Current stack is {ref.name}: {count} resources")


def stack_ls(args: Arguments) -> None:
    workspace = Workspace()
    current, project = workspace.selected(), workspace.project.name
    found = []
    for ref in workspace.backend.stacks():
        if ref.project == project or args.flag("all"):
            name = ref.name if ref.project == project else ref.qualified
            entry: dict[str, Any] = {"name": name, "current": ref.qualified == current}
            with contextlib.suppress(EngineError):  # a damaged state still has a name
                latest = read_latest(workspace.backend, ref)
                entry["resourceCount"] = len(latest.get("resources") or [])
                if stamp := (latest.get("manifest") or {}).get("time"):
                    entry["lastUpdate"] = re.sub(r"(\.\d{3})\d*", r"\1", str(stamp))
            found.append(entry)
    tell(args, found, "\n".join(f"{e['name']}{'*' if e['current'] else ''}" for e in found))


def stack_rm(args: Arguments) -> None:
    workspace, ref = _open(args, _named(args))
    backend = workspace.backend
    with backend.locked(ref):
        resources = [] if args.flag("force") else recovered(backend, ref).resources
        if any(resource.type != state.ROOT_TYPE for resource in resources):
            raise EngineError(
                f"'{ref.name}' still has resources; removal rejected. Possible actions:\n"
                f"- Make sure that '{ref.name}' is the stack that you want to destroy\n"
                "- Run `pulumi destroy` to delete the resources, then run `pulumi stack rm`\n"
                "- Run `pulumi stack rm --force` to override this error"
            )
        backend.retire(ref, None)
    if not args.flag("preserve-config"):
        workspace.settings(ref).path.unlink(missing_ok=True)
    if workspace.selected() == ref.qualified:
        workspace.select(None)
    say(f"Stack '{ref.name}' has been removed!")


def stack_rename(args: Arguments) -> None:
    workspace, ref = _open(args)
    new, backend = workspace.ref(args.word(0, "the new name")), workspace.backend
    if new.project != ref.project:
        raise EngineError("a stack can only be renamed within its project")
    with backend.locked(ref):
        if backend.read_state(new) is not None:
            raise EngineError(f"stack '{new.qualified}' already exists")
        moved = state.rename_stack(recovered(backend, ref), ref.project, ref.name, new.name)
        write_latest(backend, new, state.encode_latest(moved))
        backend.retire(ref, new)
    old_file = workspace.settings(ref).path
    if old_file.exists():
        old_file.replace(workspace.settings(new).path)
    if workspace.selected() in (ref.qualified, None):
        workspace.select(new)
    say(f"Renamed {ref.name} to {new.name}")


def stack_tag(args: Arguments) -> None:
    """The commands `stack tag set`, `get`, `rm` and `ls`."""
    workspace, ref = _open(args)
    tags = dict(sorted(workspace.backend.read_tags(ref).items()))
    verb = args.command.rpartition(" ")[2]
    if verb == "ls":
        tell(args, tags, "\n".join(f"{key}  {value}" for key, value in tags.items()))
        return
    key = args.word(0, "a tag")
    if verb == "get":
        if key not in tags:
            raise EngineError(f"stack tag '{key}' not found for stack '{ref.name}'")
        say(tags[key])
        return
    tags.pop(key, None)
    new = {key: args.word(1, "a value")} if verb == "set" else {}
    workspace.backend.write_tags(ref, {**tags, **new})


stack_tag_set = stack_tag_get = stack_tag_rm = stack_tag_ls = stack_tag

# ---- what a state says ---------------------------------------------------------------------------


def _revealer(workspace: Workspace, latest: dict[str, Any]) -> Reveal:
    """Gives the JSON text in a secret of the state; asks for the passphrase only when needed."""
    found: list[secrets.Secrets] = []

    def reveal(secret: dict[str, Any]) -> str:
        if "ciphertext" not in secret:
            return secret.get("plaintext") or dump_json(secret.get("value"))
        try:
            if not found:
                found.append(
                    secrets.Secrets(
                        state.salt_of(latest), secrets.read_passphrase(workspace.environ)
                    )
                )
            return found[0].decrypt(secret["ciphertext"])
        except secrets.PassphraseError as error:
            raise EngineError(secrets.LOCKED) from error

    return reveal


def stack_output(args: Arguments) -> None:
    workspace, ref = _open(args)
    latest = read_latest(workspace.backend, ref)
    roots = (r for r in latest.get("resources") or [] if r.get("type") == state.ROOT_TYPE)
    root: dict[str, Any] = next(roots, {})
    reveal = _revealer(workspace, latest) if args.flag("show-secrets") else lambda _: '"[secret]"'
    outputs: Any = secrets.map_secrets(
        root.get("outputs") or {}, lambda secret: json.loads(reveal(secret))
    )
    if args.words:
        if args.words[0] not in outputs:
            raise EngineError(f"current stack does not have output property '{args.words[0]}'")
        outputs = outputs[args.words[0]]
    as_text = isinstance(outputs, str) and not args.flag("json")
    say(outputs if as_text else json.dumps(outputs, ensure_ascii=False, indent=2, sort_keys=True))


def stack_history(args: Arguments) -> None:
    workspace, ref = _open(args)
    page, size = args.number("page") or 1, args.number("page-size")
    entries = workspace.backend.history(ref, page, size)
    open_: config.Opener | None = str if args.flag("show-secrets") else None
    if open_ and any(config.is_secret(entry["config"]) for entry in entries):
        open_ = workspace.secrets(workspace.settings(ref)).decrypt
    for entry in entries:
        entry["config"] = {k: config.shown(v, open_) for k, v in entry["config"].items()}
        entry |= {key: _time(entry[key]) for key in ("startTime", "endTime")}
    tell(args, entries, "\n".join(f"{e['startTime']}  {e['kind']} {e['result']}" for e in entries))


def stack_export(args: Arguments) -> None:
    workspace, ref = _open(args)
    latest = read_latest(workspace.backend, ref)
    if args.flag("show-secrets"):
        reveal = _revealer(workspace, latest)
        latest = secrets.map_secrets(latest, lambda s: {**secrets.SECRET, "plaintext": reveal(s)})
    document = state.versioned(latest, "deployment", latest)
    text = json.dumps(document, ensure_ascii=False, indent=4) + "\n"
    if file := args.value("file"):
        replace_file(Path(file), text.encode(), 0o600)
    else:
        sys.stdout.write(text)


# ---- what replaces a state -----------------------------------------------------------------------


def stack_import(args: Arguments) -> None:
    """Replaces the state by an exported document, after a look at its version, order and names."""
    workspace, ref = _open(args)
    source = args.value("file")
    if not source:
        raise EngineError("`pulumi stack import` needs --file")
    try:
        given = json.loads(Path(source).read_bytes())
        latest = given["deployment"] or {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EngineError(f"could not deserialize the deployment in {source}: {error}") from error
    state.check_version(given, ref.name)
    snapshot = state.decode_latest(latest)
    if not args.flag("force"):
        _refuse_danger(snapshot, ref)
    for operation in snapshot.pending:
        what = f"'{operation.type}' on '{operation.resource.urn}'"
        sys.stderr.write(f"warning: removing pending operation {what} from snapshot\n")
    snapshot.pending = []
    with workspace.backend.locked(ref):
        before = recovered(workspace.backend, ref)
        key = workspace.secrets(workspace.settings(ref), before.salt)
        sealed = _resealed(snapshot, _revealer(workspace, latest), key)
        write_latest(workspace.backend, ref, sealed)
    say("Import complete.")


def _refuse_danger(snapshot: state.Snapshot, ref: StackRef) -> None:
    found = [f"state file contains errors: {e}" for e in state.integrity_errors(snapshot.resources)]
    found += [
        f"resource '{resource.urn}' is not from stack '{ref.qualified}'"
        for resource in snapshot.resources
        if state.split_urn(resource.urn)[:2] != (ref.name, ref.project)
    ]
    if found:
        way_out = "importing this file could be dangerous; rerun with --force to proceed anyway"
        raise EngineError(f"2 errors occurred:\n\t1) {found[0]}\n\t2) {way_out}")


def _resealed(snapshot: state.Snapshot, reveal: Reveal, key: secrets.Secrets) -> dict[str, Any]:
    """The deployment with every secret under the given key; one that is there already is kept."""
    same_key = snapshot.salt == key.salt

    def seal(secret: dict[str, Any]) -> dict[str, Any]:
        if same_key and "ciphertext" in secret:
            return secret
        return {**secrets.SECRET, "ciphertext": key.encrypt(reveal(secret))}

    snapshot.salt = key.salt
    return dict(secrets.map_secrets(state.encode_latest(snapshot), seal))


def stack_change_secrets_provider(args: Arguments) -> None:
    """New passphrase from the first line of standard input; configuration and state follow it."""
    workspace, ref = _open(args)
    _refuse_provider(args.word(0, "a secrets provider"))
    settings, backend = workspace.settings(ref), workspace.backend
    with backend.locked(ref):  # before anything is written, so that file and state agree
        snapshot, latest = recovered(backend, ref), read_latest(backend, ref)
        old = workspace.secrets(settings, snapshot.salt)
        old.verify()
        new = secrets.Secrets.new("" if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n"))
        say("Migrating old configuration and state to new secrets provider")
        sealed = _resealed(snapshot, _revealer(workspace, latest), new)
        settings.set_config(
            config.transform(settings.config, lambda c: {"secure": new.encrypt(old.decrypt(c))})
        )
        settings.salt = new.salt
        write_latest(backend, ref, sealed)
        settings.save()


def state_unprotect(args: Arguments) -> None:
    workspace, ref = _open(args)
    with workspace.backend.locked(ref):
        snapshot = recovered(workspace.backend, ref)
        missing = set(args.words) - {r.urn for r in snapshot.resources}
        if missing or not (args.words or args.flag("all")):
            raise EngineError(f"No such resource {', '.join(sorted(missing)) or 'was named'}")
        for resource in snapshot.resources:
            named = args.flag("all") or resource.urn in args.words
            resource.protect = resource.protect and not named
        write_latest(workspace.backend, ref, state.encode_latest(snapshot))
