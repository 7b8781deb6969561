"""Roles and scopes."""

from datetime import timedelta

from django.db import models

# How long what a first request was answered is told to those that repeat it.
FIRST_ANSWER_KEPT = timedelta(hours=24)


class Role(models.TextChoices):
    VIEWER = "viewer", "Viewer"
    OPERATOR = "operator", "Operator"
    APPROVER = "approver", "Approver"
    ADMIN = "admin", "Admin"
    AUDITOR = "auditor", "Auditor"


class Scope(models.TextChoices):
    READ = "read", "Read"
    WRITE = "write", "Read and write"
