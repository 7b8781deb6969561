"""
The life of deployments against a model: whatever people do in whatever order, and whoever dies, the
statuses are the model's, one change runs at a time, and nothing runs that was not approved.
"""

import dataclasses
import json
import os
import random
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.core.management import call_command
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from apps.accounts.actors import actor_for_user
from apps.core.errors import Forbidden, PortalError, Refused, Stale
from apps.deployments import services
from apps.deployments.models import Deployment, Run
from apps.deployments.runner import claim, sweep
from apps.environments.models import Protection
from apps.environments.services import set_setting
from tests.conftest import person
from tests.deployments.conftest import World
from tests.deployments.test_races import together

pytestmark = pytest.mark.slow
PEOPLE = ("olga", "ada", "abe", "eve")
NEEDED = 2
LONG = timedelta(hours=1)


@dataclasses.dataclass
class Modelled:
    """What the model knows of one deployment."""

    row: int
    has_turn: bool
    status: str = "planning"
    planned: int = 0
    old_fingerprint: str = ""
    approvals: set = dataclasses.field(default_factory=set)


class Lives(RuleBasedStateMachine):
    """Three people may approve, olga asks, anybody edits; two approvals are needed."""

    # Ends that any example came to: a machine that never gets anywhere proves nothing.
    seen = set()

    def __init__(self):
        super().__init__()
        call_command("flush", interactive=False, verbosity=0)
        self.world = World()
        rows = Protection.objects.filter(environment=self.world.environment)
        rows.update(required_approvals=NEEDED)
        self.people = {"olga": self.world.olga}
        for name in PEOPLE[1:]:
            self.people[name] = actor_for_user(person(name, "admin"))
        self.line = []
        self.version = 0
        self.editor = None
        self.applied = 0
        self.die(False)

    def die(self, wanted):
        path = Path(django_settings.ORCHESTRA_HOME) / "fake.json"
        path.write_text(json.dumps({"die": True} if wanted else {}))

    def settle(self):
        """The sweeper, and what its giving of turns comes to in the model."""
        sweep.sweep()
        if self.line and not any(one.has_turn for one in self.line):
            first = self.line[0]
            first.has_turn = True
            if first.status == "scheduled":
                self.plan_anew(first)

    def plan_anew(self, one):
        one.status = "planning"
        one.approvals.clear()

    def leave(self, one, status):
        """Out of the line."""
        one.status = status
        self.seen.add(status)
        self.line.remove(one)
        assert Deployment.objects.get(pk=one.row).status == status
        self.settle()

    def of_status(self, data, *statuses):
        return data.draw(st.sampled_from([one for one in self.line if one.status in statuses]))

    def some(*statuses):
        return precondition(lambda self: any(one.status in statuses for one in self.line))

    @precondition(lambda self: len(self.line) < 3)
    @rule()
    def request(self):
        row = services.request_deployment(self.people["olga"], environment="development")
        self.line.append(Modelled(row.pk, has_turn=not self.line))

    @some("planning")
    @rule(data=st.data())
    def plan(self, data):
        self.plan_one(self.of_status(data, "planning"))

    def plan_one(self, one):
        row = Deployment.objects.get(pk=one.row)
        one.old_fingerprint = row.fingerprint
        assert self.world.carry_out(row).status == "succeeded"
        one.status = "awaiting_approval" if one.has_turn else "scheduled"
        one.planned = self.version
        self.settle()

    @rule(name=st.sampled_from(PEOPLE[1:]))
    def edit(self, name):
        self.edit_as(name)

    def edit_as(self, name):
        self.version += 1
        self.editor = name
        value = f"edit {self.version}"
        set_setting(self.people[name], environment="development", key="note", value=value)

    @some("awaiting_approval")
    @rule(data=st.data(), name=st.sampled_from(PEOPLE))
    def approve(self, data, name):
        self.approve_one(self.of_status(data, "awaiting_approval"), name)

    def approve_one(self, one, name):
        row = Deployment.objects.get(pk=one.row)
        keys = {"deployment": row.pk, "fingerprint": row.fingerprint}
        if name in ("olga", self.editor) or name in one.approvals:
            with pytest.raises(Forbidden):
                services.approve_deployment(self.people[name], **keys)
            return
        one.approvals.add(name)
        services.approve_deployment(self.people[name], **keys)
        if len(one.approvals) == NEEDED:
            one.status = "applying"

    @some("awaiting_approval")
    @rule(data=st.data())
    def approve_what_one_saw_before(self, data):
        one = self.of_status(data, "awaiting_approval")
        old = one.old_fingerprint or "0" * 64
        if old != Deployment.objects.get(pk=one.row).fingerprint:
            with pytest.raises(Stale):
                services.approve_deployment(self.people["ada"], deployment=one.row, fingerprint=old)

    @some("planning", "scheduled", "applying")
    @rule(data=st.data())
    def approve_too_early_or_too_late(self, data):
        one = self.of_status(data, "planning", "scheduled", "applying")
        fingerprint = Deployment.objects.get(pk=one.row).fingerprint or "0" * 64
        with pytest.raises(Refused):
            services.approve_deployment(
                self.people["ada"], deployment=one.row, fingerprint=fingerprint
            )

    @some("planning", "awaiting_approval")
    @rule(data=st.data())
    def replan(self, data):
        one = self.of_status(data, "planning", "awaiting_approval")
        row = Deployment.objects.get(pk=one.row)
        if one.status == "planning":
            with pytest.raises(Refused):
                services.replan_deployment(self.people["olga"], deployment=one.row)
            return
        one.old_fingerprint = row.fingerprint
        services.replan_deployment(self.people["olga"], deployment=one.row)
        self.plan_anew(one)

    @precondition(lambda self: self.line)
    @rule(data=st.data())
    def cancel(self, data):
        one = data.draw(st.sampled_from(self.line))
        services.cancel_deployment(self.people["olga"], deployment=one.row)
        self.leave(one, "canceled")

    @some("applying")
    @rule(data=st.data(), crash=st.booleans())
    def apply(self, data, crash):
        self.apply_one(self.of_status(data, "applying"), crash)

    def apply_one(self, one, crash):
        self.die(crash)
        run = self.world.carry_out(Deployment.objects.get(pk=one.row))
        self.die(False)
        if one.planned != self.version:
            self.leave(one, "stale")
            return
        self.applied += 1
        if crash:
            assert run.status == "lost"
            # Its process is this test, which lives on; the host's is as dead as it would be.
            dead = {"pid": run.host_pid, "start_ticks": run.host_start_ticks}
            Run.objects.filter(pk=run.pk).update(**dead)
            sweep.sweep()
            self.leave(one, "failed")
        else:
            self.leave(one, "verifying")

    @precondition(lambda self: self.line)
    @rule(steps=st.integers(1, 5), crash=st.booleans(), edited=st.booleans())
    def walk_on(self, steps, crash, edited):
        """The usual way of who has the turn: by chance alone few would get far."""
        for _ in range(steps):
            one = next((one for one in self.line if one.has_turn), None)
            if one is None:
                return
            if one.status == "planning":
                self.plan_one(one)
            elif one.status == "awaiting_approval":
                fit = {*PEOPLE} - {"olga", self.editor} - one.approvals
                self.approve_one(one, min(fit))
            else:
                if edited:
                    self.edit_as("abe")
                self.apply_one(one, crash)

    @some("applying")
    @rule(data=st.data())
    def claim_and_die_before_the_start(self, data):
        one = self.of_status(data, "applying")
        run = Run.objects.get(deployment=one.row, status="queued")
        assert claim.claim(run.pk)
        assert claim.claim(run.pk) is None
        django_settings.RUN_LEASE_SECONDS = 0
        try:
            sweep.sweep()
        finally:
            django_settings.RUN_LEASE_SECONDS = 30
        self.leave(one, "failed")

    @invariant()
    def the_statuses_are_those_of_the_model(self):
        found = dict(Deployment.objects.values_list("pk", "status"))
        assert {one.row: one.status for one in self.line} == {
            row: status for row, status in found.items() if row in {o.row for o in self.line}
        }

    @invariant()
    def one_change_at_a_time_and_none_without_approval(self):
        assert Run.objects.active().filter(mutating=True).count() <= 1
        assert sum(one.status == "applying" for one in self.line) <= 1
        begun = Run.objects.filter(operation="update", host_pid__isnull=False)
        assert begun.count() == self.applied
        for run in begun:
            given = run.deployment.approvals.filter(fingerprint=run.deployment.fingerprint)
            assert given.values("by_id").distinct().count() >= NEEDED


@pytest.fixture
def unswept(world, monkeypatch):
    """No queued run is started by the sweeper itself: the machine decides when."""
    monkeypatch.setattr(sweep, "HINT_AGE", LONG)
    return world


@pytest.mark.usefixtures("unswept")
def test_whatever_people_do_the_statuses_are_those_of_the_model():
    run_state_machine_as_test(
        Lives,
        settings=settings(
            # The same in every run; another number of examples explores.
            max_examples=int(os.environ.get("STATE_MACHINE_EXAMPLES", "20")),
            derandomize="STATE_MACHINE_EXAMPLES" not in os.environ,
            stateful_step_count=30,
            deadline=None,
            # Shrinking would take longer than reading what was done.
            phases=[Phase.explicit, Phase.reuse, Phase.generate],
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert Lives.seen == {"canceled", "stale", "failed", "verifying"}


def test_two_hundred_interleavings_of_approve_edit_and_cancel(unswept):
    """Each starts its three hands at one instant; then whatever is queued is carried out."""
    world = unswept
    Protection.objects.filter(environment=world.environment).update(required_approvals=1)
    ada = actor_for_user(person("ada", "approver"))
    eve = actor_for_user(person("eve", "admin"))
    ends = {}
    for number in range(200):
        deployment = world.planned()

        def approve(row=deployment):
            services.approve_deployment(ada, deployment=row.pk, fingerprint=row.fingerprint)

        def edit(value=f"round {number}"):
            set_setting(eve, environment="development", key="note", value=value)

        def cancel(row=deployment):
            services.cancel_deployment(world.olga, deployment=row.pk)

        hands = [approve, edit, cancel] if number % 2 else [approve, edit]
        random.shuffle(hands)
        errors = [e for e in together(len(hands), lambda n, h=hands: h[n]()) if e is not None]
        assert all(isinstance(error, PortalError) for error in errors), errors
        assert_one_effect(world, deployment, ends)
    # With both kinds of rounds, no outcome is left out.
    assert set(ends) >= {"canceled", "stale"}, ends


def assert_one_effect(world, deployment, ends):
    """Applied exactly as approved, or not at all."""
    queued = deployment.runs.filter(operation="update", status="queued")
    if queued.exists():
        world.carry_out(deployment)
    row = world.fresh(deployment)
    begun = row.runs.filter(operation="update", host_pid__isnull=False).count()
    ends[row.status] = ends.get(row.status, 0) + 1
    # The settings were edited in every round: a plan from before is never applied.
    assert row.status in ("canceled", "stale", "awaiting_approval"), row.status
    assert begun == 0
    if row.status == "awaiting_approval":
        services.cancel_deployment(world.olga, deployment=row.pk)
    sweep.sweep()
