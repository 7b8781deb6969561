"""What is a set has one digest, in whatever order it was written."""

from infra.engine_host.digests import plan_digest, state_digest

FIRST = {"urn": "urn:a", "id": "1", "dependencies": ["urn:x", "urn:y"]}
SECOND = {"urn": "urn:b", "id": "2", "propertyDependencies": {"value": ["urn:a", "urn:x"]}}


def test_the_order_of_independent_resources_means_nothing():
    mirrored = [
        {**SECOND, "propertyDependencies": {"value": ["urn:x", "urn:a"]}},
        {**FIRST, "dependencies": ["urn:y", "urn:x"]},
    ]
    assert state_digest({"resources": [FIRST, SECOND]}) == state_digest({"resources": mirrored})


def test_another_dependency_or_id_is_another_state():
    digest = state_digest({"resources": [FIRST, SECOND]})
    for entry in ({**FIRST, "dependencies": ["urn:x"]}, {**FIRST, "id": "3"}):
        assert state_digest({"resources": [entry, SECOND]}) != digest


def test_the_order_of_a_goals_dependencies_means_nothing():
    plans = [
        {"resourcePlans": {"urn:a": {"goal": {"dependencies": names}, "seed": "x"}}}
        for names in (["urn:x", "urn:y"], ["urn:y", "urn:x"], ["urn:x"])
    ]
    assert plan_digest(plans[0]) == plan_digest(plans[1]) != plan_digest(plans[2])
