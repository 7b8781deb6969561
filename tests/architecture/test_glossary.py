"""One word per idea: the glossary's banned words stand in no name, template or text of ours."""

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
GLOSSARY = ROOT / "docs" / "glossary.md"
# Banned word → what to say. Only words that have no honest second meaning in this code.
BANNED = {
    r"cancelled": "canceled",
    r"cancelling": "canceling",
    r"sign[- ]off": "approval",
    r"smoke test": "verification",
    r"blackout": "freeze",
    r"mutex": "lease",
    r"out of sync": "drift",
    r"are you sure": "name what will change",
    r"oops": "say what happened",
}
# Pulumi's own words where its files and texts are written or read, and other people's protocols.
FOREIGN = ("infra/embedded_engine/", "infra/engine_host/", "tests/infra/", "tests/architecture/")


def sources():
    for folder in ("apps", "orchestra_portal", "infra", "templates", "static", "tests"):
        for file in sorted((ROOT / folder).rglob("*")):
            name = str(file.relative_to(ROOT))
            if file.suffix in {".py", ".html", ".js"} and not name.startswith(FOREIGN):
                yield file


@pytest.mark.parametrize("word", BANNED)
def test_a_banned_word_is_nowhere(word):
    pattern = re.compile(rf"\b{word}\b", re.IGNORECASE)
    strays = [
        f"{file.relative_to(ROOT)}:{number}"
        for file in sources()
        for number, line in enumerate(file.read_text().splitlines(), 1)
        if pattern.search(line) and "CancelledError" not in line
    ]
    assert not strays, f"say “{BANNED[word]}” instead of “{word}”: {strays[:10]}"


def test_every_status_is_in_the_glossary(settings):
    from apps.deployments.choices import DeploymentStatus, Operation, RunStatus
    from apps.monitoring.choices import Health

    text = GLOSSARY.read_text()
    for choices in (RunStatus, DeploymentStatus, Operation, Health):
        for value in choices.values:
            assert f"`{value}`" in text, value
