"""Whom a command acts as: the accounts say."""

from apps.accounts.management.acting import acting, add_as

__all__ = ["acting", "add_as"]
