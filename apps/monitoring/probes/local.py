"""Kinds that ask this machine: dns (its resolver) and disk."""

from __future__ import annotations

import asyncio
import shutil
import socket

from apps.monitoring.choices import Health
from apps.monitoring.probes.finding import Finding, Look, cut

FREE_PERCENT = 10


async def look_at_name(look: Look, finding: Finding) -> Finding:
    """`{"name", "expected"?: [address]}`: the name resolves, and to each expected address."""
    name, expected = look.parameters["name"], set(look.parameters.get("expected", []))
    with finding.step("name") as rung:
        try:
            answers = await asyncio.get_running_loop().getaddrinfo(
                name, None, type=socket.SOCK_STREAM
            )
        except (socket.gaierror, UnicodeError) as error:
            rung["passed"] = False
            said = getattr(error, "strerror", None) or "not a name"
            return finding.conclude(
                Health.UNREACHABLE,
                f"The name {cut(name, 80)} does not resolve ({said}). Correct it or its zone.",
                "dns",
            )
        found = {str(answer[4][0]) for answer in answers}
        rung["detail"] = cut(", ".join(sorted(found)))
    if missing := expected - found:
        return finding.conclude(
            Health.MISCONFIGURED,
            f"{cut(name, 80)} resolves to {cut(', '.join(sorted(found)), 80)}, not to"
            f" {cut(', '.join(sorted(missing)), 80)}. Correct the zone.",
            "other_address",
        )
    return finding.conclude(Health.HEALTHY)


async def look_at_disk(look: Look, finding: Finding) -> Finding:
    """
    `{"path", "free_percent"?: 10}`: less free space than that is degraded, less than a fifth of
    it is as good as full.
    """
    path, wanted = look.parameters["path"], look.parameters.get("free_percent", FREE_PERCENT)
    with finding.step("disk") as rung:
        try:
            usage = await asyncio.to_thread(shutil.disk_usage, path)
        except OSError as error:
            rung["passed"] = False
            return finding.conclude(
                Health.MISCONFIGURED,
                f"{cut(path, 80)} cannot be looked at ({error.strerror}). Correct the path.",
                "path",
            )
        free = usage.free / usage.total * 100 if usage.total else 0.0
        rung["detail"] = f"{free:.1f} % of {usage.total / 1e9:.1f} GB free"
    if free >= wanted:
        return finding.conclude(Health.HEALTHY)
    return finding.conclude(
        Health.DEGRADED if free >= wanted / 5 else Health.UNREACHABLE,
        f"{free:.1f} % of {cut(path, 80)} is free, {wanted:g} % are wanted. Make room there.",
        "space",
    )
