"""Migrations are named by a person, and none is missing."""

import pathlib
import re

from django.core.management import call_command

APPS = pathlib.Path(__file__).resolve().parents[2] / "apps"
NAMED_BY_DJANGO = re.compile(r"\d{4}_(auto_\d+|alter_.*_and_more|.*_and_more)")


def test_no_migration_carries_a_made_up_name():
    names = [file.stem for file in APPS.glob("*/migrations/[0-9]*.py")]
    assert names
    assert not [name for name in names if NAMED_BY_DJANGO.fullmatch(name)]


def test_no_model_waits_for_a_migration(db):
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)
