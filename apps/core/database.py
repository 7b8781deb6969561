"""What people are told when the database does not do its part."""

from __future__ import annotations

from apps.core.errors import Unavailable


def what_is_away(error: Exception) -> Unavailable:
    """
    An OperationalError or InterfaceError as a sentence with its way out. Every verb is one
    transaction, so that a locked or a full database has changed nothing; of one whose connection
    broke, nobody knows.
    """
    words = str(error)
    if "locked" in words:
        return Unavailable(
            "database.locked",
            "Somebody else has kept the database locked for too long. Nothing was changed.",
            next_step="Try again in a moment; a backup or an open database shell may be the cause.",
        )
    if "disk is full" in words or "No space left" in words or "disk I/O" in words:
        return Unavailable(
            "database.full",
            "The disk of the database is full. Nothing was changed.",
            next_step="Free space on the disk of ORCHESTRA_HOME or of the server, and try again.",
        )
    if "no such table" in words or "no such column" in words:
        return Unavailable(
            "database.not_migrated",
            "The database is older than this portal. Nothing was changed.",
            next_step="Run `manage.py migrate` with the settings of this installation.",
        )
    return Unavailable(
        "database.away",
        "The database does not answer. Whether something was changed is not known.",
        next_step="See that its server runs, and look at the newest run before trying again.",
    )
