"""The command line: commands, flags, refusals, exit status. `version` loads nothing else."""

import importlib
import json
import os
import sys
from dataclasses import dataclass, field
from typing import Any

from infra.embedded_engine.errors import VERSION, EngineError, RefusedError

# Accepted everywhere; `=` marks a flag that takes a value, `*` one that may be repeated.
GLOBAL = (
    "stack= cwd= color= verbose= tracing= exec-kind= exec-agent= profiling= memprofilerate= "
    "otel-traces= config-file= non-interactive yes json debug logflow logtostderr emoji help "
    "disable-integrity-checking fully-qualify-stack-names"
)
OPERATION = (
    "client= event-log= message= parallel= replace* expect-no-changes diff refresh run-program "
    "show-config suppress-outputs suppress-progress suppress-permalink show-replacement-steps "
    "show-sames show-secrets urns skip-plugin-pre-install continue-on-error"
)
# Flags of an operation that are refused by name, with what the sentence of the refusal says.
LEFT_OUT = {
    **dict.fromkeys(("target", "target-dependents", "target-replace"), "targets and excludes"),
    **dict.fromkeys(("exclude", "exclude-dependents"), "targets and excludes"),
    **dict.fromkeys(("policy-pack", "policy-pack-config"), "policy packs"),
    **{name: f"--{name}" for name in ("attach-debugger", "import-file", "import-pending-creates")},
    "json": "--json of an operation",
}
OPERATIONS = {
    "preview": f"{OPERATION} save-plan=",
    "up": f"{OPERATION} skip-preview plan=",
    "refresh": f"{OPERATION} skip-preview preview-only clear-pending-creates",
    "destroy": f"{OPERATION} skip-preview preview-only exclude-protected",
}
# Command → its flags. The function in `commands` (`config`) has its name, with `_` for spaces and
# dashes.
COMMANDS = {
    **OPERATIONS,
    "version": "",
    "whoami": "verbose",
    "cancel": "",
    "install": "no-plugins no-dependencies reinstall",
    "plugin ls": "project",
    "stack": "show-name",
    "stack init": "secrets-provider= no-select",
    "stack select": "",
    "stack rm": "force preserve-config",
    "stack ls": "all",
    "stack output": "show-secrets",
    "stack history": "show-secrets page-size= page=",
    "stack export": "show-secrets file=",
    "stack import": "force file=",
    "stack rename": "",
    "stack change-secrets-provider": "",
    **dict.fromkeys((f"stack tag {verb}" for verb in ("set", "get", "rm", "ls")), ""),
    "state unprotect": "all",
    "config": "show-secrets",
    "config get": "path",
    "config set": "path secret plaintext",
    "config set-all": "path secret* plaintext* json=",
    "config rm": "path",
    "config rm-all": "path",
    "config refresh": "force",
}
GROUPS = {""} | {word.rpartition(" ")[0] for word in COMMANDS}
REFUSED_COMMANDS = {
    "import", "new", "env", "org", "convert", "package", "policy", "login", "logout", "state",
    "console", "logs", "watch", "schema", "about", "deployment", "ai", "gen-completion", "neo",
    "stack graph", "stack unselect", "config env", "config cp", "plugin", "trace",
}  # fmt: skip
SHORT = {"s": "stack", "y": "yes", "j": "json", "m": "message", "p": "parallel", "C": "cwd",
         "f": "skip-preview", "e": "show-config", "a": "all", "i": "show-secrets", "d": "debug",
         "h": "help", "v": "verbose"}  # fmt: skip


@dataclass
class Arguments:
    """A parsed command line: the command's words, its positional arguments and its flags."""

    command: str = ""
    words: list[str] = field(default_factory=list)
    on: dict[str, bool] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)
    ordered: list[tuple[str, str]] = field(default_factory=list)  # repeated flags as they came

    def flag(self, name: str) -> bool:
        return self.on.get(name, False)

    def value(self, name: str) -> str:
        return self.values.get(name, "")

    def number(self, name: str) -> int:
        """The value of a flag, 0 when it is absent or not positive."""
        try:
            return max(int(self.value(name) or 0), 0)
        except ValueError as error:
            text = f"--{name} takes a number, not '{self.value(name)}'"
            raise EngineError(text) from error

    def all(self, name: str) -> list[str]:
        return [value for given, value in self.ordered if given == name]

    def word(self, index: int, what: str) -> str:
        if index >= len(self.words):
            raise EngineError(f"`pulumi {self.command}` needs {what}")
        return self.words[index]


class UsageError(EngineError):
    def __init__(self, text: str) -> None:
        super().__init__(f"{text}\nRun 'pulumi --help' for usage.")


def parse(argv: list[str]) -> Arguments:
    """UsageError for unknown commands and flags, RefusedError for those that are left out."""
    args, rest = Arguments(), list(argv)
    while rest:
        item = rest.pop(0)
        if item == "--":
            args.words += rest
            break
        if item.startswith("-") and item != "-":
            _take(args, item, rest)
        elif args.command in GROUPS:
            args.command = f"{args.command} {item}".strip()
            if args.command not in COMMANDS and args.command not in GROUPS:
                raise _no_such_command(args.command)
        else:
            args.words.append(item)
    if args.command not in COMMANDS and not args.flag("help"):
        raise _no_such_command(args.command)
    return args


def _no_such_command(words: str) -> EngineError:
    if words in REFUSED_COMMANDS or words.partition(" ")[0] in REFUSED_COMMANDS:
        return RefusedError(f"the {words} command")
    group, _, last = words.rpartition(" ")
    return UsageError(f'unknown command "{last}" for "{f"pulumi {group}".strip()}"')


def _take(args: Arguments, item: str, rest: list[str]) -> None:
    """Puts one flag into the arguments, with its value from the rest when it stands there."""
    text, equals, value = item.partition("=")
    name = text[2:] if text.startswith("--") else SHORT.get(text[1:], text)
    if args.command in OPERATIONS and (name in LEFT_OUT or name.startswith("remote")):
        raise RefusedError(LEFT_OUT.get(name, "remote operations"))
    flags = f"{GLOBAL} {COMMANDS.get(args.command, '')}".split()
    kind = {flag.rstrip("=*"): flag[-1] for flag in flags}.get(name)  # the command's own wins
    if kind is None:
        raise UsageError(f"unknown flag: {name if name.startswith('-') else f'--{name}'}")
    if kind not in "=*":
        args.on[name] = value not in ("false", "0", "f", "F", "FALSE", "False")
        return
    if not equals and not rest:
        raise UsageError(f"flag needs an argument: --{name}")
    value = value if equals else rest.pop(0)
    if kind == "*":
        args.ordered.append((name, value))
    else:
        args.values[name] = value


def say(text: str) -> None:
    sys.stdout.write(text + "\n")


def tell(args: Arguments, value: Any, text: str) -> None:
    """An answer, as JSON where --json asks for that."""
    say(json.dumps(value, ensure_ascii=False, indent=2) if args.flag("json") else text)


def main(argv: list[str] | None = None) -> int:
    """Runs one command; answers the exit status. Texts of failures go to standard error."""
    try:
        args = parse(sys.argv[1:] if argv is None else argv)
        code = _run(args)
        sys.stdout.flush()
    except EngineError as error:
        return _fail(error.text, error.code)
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123 - nobody reads; the interpreter flushes it at its end
        return 1
    except OSError as error:
        return _fail(f"{error.strerror or error}: {error.filename or 'the state backend'}", 1)
    except Exception:  # noqa: BLE001 - our own bug, told as one
        import traceback  # noqa: PLC0415 - only for this

        return _fail(f"the embedded engine failed; this is a bug\n{traceback.format_exc()}", 255)
    return code


def _run(args: Arguments) -> int:
    if args.flag("help"):
        say("Usage: pulumi COMMAND [arguments] [flags]; see the README of the embedded engine")
        return 0
    if folder := args.value("cwd"):
        os.chdir(folder)
    if args.command == "version":
        say(VERSION)
        return 0
    module = "config" if args.command.startswith("config") else "commands"
    name = args.command.replace(" ", "_").replace("-", "_")
    found = importlib.import_module(f"infra.embedded_engine.{module}")
    return int(getattr(found, name)(args) or 0)


def _fail(text: str, code: int) -> int:
    try:
        sys.stdout.flush()
        sys.stderr.write(f"error: {text}\n")
        sys.stderr.flush()
    except OSError:
        sys.stderr = sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123 - as above
    return code
