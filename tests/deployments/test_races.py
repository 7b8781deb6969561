"""Many at the same instant: exactly one effect."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from apps.core.errors import PortalError
from apps.deployments import services
from apps.deployments.models import Approval, Deployment, Lease, Run
from apps.deployments.runner import claim, line
from tests.deployments.conftest import in_thread

MANY = 100


def together(count, function):
    """Calls it in `count` threads that start at the same instant; the answers or errors."""
    barrier = Barrier(count)

    def one(number):
        barrier.wait()
        try:
            return function(number)
        except PortalError as error:
            return error

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(lambda n: in_thread(one, n), range(count)))


def test_a_hundred_starts_of_one_run_claim_it_once(world):
    run = world.request().runs.get()
    claimed = [found for found in together(MANY, lambda _: claim.claim(run.pk)) if found]
    assert len(claimed) == 1
    assert Run.objects.get(pk=run.pk).status == "starting"


def test_of_many_mutating_runs_of_one_stack_one_is_active(world):
    runs = [
        Run.objects.create(
            stack=world.environment.stack, operation="update", requested_by=f"person {n}"
        )
        for n in range(10)
    ]
    together(MANY, lambda n: claim.claim(runs[n % 10].pk))
    active = Run.objects.active()
    assert active.count() == 1
    # The oldest goes first, and the claim names it.
    assert active.get() == runs[0]
    assert Lease.objects.get().run == runs[0]


def test_a_hundred_requests_stand_in_line_and_one_has_the_turn(world):
    made = together(MANY, lambda _: world.request())
    assert all(isinstance(answer, Deployment) for answer in made)
    assert Deployment.objects.count() == Run.objects.count() == MANY
    assert Deployment.objects.get(turn_at__isnull=False).pk == min(row.pk for row in made)


def test_a_hundred_turn_givers_give_one_turn(world):
    first, second, third = (world.request() for _ in range(3))
    services.cancel_deployment(world.olga, deployment=first.pk)
    claim.claim(first.runs.get().pk)
    Deployment.objects.filter(pk=first.pk).update(status="canceled")
    given = together(MANY, lambda _: line.give_turn(world.environment.pk))
    assert given.count(True) <= 1
    turns = dict(Deployment.objects.filter(turn_at__isnull=False).values_list("pk", "status"))
    assert set(turns) == {first.pk, second.pk}
    assert world.fresh(third).turn_at is None


def test_a_hundred_confirmations_make_one_update(world):
    deployment = world.planned()
    answers = together(MANY, lambda _: world.approve(deployment))
    assert sum(isinstance(answer, Deployment) for answer in answers) == 1
    assert Run.objects.filter(operation="update").count() == 1
    assert Approval.objects.count() == 1


def test_confirm_against_cancel_has_one_winner(world):
    for _ in range(10):
        deployment = world.planned()

        def race(number, deployment=deployment):
            if number % 2:
                return world.approve(deployment)
            return services.cancel_deployment(world.olga, deployment=deployment.pk)

        together(2, race)
        deployment.refresh_from_db()
        updates = deployment.runs.filter(operation="update")
        if deployment.status == "canceled":
            # Canceled before, or the update was canceled while it was queued.
            assert all(run.status == "canceled" for run in updates)
        else:
            assert deployment.status == "applying"
            services.cancel_deployment(world.olga, deployment=deployment.pk)
