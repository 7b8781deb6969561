"""What an update applied is kept before it begins: program, settings, secrets by version."""

import json

from apps.accounts.actors import actor_for_user
from apps.core.sealing import unseal
from apps.deployments import keeping
from apps.deployments.models import KeptRevision
from apps.environments.services import set_secret, set_setting
from tests.conftest import person


def test_an_update_keeps_its_program_and_its_configuration(world):
    root = actor_for_user(person("root", superuser=True))
    set_secret(root, environment="development", key="lambda_labs_api_key", value="canary-one")
    deployment = world.applied()
    kept = deployment.kept
    assert kept.program_digest == deployment.revision["program_digest"]
    assert kept.config_digest == deployment.revision["config_digest"]
    assert keeping.kept_program(kept.program_digest)
    assert "canary" not in kept.sealed
    found = json.loads(unseal(kept.sealed, keeping.kept_identity(deployment.pk)))
    assert found["secrets"]["orchestra:lambda_labs_api_key"] == {
        "value": "canary-one",
        "version": 1,
    }


def test_a_plan_keeps_nothing(world):
    world.planned()
    assert not KeptRevision.objects.exists()


def test_what_was_not_kept_is_not_there(world):
    assert keeping.kept_program("") is None
    assert keeping.kept_program("f" * 64) is None


def test_what_is_brought_back_is_as_declared_then_with_the_places_of_now(world, settings, tmp_path):
    root = actor_for_user(person("root", superuser=True))
    set_secret(root, environment="development", key="lambda_labs_api_key", value="canary-one")
    database = {"kind": "sqlite", "path": "{home}/old.db"}
    set_setting(root, environment="development", key="database", value=database)
    first = world.applied()
    first.move("succeeded", verification="passed")
    set_secret(root, environment="development", key="lambda_labs_api_key", value="canary-two")
    set_setting(
        root, environment="development", key="database", value={**database, "path": "{home}/new.db"}
    )
    second = world.request()
    second.returns_to = first
    second.save()
    run = second.runs.get()
    run.deployment.refresh_from_db()
    settings.ORCHESTRA_HOME = tmp_path / "moved"
    found = keeping.configuration_for(run)
    assert found.secrets["orchestra:lambda_labs_api_key"].value == "canary-one"
    assert found.described()["orchestra:lambda_labs_api_key"] == {"secret_version": 1}
    path = found.values["orchestra:database"]["path"]
    assert path == str(tmp_path / "moved" / "environments" / "development" / "old.db")
    assert keeping.program_of(second)["path"].endswith(first.kept.program_digest)
    assert keeping.revision_now(second)["commit"] == first.revision["commit"]
