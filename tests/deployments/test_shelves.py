"""Kept programs go when nobody can come back to them, and not before."""

import os
import time

import pytest

from apps.deployments import rollbacks
from apps.deployments.keeping import kept_program, programs_folder
from apps.deployments.models import Deployment, KeptRevision
from apps.deployments.runner import shelves
from apps.deployments.tasks import prune_programs
from tests.conftest import make_environment

OLD = 2 * shelves.YOUNG


@pytest.fixture
def home(settings, tmp_path):
    settings.ORCHESTRA_HOME = tmp_path
    settings.PROGRAMS_KEPT = 1
    return tmp_path


def program(digest, age=OLD):
    """A kept program, read-only as one from elsewhere is."""
    folder = programs_folder() / digest
    (folder / "lib").mkdir(parents=True)
    for name in ("Pulumi.yaml", "lib/a.py"):
        (folder / name).write_text("x")
        (folder / name).chmod(0o400)
    (folder / "lib").chmod(0o500)
    then = time.time() - age
    os.utime(folder, (then, then))
    return digest


def deployment(place, digest, status="succeeded", *, kept=True, **fields):
    row = Deployment.objects.create(
        environment=place, status=status, revision={"program_digest": digest}, **fields
    )
    if kept:
        KeptRevision.objects.create(
            deployment=row, program_kind="directory", program_digest=digest, config_digest=digest
        )
    return row


def left():
    return {path.name for path in programs_folder().iterdir()}


def test_what_nobody_comes_back_to_goes_and_the_rest_stays(development, home):
    place = development
    digests = [program(str(number) * 64) for number in range(6)]
    gone, verified, applied, waiting, target, source = digests
    deployment(place, gone, verification="passed")
    deployment(place, target)
    below = deployment(make_environment("staging", "staging", 30, "bronze"), source)
    Deployment.objects.filter(pk=below.pk).update(environment=place)
    deployment(place, verified, verification="passed")
    deployment(place, applied, "failed")
    deployment(place, waiting, "awaiting_approval", kept=False)
    deployment(
        place,
        "",
        "planning",
        kept=False,
        returns_to=Deployment.objects.get(kept__program_digest=target),
    )
    deployment(place, "", "needs_recovery", kept=False, promoted_from=below)
    prune_programs()
    assert left() == set(digests) - {gone}
    assert kept_program(verified)
    assert shelves.prune_programs() == 0


def test_what_is_young_stays_although_nothing_names_it_yet(home, db):
    young, old = program("a" * 64, age=60), program(".new-4711")
    assert shelves.prune_programs() == 1
    assert left() == {young}
    assert old not in left()


def test_an_installation_that_kept_nothing_yet_has_nothing_to_prune(home, db):
    assert shelves.prune_programs() == 0


def test_what_is_on_offer_for_a_rollback_is_never_pruned(world, settings):
    settings.PROGRAMS_KEPT = rollbacks.OFFERED
    first = world.applied()
    first.move("succeeded", verification="passed")
    folder = programs_folder() / first.kept.program_digest
    then = time.time() - OLD
    os.utime(folder, (then, then))
    assert shelves.prune_programs() == 0
    assert folder.is_dir()
