"""Roles and tokens, through the verbs, REST and the command line."""

import io
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from rest_framework.test import APIClient

from apps.accounts import services
from apps.accounts.actors import actor_for_token, actor_for_user
from apps.accounts.models import RoleBinding, Token
from apps.accounts.tokens import find_token
from apps.audit.models import AuditEvent
from apps.core.errors import Forbidden, Invalid, NotFound
from apps.core.permissions import may, system

pytestmark = pytest.mark.django_db


def client_of(user=None, token=None):
    client = APIClient()
    if user is not None:
        client.force_login(user)
    if token is not None:
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    return client


def token_of(user, **fields):
    return services.create_token(actor=actor_for_user(user), user=user, name="program", **fields)


def events():
    return list(AuditEvent.objects.order_by("pk").values_list("event", "environment"))


def test_an_admin_gives_and_takes_a_role_and_both_are_recorded(root, mallory, staging):
    actor = actor_for_user(root)
    binding = services.grant_role(actor=actor, user=mallory, role="viewer", environment="staging")
    services.grant_role(actor=actor, user=mallory, role="viewer", environment="staging")
    assert may(actor_for_user(mallory), "view", "staging")
    services.revoke_role(actor=actor, binding=binding)
    services.revoke_role(actor=actor, binding=binding)
    assert not may(actor_for_user(mallory), "view", "staging")
    assert events() == [("accounts.role.granted", "staging"), ("accounts.role.revoked", "staging")]


def test_an_admin_of_one_environment_gives_roles_there_only(mallory, staging, production):
    from tests.conftest import person

    actor = actor_for_user(person("anna", "admin@staging"))
    services.grant_role(actor=actor, user=mallory, role="viewer", environment="staging")
    for place in ("production", "*"):
        with pytest.raises(NotFound):
            services.grant_role(actor=actor, user=mallory, role="viewer", environment=place)
    assert RoleBinding.objects.filter(user=mallory).count() == 1


def test_an_operator_gives_no_role(olga, mallory):
    with pytest.raises(Forbidden):
        services.grant_role(actor=actor_for_user(olga), user=mallory, role="admin")


def test_a_role_nobody_knows_is_refused(root, mallory):
    with pytest.raises(Invalid) as refusal:
        services.grant_role(actor=actor_for_user(root), user=mallory, role="boss")
    assert refusal.value.code == "role.unknown"


def test_a_token_gives_no_roles_and_makes_no_tokens(root, mallory):
    token, _ = token_of(root)
    actor = actor_for_token(token)
    for deed in (
        lambda: services.grant_role(actor=actor, user=mallory, role="viewer"),
        lambda: services.create_token(actor=actor, user=root, name="another"),
    ):
        with pytest.raises(Forbidden) as refusal:
            deed()
        assert refusal.value.code == "access.by_token"


def test_the_text_of_a_token_works_and_is_stored_nowhere(olga):
    token, text = token_of(olga)
    assert find_token(text) == token
    secret = text.rpartition("_")[2]
    assert secret not in str(Token.objects.values().get())
    assert secret not in str(list(AuditEvent.objects.values()))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda token, _: services.revoke_token(actor=actor_for_user(token.user), token=token),
        lambda token, _: Token.objects.update(expires_at=timezone.now() - timedelta(seconds=1)),
        lambda token, user: type(user).objects.filter(pk=user.pk).update(is_active=False),
    ],
    ids=["revoked", "expired", "its person is gone"],
)
def test_a_token_ends_at_once(olga, spoil):
    token, text = token_of(olga)
    client = client_of(token=text)
    assert client.get("/api/v1/me/").status_code == 200
    spoil(token, olga)
    answer = client.get("/api/v1/me/")
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"].startswith("Bearer")
    assert "create_token" in answer.json()["detail"]


def test_a_token_never_has_more_than_its_person(olga):
    token, _ = token_of(olga)
    RoleBinding.objects.create(token=token, role="admin", environment="*")
    assert not may(actor_for_token(token), "edit_secrets", "development")
    RoleBinding.objects.filter(user=olga).delete()
    token.roles.all().delete()
    assert not may(actor_for_token(token), "view", "development")


def test_a_reading_token_reads(olga):
    token, _ = token_of(olga, scopes=["read"])
    actor = actor_for_token(token)
    assert may(actor, "view", "development")
    assert not may(actor, "deploy", "development")


def test_nobody_makes_or_ends_tokens_of_others_but_an_admin(olga, vic, root):
    token, _ = token_of(vic)
    with pytest.raises(Forbidden):
        services.create_token(actor=actor_for_user(olga), user=vic, name="mine")
    with pytest.raises(Forbidden):
        services.revoke_token(actor=actor_for_user(olga), token=token)
    services.revoke_token(actor=actor_for_user(root), token=token)
    assert Token.objects.get().revoked_at is not None


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"scopes": ["root"]}, "token.scopes"),
        ({"scopes": []}, "token.scopes"),
        ({"days": 0}, "token.days"),
        ({"name": " "}, "token.name"),
        ({"name": "n" * 81}, "token.name"),
    ],
)
def test_a_token_nobody_can_use_is_refused(olga, fields, code):
    with pytest.raises(Invalid) as refusal:
        services.create_token(
            actor=actor_for_user(olga), user=olga, **{"name": "program", **fields}
        )
    assert refusal.value.code == code
    assert not Token.objects.exists()


def test_me_says_who_i_am_and_what_i_may_where(olga):
    assert client_of(olga).get("/api/v1/me/").json() == {
        "kind": "user",
        "name": "olga",
        "user": "olga",
        "roles": [{"role": "operator", "environment": "*"}],
        "scopes": [],
    }
    _, text = token_of(olga, scopes=["read"])
    answer = client_of(token=text).get("/api/v1/me/").json()
    assert (answer["kind"], answer["name"], answer["scopes"]) == ("token", "olga/program", ["read"])


def test_without_a_login_the_answer_is_401_as_a_problem():
    answer = client_of().get("/api/v1/me/")
    assert answer.status_code == 401
    assert answer["Content-Type"] == "application/problem+json"


def test_a_token_is_made_shown_once_and_revoked_over_rest(vic, olga):
    client = client_of(vic)
    made = client.post("/api/v1/tokens/", {"name": "watch", "scopes": ["read"]}, format="json")
    assert made.status_code == 201
    text = made.json()["token"]
    assert client_of(token=text).get("/api/v1/me/").json()["user"] == "vic"
    pk = made.json()["id"]
    assert "token" not in client.get(f"/api/v1/tokens/{pk}/").json()
    assert client_of(olga).get(f"/api/v1/tokens/{pk}/").status_code == 404
    assert client_of(olga).delete(f"/api/v1/tokens/{pk}/").status_code == 404
    assert client.delete(f"/api/v1/tokens/{pk}/").status_code == 204
    assert client_of(token=text).get("/api/v1/me/").status_code == 401


def test_a_session_needs_its_csrf_token_to_change_anything(vic):
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(vic)
    answer = client.post("/api/v1/tokens/", {"name": "w", "scopes": ["read"]}, format="json")
    assert answer.status_code == 403
    assert not Token.objects.exists()


def test_the_command_prints_a_token_that_works(olga):
    out = io.StringIO()
    call_command("create_token", "olga", "--scopes", "read", "--days", "7", stdout=out)
    token = find_token(out.getvalue().strip())
    assert (token.user, token.scopes) == (olga, ["read"])
    assert timedelta(days=6) < token.expires_at - timezone.now() <= timedelta(days=7)
    assert AuditEvent.objects.get().actor_name == "create_token"


@pytest.mark.parametrize(
    "arguments", [["nobody"], ["olga", "--scopes", "all"], ["olga", "--days", "0"]]
)
def test_the_command_refuses_what_nobody_can_use(olga, arguments):
    with pytest.raises(CommandError):
        call_command("create_token", *arguments)
    assert not Token.objects.exists()


def test_the_system_may_do_what_the_first_start_needs(mallory):
    services.grant_role(actor=system("start"), user=mallory, role="viewer")
    assert may(actor_for_user(mallory), "view", "production")
