"""The running API against its own OpenAPI document."""

import io

import pytest
import schemathesis
from django.core.management import call_command
from hypothesis import HealthCheck, given, settings
from schemathesis.core.failures import FailureGroup

from tests.live.web import Web

pytestmark = pytest.mark.slow
CHECKS = [
    schemathesis.checks.not_a_server_error,
    schemathesis.checks.response_schema_conformance,
    schemathesis.checks.content_type_conformance,
]


@pytest.fixture
def api(transactional_db, root, development, staging):
    out = io.StringIO()
    call_command("create_token", "root", stdout=out)
    web = Web()
    yield web, {"Authorization": f"Bearer {out.getvalue().strip()}"}
    web.stop()


def test_whatever_is_asked_the_answer_is_one_of_the_document(api):
    """
    A few hundred made-up requests, with everything an admin may do: never a failure of ours, and
    each answer as the document has it.
    """
    web, headers = api
    schema = schemathesis.openapi.from_url(f"{web.url}/api/schema/?format=json")
    found, asked = [], []
    for result in schema.get_all_operations():
        operation = result.ok()
        if operation.label == "DELETE /api/v1/tokens/{id}/":
            # It would end the very token this test asks with.
            continue

        @settings(
            max_examples=8, deadline=None, database=None, suppress_health_check=list(HealthCheck)
        )
        @given(case=operation.as_strategy())
        def ask(case):
            label = case.operation.label
            response = case.call(base_url=web.url, headers=headers, timeout=40)
            asked.append((label, response.status_code))
            try:
                case.validate_response(response, checks=CHECKS)
            except FailureGroup as group:
                found.extend(f"{label}: {failure}" for failure in group.exceptions)

        ask()
    assert not found, "\n\n".join(sorted(set(found)))[:6000]
    assert len({label for label, _ in asked}) > 20
    assert any(status < 300 for _, status in asked)
