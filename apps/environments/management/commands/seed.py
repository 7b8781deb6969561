"""`manage.py seed`: the environments of a new installation. What is there is never changed."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import transaction

from apps.core.permissions import system
from apps.environments.models import Environment, Port
from apps.environments.seeding import ENVIRONMENTS, HOST_PORTS, NOTES, RESERVED
from apps.environments.services import (
    allocate_port,
    create_environment,
    explain_difference,
    set_protection,
    set_setting,
)

SEED = system("seed")


class Command(BaseCommand):
    help = "Makes the four environments with settings, protections and ports where there are none."

    def handle(self, *_: Any, **options: Any) -> None:
        made = []
        with transaction.atomic():
            for entry in ENVIRONMENTS:
                if not Environment.objects.filter(slug=entry["environment"]["slug"]).exists():
                    make_environment(entry)
                    made.append(entry["environment"]["slug"])
            reserve_host_ports()
            if len(made) == len(ENVIRONMENTS):
                explain_differences()
        if options["verbosity"]:
            self.stdout.write(f"Made {', '.join(made)}." if made else "Nothing to make.")


def make_environment(entry: dict[str, Any]) -> None:
    slug = entry["environment"]["slug"]
    create_environment(SEED, **entry["environment"])
    for key, value in entry["settings"].items():
        set_setting(SEED, environment=slug, key=key, value=value)
    if entry["protection"]:
        set_protection(SEED, environment=slug, **entry["protection"])
    fleet = entry["settings"]["mcp"]
    claims = [(server["port"], server["name"]) for server in fleet["servers"]]
    for port, owner in claims + RESERVED:
        allocate_port(SEED, environment=slug, host=fleet["host"], port=port, owner=owner)


def explain_differences() -> None:
    """What the seed means to differ is explained by it; later differences are not."""
    for slug, notes in NOTES.items():
        for key, note in notes.items():
            explain_difference(SEED, environment=slug, key=key, note=note)


def reserve_host_ports() -> None:
    """The platform's own ports and the portal's, which belong to no environment."""
    for port, owner in [*HOST_PORTS, (settings.PORTAL_PORT, "portal")]:
        Port.objects.get_or_create(
            host="127.0.0.1", protocol="tcp", port=port, defaults={"owner": owner}
        )
