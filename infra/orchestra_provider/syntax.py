"""Checks monitoring files before they are written: by their own tool, or by our rules."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

TIMEOUT = 30.0  # seconds
SYSTEM_PATHS = "/usr/sbin:/usr/local/bin:/usr/bin"
OURS = "orchestra"
_TOOLS: dict[str, tuple[str, ...]] = {
    "prometheus": ("promtool", "check", "config", "--syntax-only"),
    "prometheus_rules": ("promtool", "check", "rules"),
    "alertmanager": ("amtool", "check-config"),
}


class SyntaxProblemError(Exception):
    """What is wrong with a file, in one sentence."""


def check_syntax(kind: str, content: str) -> str:
    """Who checked it: `promtool`, `amtool` or `orchestra`. Raises SyntaxProblemError."""
    document = _parse(kind, content)
    _STRUCTURES[kind](document)
    tool = _TOOLS.get(kind)
    path = (
        shutil.which(tool[0], path=f"{os.environ.get('PATH', '')}:{SYSTEM_PATHS}") if tool else None
    )
    if not tool or not path:
        return OURS
    _ask_tool([path, *tool[1:]], content)
    return tool[0]


def _parse(kind: str, content: str) -> Any:
    try:
        if kind in ("grafana_dashboard", "json"):
            return json.loads(content)
        return yaml.safe_load(content)
    except (ValueError, yaml.YAMLError) as error:
        line = str(error).replace("\n", " ")
        raise SyntaxProblemError(f"It cannot be parsed: {line}") from error


def _ask_tool(command: list[str], content: str) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".yml", encoding="utf-8") as file:
        file.write(content)
        file.flush()
        done = subprocess.run(
            [*command, file.name],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT,
            check=False,
            text=True,
            errors="replace",
        )
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split()).replace(file.name, "the file")
        raise SyntaxProblemError(f"{Path(command[0]).name} refuses it: {said[:500]}")


def _prometheus(document: Any) -> None:
    jobs = [_text(job, "job_name") for job in _list(document, "scrape_configs")]
    for job in jobs:
        if jobs.count(job) > 1:
            raise SyntaxProblemError(f"Two scrape configurations are called {job}.")


def _rules(document: Any) -> None:
    for group in _list(document, "groups"):
        name = _text(group, "name")
        for rule in _list(group, "rules"):
            if not isinstance(rule, dict) or ("alert" in rule) == ("record" in rule):
                raise SyntaxProblemError(f"A rule of {name} is neither an alert nor a record.")
            _text(rule, "expr")


def _alertmanager(document: Any) -> None:
    receivers = {_text(receiver, "name") for receiver in _list(document, "receivers")}
    routes = [_mapping(document, "route")]
    while routes:
        route = routes.pop()
        wanted = route.get("receiver")
        if wanted is not None and wanted not in receivers:
            raise SyntaxProblemError(f"A route names the receiver {wanted}, which there is not.")
        routes.extend(route.get("routes") or [])


def _dashboard(document: Any) -> None:
    for key in ("uid", "title"):
        _text(document, key)
    for panel in _list(document, "panels"):
        _text(panel, "type")


def _datasources(document: Any) -> None:
    for source in _list(document, "datasources"):
        for key in ("name", "type", "url"):
            _text(source, key)


def _providers(document: Any) -> None:
    for provider in _list(document, "providers"):
        _text(provider, "name")
        _text(_mapping(provider, "options"), "path")


def _blackbox(document: Any) -> None:
    for name, module in _mapping(document, "modules").items():
        if not isinstance(module, dict) or not module.get("prober"):
            raise SyntaxProblemError(f"The module {name} names no prober.")


_STRUCTURES: Mapping[str, Callable[[Any], None]] = {
    "prometheus": _prometheus,
    "prometheus_rules": _rules,
    "alertmanager": _alertmanager,
    "grafana_dashboard": _dashboard,
    "grafana_datasources": _datasources,
    "grafana_providers": _providers,
    "blackbox": _blackbox,
    "yaml": lambda _document: None,
    "json": lambda _document: None,
}
KINDS = tuple(_STRUCTURES)


def _mapping(document: Any, key: str) -> dict[str, Any]:
    found: dict[str, Any] = _field(document, key, dict, "a map")
    return found


def _list(document: Any, key: str) -> list[Any]:
    found: list[Any] = _field(document, key, list, "a list")
    return found


def _text(document: Any, key: str) -> str:
    return str(_field(document, key, str, "a text"))


def _field(document: Any, key: str, kind: type[Any], words: str) -> Any:
    value = document.get(key) if isinstance(document, dict) else None
    if not isinstance(value, kind) or (kind is str and not value):
        raise SyntaxProblemError(f"It has no {key} that is {words}.")
    return value
