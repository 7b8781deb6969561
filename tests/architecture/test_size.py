"""Files of at most 400 lines, functions of at most 50, admin functions of at most 25."""

import ast
import collections
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCES = ("apps", "orchestra_portal", "infra", "tests", "bench")
NAMES_THAT_SAY_NOTHING = {"utils", "helpers", "misc", "base", "manager"}
FILES = sorted(
    file
    for folder in SOURCES
    for file in (ROOT / folder).rglob("*.py")
    if "migrations" not in file.parts
)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_a_file_can_be_read_in_one_sitting(file):
    text = file.read_text()
    assert text.count("\n") <= 400
    assert file.stem not in NAMES_THAT_SAY_NOTHING
    limit = 25 if file.stem == "admin" or file.parent.name == "admin" else 50
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno - node.lineno + 1 <= limit, node.name


def test_every_test_file_has_a_name_of_its_own():
    """There are no packages in `tests/`: of two files with one name, pytest collects the first."""
    counted = collections.Counter(file.name for file in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name, times in counted.items() if times > 1] == []


def test_a_celery_entry_only_carries():
    for file in (ROOT / "apps").rglob("tasks.py"):
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.FunctionDef):
                assert node.end_lineno - node.lineno + 1 <= 12, f"{file}: {node.name}"


def test_templates_are_short_and_hold_no_script_or_style():
    for file in (ROOT / "templates").rglob("*.html"):
        text = file.read_text()
        assert text.count("\n") <= 80, file
        for stray in ("<style", " style=", "onclick=", "onload=", "javascript:"):
            assert stray not in text, f"{file}: {stray}"


def test_every_app_says_what_it_is():
    for app in (ROOT / "apps").iterdir():
        if (app / "apps.py").exists():
            readme = app / "README.md"
            assert readme.exists(), f"{app.name} has no README"
            assert readme.read_text().count("\n") <= 60
