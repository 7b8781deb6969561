"""A place of one's own for each test."""

import pytest

from orchestra_portal.start.place import ROOT, Place, prepare_folders


@pytest.fixture
def place(tmp_path):
    """An installation in a temporary folder, its folders made, on a port nobody was asked about."""
    found = Place(root=ROOT, home=tmp_path / "home", port=8199, settings={"PATH": "/nonexistent"})
    prepare_folders(found)
    return found
