"""Deployments of one environment take turns: nothing is dropped, and the order is the asking's."""

import pytest
from django.urls import reverse
from rest_framework.test import APIClient

from apps.core.errors import Forbidden, Refused
from apps.deployments import reading, services
from apps.deployments.models import Deployment, Run
from apps.deployments.runner import line, sweep


@pytest.fixture
def waiting(world):
    """One that awaits its confirmation, and one planned behind it."""
    first, second = world.planned(), world.planned()
    return first, second


def test_the_second_is_planned_at_once_and_then_stands_in_line(world, waiting):
    first, second = waiting
    assert (first.status, second.status) == ("awaiting_approval", "scheduled")
    assert second.plan["summary"]["create"] == 1
    (blocker,) = reading.blocked_by(second)
    assert blocker["code"] == "stack.busy"
    assert f"deployment {first.pk} (awaiting approval) by olga" in blocker["detail"]
    assert "second in line" in blocker["detail"]
    assert (blocker["by"], blocker["since"]) == ("olga", first.turn_at.isoformat())


def test_who_stands_in_line_can_neither_be_approved_nor_start_by_itself(world, waiting):
    _, second = waiting
    with pytest.raises(Refused) as caught:
        world.approve(second)
    assert caught.value.code == "deployment.not_awaiting"
    sweep.start_scheduled()
    assert world.fresh(second).status == "scheduled"


def test_the_turn_passes_on_and_the_next_is_planned_again(world, waiting):
    first, second = waiting
    world.approve(first)
    world.carry_out(first)
    second.refresh_from_db()
    assert (second.status, second.plan, second.turn_at is not None) == ("planning", {}, True)
    world.carry_out(second)
    assert world.fresh(second).status == "awaiting_approval"


def test_the_sweeper_gives_the_turn_that_a_dead_process_did_not_pass_on(world, waiting):
    first, second = waiting
    Deployment.objects.filter(pk=first.pk).update(status="rejected")
    assert sweep.sweep()["turns"] == 1
    assert world.fresh(second).status == "planning"
    assert sweep.sweep()["turns"] == 0


def test_a_plan_that_was_at_work_while_the_stack_changed_is_made_again(world):
    first, second = world.planned(), world.request()
    from apps.deployments.runner import claim

    assert claim.claim(second.runs.get().pk)
    world.approve(first)
    world.carry_out(first)
    second.refresh_from_db()
    assert (second.status, second.turn_at is not None) == ("planning", True)
    from apps.deployments.runner.execution import execute

    execute(second.runs.get().pk)
    second.refresh_from_db()
    assert second.status == "planning"
    assert [run.status for run in second.runs.order_by("pk")] == ["succeeded", "queued"]
    world.carry_out(second)
    assert world.fresh(second).status == "awaiting_approval"


def test_many_are_applied_one_after_the_other_in_the_order_of_asking(world):
    rows = [world.request(reason=f"number {n}") for n in range(5)]
    order = []
    while open_rows := Deployment.objects.filter(status="planning").order_by("pk"):
        for row in open_rows:
            world.carry_out(row)
            if world.fresh(row).status == "awaiting_approval":
                world.approve(world.fresh(row))
                world.carry_out(row)
                order.append(row.pk)
        assert Run.objects.active().filter(mutating=True).count() == 0
    assert order == [row.pk for row in rows]
    assert not Deployment.objects.exclude(status__in=("succeeded", "verifying")).exists()


def test_one_in_line_that_fails_to_plan_ahead_of_its_turn_stays_in_line(world):
    world.planned()
    second = world.request()
    Run.objects.filter(deployment=second).update(status="starting", fence=0, claimed_at=None)
    from apps.deployments.runner.finishing import never_started

    never_started(second.runs.get())
    second.refresh_from_db()
    assert (second.status, second.planned_at) == ("scheduled", None)


def test_superseding_names_the_successor_on_both_sides(world, waiting):
    first, second = waiting
    row = services.supersede_deployment(world.olga, deployment=first.pk)
    row.refresh_from_db()
    assert (row.status, row.superseded_by) == ("canceled", second)
    assert f"deployment {second.pk}, by olga" in row.status_reason
    assert list(second.supersedes.all()) == [first]
    assert world.fresh(second).turn_at is not None


def test_superseding_when_asked_takes_the_place_of_all_that_only_wait(world):
    first = world.applied()
    Deployment.objects.filter(pk=first.pk).update(status="applying")
    waiting = [world.request(), world.request()]
    last = world.request(supersede=True)
    assert [world.fresh(row).superseded_by for row in (first, *waiting)] == [None, last, last]
    assert line.ahead_of(last) == [first]


def test_nothing_is_superseded_without_a_successor_or_while_it_is_applied(world):
    first = world.planned()
    with pytest.raises(Refused) as caught:
        services.supersede_deployment(world.olga, deployment=first.pk)
    assert caught.value.code == "deployment.no_successor"
    second = world.request()
    world.approve(first)
    with pytest.raises(Refused) as caught:
        services.supersede_deployment(world.olga, deployment=first.pk, successor=second.pk)
    assert caught.value.code == "deployment.not_waiting"


def test_superseding_needs_the_right_to_cancel(world, waiting):
    from apps.accounts.actors import actor_for_user
    from tests.conftest import person

    with pytest.raises(Forbidden):
        services.supersede_deployment(
            actor_for_user(person("vic", "viewer")), deployment=waiting[0].pk
        )


def test_a_finished_one_is_planned_again_only_when_the_line_is_free(world, waiting):
    first, second = waiting
    services.reject_deployment(world.olga, deployment=first.pk)
    Deployment.objects.filter(pk=first.pk).update(status="failed")
    with pytest.raises(Refused) as caught:
        services.replan_deployment(world.olga, deployment=first.pk)
    assert caught.value.blocked_by[0]["deployment"] == second.pk
    services.cancel_deployment(world.olga, deployment=second.pk)
    for run in second.runs.filter(status="queued"):
        run.delete()
    Deployment.objects.filter(pk=second.pk).update(status="canceled")
    services.replan_deployment(world.olga, deployment=first.pk)
    assert world.fresh(first).status == "planning"


def test_the_line_is_the_same_over_rest_and_on_the_pages(world, waiting, client):
    from django.contrib.auth import get_user_model

    first, second = waiting
    olga = get_user_model().objects.get(username="olga")
    client.force_login(olga)
    page = reverse("admin:deployments_deployment_change", args=[second.pk])
    text = client.get(page).content.decode()
    assert "Line of development" in text
    assert "second in line" in text
    place = reverse("admin:deployments_deployment_supersede", args=[first.pk])
    assert place in client.get(page.replace(str(second.pk), str(first.pk))).content.decode()
    assert f"deployment {second.pk}" in client.get(place).content.decode()

    api = APIClient()
    api.force_login(olga)
    body = api.get(f"/api/v1/deployments/{second.pk}/").json()
    assert (body["turn_at"], body["blocked_by"][0]["code"]) == (None, "stack.busy")
    answer = api.post(f"/api/v1/deployments/{first.pk}/supersede/", {"successor": second.pk})
    assert (answer.status_code, answer.json()["superseded_by"]) == (200, second.pk)
    again = api.post(f"/api/v1/deployments/{first.pk}/supersede/", {})
    assert (again.status_code, again.json()["code"]) == (409, "deployment.not_waiting")
    assert (
        "Its place was taken by"
        in client.get(page.replace(f"/{second.pk}/", f"/{first.pk}/")).content.decode()
    )
    assert "It took the place of" in client.get(page).content.decode()


def test_superseding_on_its_page_names_the_successor(world, waiting, client):
    from django.contrib.auth import get_user_model

    first, second = waiting
    client.force_login(get_user_model().objects.get(username="olga"))
    place = reverse("admin:deployments_deployment_supersede", args=[first.pk])
    assert client.post(place, {"successor": second.pk}).status_code == 302
    assert world.fresh(first).superseded_by == second
