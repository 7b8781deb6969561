"""The first administrator."""

import pytest
from django.contrib.auth import authenticate
from django.core.management import CommandError, call_command

from apps.accounts import services
from apps.accounts.actors import actor_for_user
from apps.audit.models import AuditEvent
from apps.core.errors import NotFound, Refused
from apps.core.permissions import may, system

pytestmark = pytest.mark.django_db


def test_creates_an_administrator_who_can_log_in_and_do_everything():
    user, password = services.create_administrator(actor=system("start"))
    assert authenticate(username="admin", password=password) == user
    assert len(password) >= 20
    assert may(actor_for_user(user), "manage_access")
    assert may(actor_for_user(user), "deploy", "production")


def test_records_who_made_it_and_no_password():
    user, password = services.create_administrator(actor=system("start"))
    event = AuditEvent.objects.get()
    assert (event.event, event.actor_name) == ("accounts.administrator.created", "start")
    assert event.object_id == str(user.pk)
    assert password not in str(event.__dict__)


def test_two_passwords_are_never_the_same(django_user_model):
    _, first = services.create_administrator(actor=system("start"))
    django_user_model.objects.all().delete()
    _, second = services.create_administrator(actor=system("start"))
    assert first != second


def test_refuses_a_second_one_and_names_the_first():
    services.create_administrator(actor=system("start"), username="ana")
    with pytest.raises(Refused) as refusal:
        services.create_administrator(actor=system("start"))
    assert refusal.value.code == "administrator.exists"
    assert refusal.value.next_step == "For a new password: manage.py changepassword ana."


def test_refuses_somebody_without_the_right(mallory, django_user_model):
    with pytest.raises(NotFound):
        services.create_administrator(actor=actor_for_user(mallory))
    assert not django_user_model.objects.filter(is_superuser=True).exists()


def test_the_command_prints_the_password_once_and_refuses_the_second_time(capsys):
    call_command("create_administrator", "--username", "ana")
    name, password = (line.split()[1] for line in capsys.readouterr().out.splitlines())
    assert authenticate(username=name, password=password)
    with pytest.raises(CommandError, match="There is an administrator already: ana"):
        call_command("create_administrator")
