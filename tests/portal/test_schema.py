"""The OpenAPI document is drawn up without a doubt: no two parts of it share a name."""

import io

from django.core.management import call_command


def test_the_document_is_drawn_up_without_a_warning():
    out = io.StringIO()
    call_command("spectacular", validate=True, fail_on_warn=True, stdout=out)
    named = {line.strip() for line in out.getvalue().splitlines()}
    # The lock an operator names, and the lock file of a state, are two things.
    assert {"Lock:", "StateLock:"} <= named
