"""Roles bound to people or tokens, and the tokens themselves."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from apps.accounts.choices import Role
from apps.core.permissions import EVERYWHERE, Actor, may


class TokenQuerySet(models.QuerySet["Token"]):
    def visible_to(self, actor: Actor) -> TokenQuerySet:
        """One's own; an admin sees everybody's."""
        return self if may(actor, "manage_access") else self.filter(user_id=actor.user_id or 0)


class Token(models.Model):
    """
    A key for programs, `op_<key>_<secret>`; only a SHA-256 of the secret is stored. A token acts
    with its own role bindings where it has any, else with its owner's, and never with more than
    its scopes. It never approves.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="tokens")
    name = models.CharField(max_length=80)
    key = models.CharField(max_length=16, unique=True)
    digest = models.CharField(max_length=64)
    scopes = models.JSONField(default=list)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    objects = TokenQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["name", "-id"], name="token_by_name")]

    def __str__(self) -> str:
        return f"{self.name} ({self.key})"

    @property
    def is_usable(self) -> bool:
        return self.revoked_at is None and (
            self.expires_at is None or self.expires_at > timezone.now()
        )


class RoleBindingQuerySet(models.QuerySet["RoleBinding"]):
    def visible_to(self, actor: Actor) -> RoleBindingQuerySet:
        """Those an admin may change: everywhere, or in the environments where they are admin."""
        if may(actor, "manage_access"):
            return self
        places = [place for _, place in actor.grants if may(actor, "manage_access", place)]
        return self.filter(environment__in=places)


class RoleBinding(models.Model):
    """One role of one person or token, in one environment (by slug) or in all (`*`)."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, null=True, blank=True, related_name="roles"
    )
    token = models.ForeignKey(Token, models.CASCADE, null=True, blank=True, related_name="roles")
    role = models.CharField(max_length=12, choices=Role.choices)
    environment = models.CharField(max_length=50, default=EVERYWHERE)
    created_at = models.DateTimeField(auto_now_add=True)
    # Empty for those of the time before this was kept.
    granted_by = models.CharField(max_length=150, blank=True)

    objects = RoleBindingQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                name="binding_of_one_holder",
                condition=models.Q(user__isnull=False, token__isnull=True)
                | models.Q(user__isnull=True, token__isnull=False),
            ),
            models.UniqueConstraint(
                fields=["user", "role", "environment"],
                name="binding_once_per_user",
                condition=models.Q(user__isnull=False),
            ),
            models.UniqueConstraint(
                fields=["token", "role", "environment"],
                name="binding_once_per_token",
                condition=models.Q(token__isnull=False),
            ),
        ]
        indexes = [
            models.Index(fields=["role", "-id"], name="binding_by_role"),
            models.Index(fields=["environment", "-id"], name="binding_by_environment"),
        ]

    def __str__(self) -> str:
        return f"{self.role} {self.place}"

    @property
    def place(self) -> str:
        """`everywhere`, or `in staging`."""
        return "everywhere" if self.environment == EVERYWHERE else f"in {self.environment}"

    @property
    def holder(self) -> str:
        """`olga`, or `olga/watch` of a token."""
        if self.token is not None:
            return f"{self.token.user.get_username()}/{self.token.name}"
        return self.user.get_username() if self.user is not None else "nobody"


class FirstAnswer(models.Model):
    """
    What a POST with an `Idempotency-Key` answered. `status` is null while it is under way;
    `holder` is `<actor kind>:<id>`, `digest` that of method, address and body.
    """

    holder = models.CharField(max_length=40)
    key = models.CharField(max_length=200)
    digest = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True)
    sealed = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["holder", "key"], name="first_answer_once")]

    def __str__(self) -> str:
        return f"answer to {self.key} of {self.holder}"

    @property
    def identity(self) -> str:
        """What the sealed answer is bound to."""
        return f"first_answer:{self.pk}"


class LoginFailure(models.Model):
    """Wrong passwords by network, or by network and name."""

    key = models.CharField(max_length=200, unique=True)
    failures = models.PositiveIntegerField(default=0)
    last_at = models.DateTimeField()
    locked_until = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.failures} failures of {self.key}"
