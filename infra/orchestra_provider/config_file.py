"""`orchestra:monitoring:ConfigFile`: a monitoring file, checked before it is written."""

import contextlib
import dataclasses
import hashlib
import urllib.error
import urllib.request
from pathlib import Path

from infra.orchestra_provider.errors import Failure, HalfMadeError, ProviderError
from infra.orchestra_provider.installing import write_whole
from infra.orchestra_provider.resource import Call, Found, ResourceType
from infra.orchestra_provider.syntax import KINDS, SyntaxProblemError, check_syntax
from infra.orchestra_provider.values import Properties, has_unknown

RELOAD_TIMEOUT = 15.0  # seconds
# Read by Prometheus and its kin, which run as users of their own; nothing else on the machine lies
# in the folder.
MODE = 0o644


@dataclasses.dataclass(frozen=True)
class ConfigFileInputs:
    path: str
    kind: str
    content: str
    reload_url: str | None = None


class ConfigFile(ResourceType[ConfigFileInputs]):
    token = "orchestra:monitoring:ConfigFile"  # noqa: S105 (a type token)
    inputs = ConfigFileInputs
    replaced_by = frozenset({"path"})
    computed = frozenset({"digest", "checked_by"})

    def check(self, inputs: ConfigFileInputs, old: ConfigFileInputs | None) -> list[Failure]:
        failures = []
        if not Path(inputs.path).is_absolute():
            failures.append(Failure("path", f"{inputs.path} is not an absolute path."))
        if inputs.kind not in KINDS:
            failures.append(Failure("kind", f"kind is one of {', '.join(KINDS)}."))
        if inputs.reload_url and not inputs.reload_url.startswith(("http://", "https://")):
            failures.append(Failure("reload_url", "reload_url is an HTTP address."))
        checked = old is not None and (old.kind, old.content) == (inputs.kind, inputs.content)
        if not failures and not checked and not has_unknown(inputs.content):
            try:
                check_syntax(inputs.kind, inputs.content)
            except SyntaxProblemError as problem:
                failures.append(Failure("content", f"{Path(inputs.path).name}: {problem}"))
        return failures

    def identify(self, inputs: ConfigFileInputs) -> str:
        return inputs.path

    def create(self, call: Call, inputs: ConfigFileInputs) -> Properties:
        path = Path(inputs.path)
        _refuse_foreign(path, call.urn)
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        # The mark first: a file that is ours is never taken for a foreign one.
        write_whole(_mark(path), call.urn)
        return _write(inputs)

    def read(self, call: Call, identifier: str, inputs: ConfigFileInputs) -> Found | None:
        path = Path(identifier)
        try:
            content = path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return None
        if _owner(path) != call.urn:
            return None
        now = dataclasses.replace(inputs, path=identifier, content=content)
        found = {k: v for k, v in dataclasses.asdict(now).items() if v is not None}
        return Found(found, {"digest": _digest(content), "checked_by": _checker(now)})

    def update(
        self, call: Call, identifier: str, old: ConfigFileInputs, new: ConfigFileInputs
    ) -> Properties:
        _refuse_foreign(Path(new.path), call.urn)
        write_whole(_mark(Path(new.path)), call.urn)
        return _write(new)

    def delete(self, call: Call, identifier: str, inputs: ConfigFileInputs) -> None:
        path = Path(identifier)
        _refuse_foreign(path, call.urn)
        path.unlink(missing_ok=True)
        _mark(path).unlink(missing_ok=True)
        if path.exists():
            raise ProviderError("provider.failed", f"{path} is still there after its removal.")
        with contextlib.suppress(OSError):
            path.parent.rmdir()  # only when it is empty


def _checker(inputs: ConfigFileInputs) -> str:
    try:
        return check_syntax(inputs.kind, inputs.content)
    except SyntaxProblemError:
        return ""  # someone broke it by hand; the changed content is reported


def _write(inputs: ConfigFileInputs) -> Properties:
    path = Path(inputs.path)
    outputs = {
        "digest": _digest(inputs.content),
        "checked_by": check_syntax(inputs.kind, inputs.content),
    }
    write_whole(path, inputs.content, MODE)
    if inputs.reload_url:
        _reload(inputs.reload_url, outputs)
    return outputs


def _reload(url: str, outputs: Properties) -> None:
    """The file is written either way; a service that did not take it up is worth a failure."""
    request = urllib.request.Request(url, method="POST", data=b"")  # noqa: S310 (checked: HTTP only)
    try:
        with urllib.request.urlopen(request, timeout=RELOAD_TIMEOUT):  # noqa: S310 (the same)
            pass
    except urllib.error.HTTPError as error:
        reason = f"{url} refused to reload: {error.code} {error.read(300).decode(errors='replace')}"
        raise HalfMadeError(outputs, reason.strip()) from error
    except OSError as error:
        raise HalfMadeError(outputs, f"{url} could not be asked to reload: {error}.") from error


def _digest(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()


def _mark(path: Path) -> Path:
    """A hidden file beside it that says whose it is; not every kind of file has comments."""
    return path.with_name(f".{path.name}.owner")


def _owner(path: Path) -> str | None:
    try:
        return _mark(path).read_text(encoding="utf-8")
    except OSError:
        return None


def _refuse_foreign(path: Path, owner: str) -> None:
    found = _owner(path)
    if path.exists() and found != owner:
        whose = f"belongs to {found}" if found else "was not made by a stack"
        raise ProviderError(
            "provider.failed",
            f"{path} is there already and {whose}. Nothing was changed.",
            "move it away, or give the monitoring files another directory.",
        )
