"""
Runs in the virtual environment: schema, seed data, static files, administrator, in one process.

Each Django start costs about a second, so the steps share one. The last line of standard output is
one JSON document for the starter: `{"migrations": n, "administrator": {"username", "password"} |
null, "deployed": bool}`.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Sequence
from typing import Any

from orchestra_portal.start.keys import ensure_keys
from orchestra_portal.start.place import find_place, prepare_folders


def apply_migrations() -> int:
    """Brings the database up to date; returns the number of migrations applied."""
    from django.core.management import call_command  # noqa: PLC0415 - after django.setup()
    from django.db import connection  # noqa: PLC0415 - the same
    from django.db.migrations.executor import MigrationExecutor  # noqa: PLC0415 - the same

    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if plan:
        call_command("migrate", interactive=False, verbosity=0)
    return len(plan)


def has_deployments() -> bool:
    """Whether anything was ever asked to be deployed here."""
    from apps.deployments.models import Deployment  # noqa: PLC0415 - after django.setup()

    return Deployment.objects.exists()


def ensure_administrator() -> dict[str, str] | None:
    """User name and password of the administrator made now; None when there was one."""
    from apps.accounts import services  # noqa: PLC0415 - after django.setup()
    from apps.core.errors import Refused  # noqa: PLC0415 - the same
    from apps.core.permissions import system  # noqa: PLC0415 - the same

    try:
        user, password = services.create_administrator(actor=system("start"))
    except Refused:
        return None
    return {"username": user.get_username(), "password": password}


def prepare() -> dict[str, Any]:
    """All steps, each of which does nothing when it has nothing to do."""
    from django.core.management import call_command  # noqa: PLC0415 - after django.setup()

    applied = apply_migrations()
    call_command("seed", verbosity=0)
    return {
        "migrations": applied,
        "administrator": ensure_administrator(),
        "deployed": has_deployments(),
    }


def main(arguments: Sequence[str]) -> int:
    """Prepares the installation and prints the JSON line; all else goes to standard error."""
    if "--with-keys" in arguments:
        # In a container nobody has made them yet; the state folder is a volume.
        place = find_place()
        prepare_folders(place)
        ensure_keys(place.secrets, has_data=place.prepared.exists())
        place.prepared.touch()
    import django  # noqa: PLC0415 - settings are read here, not on import

    with contextlib.redirect_stdout(sys.stderr):
        django.setup()
        result = prepare()
    sys.stdout.write(f"{json.dumps(result)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
