#!/usr/bin/env python
"""Django's command line; the portal's own commands are thin doors on the verbs in services."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestra_portal.settings")
    from django.core.management import execute_from_command_line
    from django.db import InterfaceError, OperationalError

    try:
        execute_from_command_line(sys.argv)
    except (OperationalError, InterfaceError) as error:
        if "--traceback" in sys.argv:
            raise
        from apps.core.database import what_is_away

        sys.exit(f"{what_is_away(error).text} ({error})")


if __name__ == "__main__":
    main()
