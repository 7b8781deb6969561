"""`.env.example` names every setting that the code reads, and no other."""

import ast
import pathlib
import re

from orchestra_portal.start.place import ROOT

# Read from the environment, but not settings of an installation.
NOT_SETTINGS = {"PATH", "DJANGO_SETTINGS_MODULE"}
READERS = {"str", "int", "bool", "list", "float", "json", "url", "db_url", "get"}
OWNERS = {"env", "settings", "environ"}


def names_read(file: pathlib.Path) -> set[str]:
    """Names in `env.str("NAME")`, `place.settings.get("NAME")`, `secret("NAME")`."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        first = node.args[0]
        if not isinstance(first, ast.Constant) or not isinstance(first.value, str):
            continue
        if isinstance(node.func, ast.Name) and node.func.id == "secret":
            found |= {first.value, f"{first.value}_FILE"}
        elif isinstance(node.func, ast.Attribute) and node.func.attr in READERS:
            owner = ast.unparse(node.func.value).rpartition(".")[2]
            if owner in OWNERS and first.value.isupper():
                found.add(first.value)
    return found


def names_documented() -> set[str]:
    text = (ROOT / ".env.example").read_text()
    return set(re.findall(r"^#?([A-Z][A-Z0-9_]+)=", text, re.MULTILINE))


def test_every_setting_is_documented_and_every_documented_one_is_read():
    files = [*(ROOT / "orchestra_portal").rglob("*.py"), *(ROOT / "apps").rglob("*.py")]
    read = set().union(*map(names_read, files)) - NOT_SETTINGS
    assert "PORTAL_PORT" in read, "the search finds nothing, so the comparison says nothing"
    assert read - names_documented() == set(), "read, but not in .env.example"
    assert names_documented() - read == set(), "in .env.example, but never read"


def test_the_example_changes_nothing_as_it_stands():
    lines = (ROOT / ".env.example").read_text().splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == []
