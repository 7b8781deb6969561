"""The command line: a door on the same verbs, with the same refusals and readable lines."""

import io

import pytest
from django.core.management import CommandError, call_command

from apps.deployments import services
from apps.deployments.management import watching
from apps.deployments.models import Deployment, Run
from tests.conftest import person


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(watching, "POLL", 0.01)


@pytest.fixture
def worker(world, monkeypatch):
    """Carries every queued run out as soon as the watcher looks."""
    read = watching.Watcher._read

    def look(self):
        deployment = read(self)
        if deployment.runs.filter(status="queued").exists():
            world.carry_out(deployment)
            deployment = read(self)
        return deployment

    monkeypatch.setattr(watching.Watcher, "_read", look)


def told(*arguments, status=None, **options):
    out = io.StringIO()
    if status is None:
        call_command(*arguments, stdout=out, **options)
    else:
        with pytest.raises(SystemExit) as caught:
            call_command(*arguments, stdout=out, **options)
        assert caught.value.code == status
    return out.getvalue()


def test_deploy_shows_the_plan_and_waits_for_a_decision(world, worker):
    text = told("deploy", "development", "--watch")
    assert "+ create  memory-0" in text
    assert "1 change, fingerprint" in text
    assert Deployment.objects.get().status == "awaiting_approval"


def test_deploy_with_yes_applies_and_says_what_moved(world, worker):
    world.wish(result={"outcome": "failed", "code": "port.taken", "reason": "Port 8003 is held."})
    text = told("deploy", "development", "--watch", "--yes", status=1)
    assert "Update with embedded 3.272.0" in text
    assert "Port 8003 is held." in text
    assert "Failed." in text


def test_deploy_acts_as_the_person_named(world, worker):
    told("deploy", "development", "--as", "olga")
    assert Deployment.objects.get().requested_by == "olga"
    with pytest.raises(CommandError, match="no active person nobody"):
        call_command("deploy", "development", "--as", "nobody")


def test_deploy_acts_as_the_only_superuser(world, worker):
    person("root", superuser=True)
    told("deploy", "development")
    assert Deployment.objects.get().requested_by == "root"


def test_an_unknown_environment_is_refused_in_the_verbs_own_words(world):
    with pytest.raises(CommandError, match="There is no environment prod"):
        call_command("deploy", "prod")


def test_a_viewer_is_refused_on_the_command_line_too(world):
    person("vic", "viewer")
    with pytest.raises(CommandError, match="You may look here"):
        call_command("deploy", "development", "--as", "vic")
    assert not Deployment.objects.exists()


def test_destroy_needs_the_name_of_the_environment(world, worker):
    with pytest.raises(CommandError, match="--confirm development"):
        call_command("destroy", "development", "--yes")
    assert not Deployment.objects.exists()
    world.wish(result={"outputs": {}})
    text = told("destroy", "development", "--yes", "--confirm", "development")
    assert "Read back" in text
    assert Deployment.objects.get().status == "succeeded"


def test_ctrl_c_ends_the_watching_only(world, monkeypatch):
    deployment = world.request()

    def interrupt(_self):
        raise KeyboardInterrupt

    monkeypatch.setattr(watching.Watcher, "_read", interrupt)
    text = told("watch_deployment", str(deployment.pk), status=130)
    assert "goes on by itself" in text
    assert Run.objects.get().status == "queued"


def test_recover_says_when_there_is_nothing_to_recover(world):
    with pytest.raises(CommandError, match="needs recovery"):
        call_command("recover", "development")


def test_recover_reads_back_and_shows_the_new_plan(world, worker):
    world.wish(die=True)
    told("deploy", "development", "--watch", "--yes", status=1)
    world.wish()
    # Here the run process is this very process; there it has ended.
    Run.objects.update(pid=None)
    text = told("recover", "development", "--watch")
    assert "Awaiting approval" in text
    operations = list(Run.objects.order_by("pk").values_list("operation", flat=True))
    assert operations == ["preview", "update", "refresh", "preview"]


def test_watching_a_deployment_that_is_not_there_says_so(world):
    with pytest.raises(CommandError, match="no deployment 4711"):
        call_command("watch_deployment", "4711")


def test_a_plan_of_a_deployment_canceled_meanwhile_is_told(world, worker):
    deployment = world.planned()
    services.cancel_deployment(world.olga, deployment=deployment.pk)
    assert "Canceled by olga" in told("watch_deployment", str(deployment.pk), status=1)
