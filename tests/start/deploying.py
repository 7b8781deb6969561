"""Deploys development of a stack that runs, and looks at what came of it in its database."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from typing import Any

from tests.start.stack import Stack

MOVE_PORT = """
import django; django.setup()
from apps.core.permissions import system
from apps.environments.models import Port, Setting
from apps.environments.services import set_setting
Port.objects.filter(environment__slug="development", owner="memory").update(port={port})
value = Setting.objects.get(environment__slug="development", key="mcp").value
value["servers"][0]["port"] = {port}
set_setting(system("test"), environment="development", key="mcp", value=value)
"""


def move_memory(stack: Stack, port: int) -> None:
    """Declares the memory server on this port; nothing is deployed by it."""
    subprocess.run(
        [sys.executable, "-c", MOVE_PORT.format(port=port)],
        env=stack.place.environment(),
        cwd=stack.place.root,
        check=True,
    )


def manage(stack: Stack, *arguments: str) -> subprocess.Popen[str]:
    """`manage.py` over the stack, under way; its output is its own."""
    return subprocess.Popen(
        [sys.executable, "manage.py", *arguments],
        env=stack.place.environment(),
        cwd=stack.place.root,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def carried_out(stack: Stack, *arguments: str, limit: float = 300) -> str:
    """The same to its end; raises with what it said when it fails."""
    process = manage(stack, *arguments)
    try:
        text, _ = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        process.kill()
        text, _ = process.communicate()
        raise AssertionError(f"{arguments} did not end within {limit} s:\n{text}") from None
    if process.returncode:
        raise AssertionError(f"{arguments} ended with {process.returncode}:\n{text}")
    return text


def rows(stack: Stack, query: str) -> list[Any]:
    """What the stack's database says now."""
    path = stack.place.home / "portal.sqlite3"
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def until(stack: Stack, query: str, limit: float = 120) -> list[Any]:
    """The first answer that is not empty."""
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        if found := rows(stack, query):
            return found
        time.sleep(0.1)
    raise AssertionError(f"no answer within {limit} s: {query}")
