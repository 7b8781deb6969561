"""Secrets are write-only, versioned, and sealed for their own row."""

import pytest

from apps.audit.models import AuditEvent
from apps.core.errors import Forbidden, Invalid, OurFault
from apps.environments.models import Secret
from apps.environments.secrets import newest_secrets, open_secrets
from apps.environments.services import set_secret
from apps.live.models import Message

VALUE = "canary-secret-4711"


def test_each_set_makes_a_version_and_the_newest_is_in_use(development, root, actor):
    for value in ("one-value", "two-value"):
        set_secret(actor(root), environment="development", key="api_key", value=value)
    assert [row.version for row in newest_secrets(development)] == [2]
    assert [value for _, value in open_secrets(development)] == ["two-value"]


def test_the_value_stands_in_no_row_but_sealed(development, root, actor):
    set_secret(actor(root), environment="development", key="api_key", value=VALUE)
    rows = [*Secret.objects.values(), *AuditEvent.objects.values(), *Message.objects.values()]
    assert VALUE not in repr(rows)


def test_a_ciphertext_copied_to_another_environment_does_not_open(
    development, production, root, actor
):
    row = set_secret(actor(root), environment="development", key="api_key", value=VALUE)
    Secret.objects.filter(pk=row.pk).update(environment=production)
    with pytest.raises(OurFault) as refusal:
        list(open_secrets(production))
    assert refusal.value.code == "secret.sealed"


def test_equal_secrets_have_equal_fingerprints(development, production, root, actor):
    first = set_secret(actor(root), environment="development", key="a", value=VALUE)
    second = set_secret(actor(root), environment="production", key="b", value=VALUE)
    third = set_secret(actor(root), environment="production", key="c", value=f"{VALUE}.")
    assert first.fingerprint == second.fingerprint != third.fingerprint


def test_an_operator_may_not_set_secrets(development, olga, actor):
    with pytest.raises(Forbidden):
        set_secret(actor(olga), environment="development", key="api_key", value=VALUE)


def test_an_empty_secret_is_refused(development, root, actor):
    with pytest.raises(Invalid):
        set_secret(actor(root), environment="development", key="api_key", value="")
