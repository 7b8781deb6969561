"""`orchestra:mcp:Package`: one exactly pinned package in a folder of its own."""

import dataclasses
import json
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from infra.orchestra_provider.ecosystems import (
    install_npm,
    install_pypi,
    start_npm,
    start_pypi,
)
from infra.orchestra_provider.errors import Failure, ProviderError
from infra.orchestra_provider.installing import write_whole
from infra.orchestra_provider.node import find_node
from infra.orchestra_provider.resource import Call, Found, ResourceType
from infra.orchestra_provider.values import Properties

MANIFEST = "orchestra-package.json"  # says what a folder is and whose; written last
NAMES = {
    "npm": re.compile(r"(@[a-z0-9~-][a-z0-9._~-]*/)?[a-z0-9~-][a-z0-9._~-]*"),
    "pypi": re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?"),
}
# One version, no range, tag, URL or path.
VERSION = re.compile(r"\d+(\.\d+)*[A-Za-z0-9.+-]*")
REQUIREMENT = re.compile(r"@?[A-Za-z0-9][A-Za-z0-9._/-]*[ ]?([<>=!~@]=?[A-Za-z0-9.*+-]+,?)+")


@dataclasses.dataclass(frozen=True)
class PackageInputs:
    name: str
    version: str
    ecosystem: str
    home: str
    node: str | None = None
    program: str | None = None
    requires: list[str] = dataclasses.field(default_factory=list)

    @property
    def folder(self) -> Path:
        slug = self.name.lstrip("@").replace("/", "-")
        return Path(self.home) / "packages" / f"{slug}-{self.version}"


class Package(ResourceType[PackageInputs]):
    token = "orchestra:mcp:Package"  # noqa: S105 (a type token)
    inputs = PackageInputs
    replaced_by = frozenset({"name", "version", "ecosystem", "home", "requires"})
    computed = frozenset({"command", "directory"})

    def check(self, inputs: PackageInputs, old: PackageInputs | None) -> list[Failure]:
        if inputs.ecosystem not in NAMES:
            return [Failure("ecosystem", "ecosystem is npm or pypi.")]
        failures = []
        if not NAMES[inputs.ecosystem].fullmatch(inputs.name):
            failures.append(Failure("name", f"{inputs.name!r} is no {inputs.ecosystem} package."))
        if not VERSION.fullmatch(inputs.version):
            failures.append(Failure("version", f"{inputs.version!r} is not one exact version."))
        if not Path(inputs.home).is_absolute():
            failures.append(Failure("home", f"{inputs.home} is not an absolute path."))
        failures.extend(
            Failure("requires", f"{entry!r} is not a package with a version.")
            for entry in inputs.requires
            if not REQUIREMENT.fullmatch(entry)
        )
        if inputs.ecosystem == "npm" and not failures:
            try:
                find_node(inputs.node)
            except ProviderError as error:
                failures.append(Failure("node", str(error)))
        return failures

    def identify(self, inputs: PackageInputs) -> str:
        return str(inputs.folder)

    def create(self, call: Call, inputs: PackageInputs) -> Properties:
        folder = inputs.folder
        _refuse_foreign(folder, call.urn)
        try:
            return _outputs(inputs)
        except (OSError, ValueError, ProviderError):
            # Nothing there, or what an interrupted removal left.
            _remove(folder)
        _install(call, inputs)
        return _outputs(inputs)

    def read(self, call: Call, identifier: str, inputs: PackageInputs) -> Found | None:
        manifest = _manifest(Path(identifier))
        if manifest is None or manifest.get("owner") != call.urn:
            return None
        try:
            outputs = _outputs(inputs)
        except (OSError, ValueError, ProviderError):
            return None  # its program is gone; the next update installs it again
        stored = {key: manifest[key] for key in ("name", "version", "ecosystem")}
        now = {**dataclasses.asdict(inputs), **stored}
        return Found({k: v for k, v in now.items() if v is not None}, outputs)

    def update(
        self, call: Call, identifier: str, old: PackageInputs, new: PackageInputs
    ) -> Properties:
        return _outputs(new)

    def delete(self, call: Call, identifier: str, inputs: PackageInputs) -> None:
        folder = Path(identifier)
        _refuse_foreign(folder, call.urn)
        _remove(folder)


_ECOSYSTEMS: dict[str, tuple[Callable[..., None], Callable[..., list[str]]]] = {
    "npm": (install_npm, start_npm),
    "pypi": (install_pypi, start_pypi),
}


def _install(call: Call, inputs: PackageInputs) -> None:
    """Into a folder beside its place, then renamed: no package is ever half installed."""
    folder = inputs.folder
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _sweep(folder)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    install, start = _ECOSYSTEMS[inputs.ecosystem]
    try:
        install(inputs, temporary, call.canceled)
        start(inputs, temporary)
        write_whole(temporary / MANIFEST, json.dumps(_description(call, inputs), indent=1))
        temporary.rename(folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _description(call: Call, inputs: PackageInputs) -> dict[str, Any]:
    kept = ("name", "version", "ecosystem", "requires")
    return {"owner": call.urn, **{key: getattr(inputs, key) for key in kept}}


def _outputs(inputs: PackageInputs) -> Properties:
    """Raises OSError, ValueError or ProviderError when the package is not whole."""
    folder = inputs.folder
    (folder / MANIFEST).read_bytes()
    command = _ECOSYSTEMS[inputs.ecosystem][1](inputs, folder)
    for path in command:
        Path(path).stat()
    return {"command": command, "directory": str(folder)}


def _manifest(folder: Path) -> dict[str, Any] | None:
    try:
        document = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return document if isinstance(document, dict) else None


def _refuse_foreign(folder: Path, owner: str) -> None:
    if not folder.exists():
        return
    manifest = _manifest(folder)
    if manifest is None or manifest.get("owner") != owner:
        whose = f"belongs to {manifest['owner']}" if manifest else "was not made by a stack"
        raise ProviderError(
            "package.failed",
            f"{folder} is there already and {whose}. Nothing was changed.",
            "move it away, or give the environment another home.",
        )


def _remove(folder: Path) -> None:
    if not folder.exists():
        return
    # Renamed first: what an interrupted removal leaves does not look like a package.
    doomed = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    folder.rename(doomed / folder.name)
    shutil.rmtree(doomed)
    if folder.exists():
        raise ProviderError("package.failed", f"{folder} is still there after its removal.")


def _sweep(folder: Path) -> None:
    """Removes what installs and removals of this package left when they were killed."""
    for leftover in folder.parent.glob(f".{folder.name}-*"):
        shutil.rmtree(leftover, ignore_errors=True)
