"""What the rules of an environment may say: names that mean nothing are errors."""

import importlib

import pytest
from django.apps import apps

from apps.core.errors import Invalid
from apps.core.permissions import system
from apps.environments.models import Protection
from apps.environments.seeding import ENVIRONMENTS
from apps.environments.services import set_protection

US = system("test")


@pytest.mark.parametrize(
    ("rule", "value", "word"),
    [
        ("verified_in", ["developmnet"], "developmnet"),
        ("verified_in", ["production"], "before staging"),
        ("verified_in", ["staging"], "before staging"),
        ("verified_in", ["development", "development"], "twice"),
        ("verified_in", "development", "list"),
        ("required_evidence", ["reviews"], "code_review"),
        ("required_evidence", [1], "list"),
        ("allowed_branches", ["-x"], "-x"),
        ("allowed_branches", [""], "pattern"),
        ("allowed_branches", [f"b{n}" for n in range(21)], "at most"),
    ],
)
def test_a_rule_that_says_nothing_is_refused_by_its_name(
    development, staging, production, rule, value, word
):
    with pytest.raises(Invalid) as caught:
        set_protection(US, environment="staging", **{rule: value})
    assert caught.value.code == "protection.malformed"
    assert word in caught.value.errors[rule]
    assert getattr(Protection.objects.get(environment=staging), rule) == []


def test_rules_that_mean_something_are_kept(development, staging):
    set_protection(
        US,
        environment="staging",
        verified_in=["development"],
        required_evidence=["code_review", "tests"],
        allowed_branches=["main", "release/*"],
    )
    row = Protection.objects.get(environment=staging)
    assert row.verified_in == ["development"]
    assert row.allowed_branches == ["main", "release/*"]


def test_the_rules_of_a_new_installation_mean_something(db):
    from django.core.management import call_command

    call_command("seed", verbosity=0)
    for entry in ENVIRONMENTS:
        slug = entry["environment"]["slug"]
        for name, value in entry["protection"].items():
            assert getattr(Protection.objects.get(environment__slug=slug), name) == value


def test_the_old_name_of_a_code_review_is_migrated_and_back(staging):
    migration = importlib.import_module("apps.environments.migrations.0003_evidence_kinds")
    row = Protection.objects.get(environment=staging)
    row.required_evidence = ["tests", "reviews"]
    row.save()
    migration.rename(apps, "reviews", "code_review")
    row.refresh_from_db()
    assert row.required_evidence == ["tests", "code_review"]
    migration.rename(apps, "code_review", "reviews")
    row.refresh_from_db()
    assert row.required_evidence == ["tests", "reviews"]
