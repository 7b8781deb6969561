"""Giving and taking roles, and making tokens: in the admin, over REST, on the command line."""

import io
import re

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from rest_framework.test import APIClient

from apps.accounts import services
from apps.accounts.actors import actor_for_token, actor_for_user
from apps.accounts.models import RoleBinding, Token
from apps.accounts.tokens import find_token
from apps.audit.models import AuditEvent
from apps.core.errors import Forbidden, NotFound, Refused
from apps.core.permissions import may
from tests.conftest import person

pytestmark = pytest.mark.django_db
GRANT = "/admin/accounts/rolebinding/grant/"


@pytest.fixture
def anna(staging, production):
    """Admin of staging only."""
    return person("anna", "admin@staging")


def rest(user):
    client = APIClient()
    client.force_login(user)
    return client


def events():
    return list(AuditEvent.objects.order_by("pk").values_list("event", "actor_name"))


def test_the_admin_gives_a_role_after_a_page_that_says_what_it_may(client, root, mallory, staging):
    client.force_login(root)
    page = client.get(f"{GRANT}?user={mallory.pk}").content.decode()
    assert "Give mallory a role?" in page
    assert "Operator: view, deploy, destroy" in page
    given = {"role": "operator", "environment": "staging"}
    answer = client.post(f"{GRANT}?user={mallory.pk}", given)
    assert answer.url == reverse("admin:person", args=[mallory.pk])
    assert may(actor_for_user(mallory), "deploy", "staging")
    assert not may(actor_for_user(mallory), "view", "production")
    page = client.get(answer.url).content.decode()
    assert "granted by root" in page
    assert "in staging" in page
    binding = RoleBinding.objects.get(user=mallory)
    revoke = reverse("admin:accounts_rolebinding_revoke", args=[binding.pk])
    assert "mallory may no longer: view, deploy" in client.get(revoke).content.decode()
    assert client.post(revoke).url == answer.url
    assert not may(actor_for_user(mallory), "view", "staging")
    assert events() == [("accounts.role.granted", "root"), ("accounts.role.revoked", "root")]


def test_a_role_of_its_own_narrows_a_token(client, root, olga, staging, production):
    token, _ = services.create_token(actor=actor_for_user(olga), user=olga, name="program")
    client.force_login(root)
    address = f"{GRANT}?token={token.pk}"
    assert client.post(address, {"role": "operator", "environment": "staging"}).status_code == 302
    actor = actor_for_token(token)
    assert may(actor, "deploy", "staging")
    assert not may(actor, "view", "production")
    row = RoleBinding.objects.get(token=token)
    page = client.get(reverse("admin:accounts_rolebinding_revoke", args=[row.pk]))
    assert "it has all of olga then" in page.content.decode()


def test_nobody_gives_themselves_a_role_at_any_door(client, anna):
    client.force_login(anna)
    for place in ("staging", "production", "*"):
        given = {"role": "auditor", "environment": place}
        answer = client.post(f"{GRANT}?user={anna.pk}", given)
        # In production she may not even look; a role everywhere is not hers to give either.
        assert answer.status_code == (403 if place == "staging" else 404), place
        answer = rest(anna).post("/api/v1/roles/", {"user": "anna", **given}, format="json")
        assert answer.status_code == (403 if place == "staging" else 404), place
    with pytest.raises(CommandError, match="Nobody gives themselves a role"):
        call_command("grant_role", "anna", "auditor", "staging", "--as", "anna")
    assert RoleBinding.objects.filter(user=anna).count() == 1


def test_a_superuser_gives_themselves_none_either(root):
    with pytest.raises(Forbidden) as refusal:
        services.grant_role(actor=actor_for_user(root), user=root, role="auditor")
    assert refusal.value.code == "access.own_role"


def test_a_role_in_an_unknown_environment_is_an_error(root, mallory, staging):
    with pytest.raises(NotFound) as refusal:
        services.grant_role(
            actor=actor_for_user(root), user=mallory, role="viewer", environment="prod"
        )
    assert refusal.value.code == "environment.unknown"
    assert "There are staging." in refusal.value.text


def test_the_last_admin_stays_one(mallory):
    actor = actor_for_user(person("adam", "admin"))
    row = RoleBinding.objects.get(user__username="adam")
    with pytest.raises(Refused) as refusal:
        services.revoke_role(actor=actor, binding=row)
    assert refusal.value.code == "access.last_admin"
    services.grant_role(actor=actor, user=mallory, role="admin")
    services.revoke_role(actor=actor, binding=row)
    assert not may(actor_for_user(actor_person("adam")), "view")


def actor_person(name):
    from django.contrib.auth import get_user_model

    return get_user_model().objects.get(username=name)


def test_rest_lists_gives_and_takes_roles(root, mallory, staging):
    client = rest(root)
    body = {"user": "mallory", "role": "viewer", "environment": "staging"}
    made = client.post("/api/v1/roles/", body, format="json")
    assert made.status_code == 201
    assert {key: made.json()[key] for key in (*body, "granted_by", "token")} == {
        **body,
        "granted_by": "root",
        "token": None,
    }
    assert client.post("/api/v1/roles/", body, format="json").json()["id"] == made.json()["id"]
    listed = client.get("/api/v1/roles/", {"user": "mallory"}).json()["results"]
    assert [row["id"] for row in listed] == [made.json()["id"]]
    assert client.delete(f"/api/v1/roles/{made.json()['id']}/").status_code == 204
    assert not RoleBinding.objects.filter(user=mallory).exists()


@pytest.mark.parametrize(
    "body",
    [
        {"role": "viewer", "environment": "*"},
        {"user": "nobody", "role": "viewer", "environment": "*"},
        {"token": "beef", "role": "viewer", "environment": "*"},
        {"user": "mallory", "role": "boss", "environment": "*"},
        {"user": "mallory", "role": "viewer"},
    ],
)
def test_rest_names_the_field_that_nobody_can_use(root, mallory, body):
    answer = rest(root).post("/api/v1/roles/", body, format="json")
    assert answer.status_code == 400
    assert answer.json()["errors"]
    assert not RoleBinding.objects.filter(user=mallory).exists()


def test_roles_are_the_admins_matter(olga, anna, root, mallory):
    assert rest(olga).get("/api/v1/roles/").status_code == 403
    assert rest(mallory).get("/api/v1/roles/").status_code == 404
    services.grant_role(actor=actor_for_user(root), user=mallory, role="viewer")
    seen = rest(anna).get("/api/v1/roles/").json()["results"]
    assert {row["environment"] for row in seen} == {"staging"}
    everywhere = RoleBinding.objects.get(user=mallory)
    assert rest(anna).delete(f"/api/v1/roles/{everywhere.pk}/").status_code == 404


def test_commands_give_and_take_roles(root, mallory, staging):
    out = io.StringIO()
    call_command("grant_role", "mallory", "operator", "staging", "--as", "root", stdout=out)
    call_command("grant_role", "mallory", "viewer", "all", "--as", "root", stdout=out)
    assert out.getvalue() == "mallory is operator in staging.\nmallory is viewer everywhere.\n"
    call_command("revoke_role", "mallory", "operator", "staging", "--as", "root", stdout=out)
    assert RoleBinding.objects.get(user=mallory).environment == "*"
    with pytest.raises(CommandError, match="there is viewer everywhere"):
        call_command("revoke_role", "mallory", "operator", "staging")
    with pytest.raises(CommandError, match="There is no environment prod"):
        call_command("grant_role", "mallory", "viewer", "prod", "--as", "root")


def test_the_admin_shows_a_new_token_once_and_stores_it_nowhere(client, vic):
    client.force_login(vic)
    address = reverse("admin:accounts_token_create")
    assert "shown once" in client.get(address).content.decode()
    given = {"name": "watch", "scopes": "read", "days": "7"}
    answer = client.post(address, given)
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    text = re.search(r"op_[0-9a-f]+_[0-9a-f]+", answer.content.decode())[0]
    token = find_token(text)
    assert (token.user, token.scopes, token.name) == (vic, ["read"], "watch")
    later = client.get(reverse("admin:accounts_token_changelist")).content.decode()
    assert "watch" in later
    assert text.rpartition("_")[2] not in later
    assert client.post(reverse("admin:accounts_token_revoke", args=[token.pk])).status_code == 302
    assert find_token(text) is None
    assert [event for event, _ in events()] == ["accounts.token.created", "accounts.token.revoked"]


@pytest.mark.parametrize(
    "given",
    [{"name": ""}, {"name": "w", "days": "never"}, {"name": "w", "scopes": "all"}],
)
def test_a_token_nobody_can_use_is_refused_on_its_page(client, vic, given):
    client.force_login(vic)
    answer = client.post(reverse("admin:accounts_token_create"), {"scopes": "read", **given})
    assert answer.status_code == 400
    assert "Code <code>token." in answer.content.decode()
    assert not Token.objects.exists()


def test_people_make_their_own_tokens_and_admins_anybodys(client, vic, olga, root):
    address = reverse("admin:accounts_token_create")
    client.force_login(vic)
    client.post(address, {"name": "w", "scopes": "read", "days": "", "user": olga.pk})
    assert Token.objects.get().user == vic
    client.force_login(root)
    client.post(address, {"name": "x", "scopes": "read", "days": "", "user": olga.pk})
    assert Token.objects.get(name="x").user == olga
    client.force_login(olga)
    foreign = Token.objects.get(name="w")
    answer = client.post(reverse("admin:accounts_token_revoke", args=[foreign.pk]))
    assert answer.status_code == 404


def test_a_persons_page_is_theirs_and_the_admins(client, vic, olga, root):
    client.force_login(vic)
    assert client.get("/admin/people/me/").url == f"/admin/people/{vic.pk}/"
    page = client.get(f"/admin/people/{vic.pk}/").content.decode()
    assert "Viewer" in page
    assert "manage access needs admin" in page
    assert client.get(f"/admin/people/{olga.pk}/").status_code == 404
    client.force_login(root)
    assert client.get(f"/admin/people/{olga.pk}/").status_code == 200
    own = client.get(f"/admin/people/{root.pk}/").content.decode()
    assert "superuser of this installation" in own
    assert "Nobody gives themselves a role." in own


def test_a_person_made_in_the_admin_can_log_in_and_is_recorded(client, root):
    client.force_login(root)
    secret = "correct horse battery staple"
    made = {"username": "nina", "usable_password": "true", "password1": secret, "password2": secret}
    assert client.post("/admin/auth/user/add/", made).status_code == 302
    assert ("accounts.person.created", "root") in events()
    client.logout()
    answer = client.post("/admin/login/", {"username": "nina", "password": secret})
    assert answer.status_code == 302


def test_an_operator_sees_no_people_and_nobody_deletes_one(client, olga, root):
    client.force_login(olga)
    assert client.get("/admin/auth/user/").status_code == 403
    assert client.get(GRANT).status_code == 404
    client.force_login(root)
    assert f'href="/admin/people/{olga.pk}/"' in client.get("/admin/auth/user/").content.decode()
    assert client.post(f"/admin/auth/user/{olga.pk}/delete/").status_code == 403
