"""Every refusal of a verb tells fact, reason and way out, whichever door shows it."""

import ast
import pathlib

from apps.core import errors

APP = pathlib.Path(errors.__file__).parents[1] / "deployments"
WAYS_OUT = {"next_step", "errors"}
REFUSALS = {
    name
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, errors.PortalError)
}


def refusals():
    for path in [APP / "too_late.py", *sorted((APP / "services").glob("*.py"))]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in REFUSALS:
                yield f"{path.name}:{node.lineno}", {keyword.arg for keyword in node.keywords}


def test_every_refusal_of_a_verb_says_what_to_do_next():
    found = dict(refusals())
    assert len(found) > 30
    assert [place for place, given in found.items() if not given & WAYS_OUT] == []
