"""Where an environment's program comes from when it is not the built-in one."""

from __future__ import annotations

from typing import Any

from django.db import models


class ProgramSource(models.Model):
    """A repository, a folder in it, and the ref whose commit a new deployment takes."""

    environment = models.OneToOneField(
        "environments.Environment",
        models.CASCADE,
        related_name="program_source",
        primary_key=True,
    )
    # https:// or ssh://, without credentials.
    url = models.CharField(max_length=500)
    # Inside the repository; empty: its top.
    path = models.CharField(max_length=200, blank=True)
    # A branch, a tag, or 40 hexadecimal digits.
    ref = models.CharField(max_length=200)
    # The key of a secret of the environment: a token for https, a private key for ssh.
    credential = models.CharField(max_length=80, blank=True)
    changed_at = models.DateTimeField(auto_now=True)
    changed_by = models.CharField(max_length=150, blank=True)
    changed_by_id = models.BigIntegerField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.url} {self.path or '/'} at {self.ref}"

    @property
    def place(self) -> dict[str, Any]:
        """What a revision of it says of where it is from."""
        return {"url": self.url, "path": self.path}
