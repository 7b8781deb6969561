"""
The files of one commit, written by the portal itself from git's objects: no work tree, so no
filter, no attribute, no hook and no submodule of the repository ever acts.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import re
import shutil
import tempfile
from pathlib import Path

from django.conf import settings

from apps.core.errors import Refused
from apps.deployments.git import content
from apps.deployments.git.command import GitFailed, run_git
from apps.deployments.git.remote import Remote, ask

FETCHING = 120.0
MOST_FILES = 2_000
# Bytes, of one file and of all.
LARGEST_FILE, LARGEST_TREE = 10 * 2**20, 50 * 2**20
# Of the list of files: a few folders that hold each other often make billions of names.
LARGEST_LIST = 4 * 2**20
FILE, PROGRAM_FILE = "100644", "100755"
WHAT = {"120000": "a symbolic link", "160000": "a submodule"}
# In the folder, beside the repository's own files: hidden names are in no digest.
AUTHOR = ".portal-author"
# Case and the characters that some file systems ignore do not hide a folder of git.
IGNORED = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]")
GIT_FOLDER = re.compile(r"\.git[ .]*|git~[0-9]+", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Entry:
    """One file of a tree: what it is, its object and its size in bytes."""

    mode: str
    kind: str
    digest: str
    size: int
    name: str


def programs_of_git() -> Path:
    """Where they lie, each in a folder named by commit and place."""
    return Path(settings.ORCHESTRA_HOME) / "git"


def folder_of(url: str, path: str, commit: str) -> Path:
    place = hashlib.sha256(f"{url}\0{path}".encode()).hexdigest()[:12]
    return programs_of_git() / f"{commit}-{place}"


def checked_out(remote: Remote | None, *, url: str, path: str, commit: str) -> Path:
    """
    The read-only folder of the program at that commit; fetched once. With no `remote` only what is
    here already. Raises Refused (`source.…`), Unavailable.
    """
    folder = folder_of(url, path, commit)
    if folder.is_dir():
        return folder
    if remote is None:
        content.refuse("source.gone", f"{commit[:12]} of {url} is not kept here.", "Plan again.")
    programs_of_git().mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fetch-", dir=programs_of_git()) as work:
        repository, tree = Path(work) / "repository", Path(work) / "tree"
        repository.mkdir()
        _fetch(remote, commit, repository)
        entries = _entries(repository, commit, path)
        _check(entries)
        seen = [entry for entry in entries if not content.is_unseen(entry.name)]
        _write(repository, seen, tree)
        content.check_program(tree)
        author = run_git(["show", "-s", "--format=%ae", commit, "--"], folder=repository)
        (tree / AUTHOR).write_bytes(author.strip())
        _seal(tree)
        try:
            tree.rename(folder)
        except OSError:
            # Another run had the same commit first.
            _unseal(tree)
            if not folder.is_dir():
                raise
    return folder


def author_of(url: str, path: str, commit: str) -> str:
    """Mail address of who made that commit; empty before it was fetched."""
    file = folder_of(url, path, commit) / AUTHOR
    return file.read_text(errors="replace") if file.is_file() else ""


def _fetch(remote: Remote, commit: str, repository: Path) -> None:
    run_git(["init", "--quiet", "--bare", "--template=", "."], folder=repository)
    asked = ["fetch", "--quiet", "--depth=1", "--no-tags", "--no-write-fetch-head"]
    try:
        ask(remote, [*asked, "--", remote.url, commit], repository, FETCHING)
    except Refused:
        # Servers that give no commit by its digits give every branch and tag.
        every = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"]
        ask(remote, ["fetch", "--quiet", "--", remote.url, *every], repository, FETCHING)
    try:
        kind = run_git(["cat-file", "-t", commit], folder=repository).decode().strip()
    except GitFailed:
        kind = ""
    if kind != "commit":
        content.refuse(
            "source.commit",
            f"{remote.url} has no commit {commit[:12]} any more.",
            "Plan a new deployment: it takes the commit that the ref names now.",
        )


def _entries(repository: Path, commit: str, path: str) -> list[Entry]:
    """The tree below `path`, names relative to it."""
    tree = f"{commit}:{path}" if path else commit
    try:
        asked = ["ls-tree", "-r", "-z", "-l", "--full-tree", tree]
        listed = run_git(asked, folder=repository, largest=LARGEST_LIST)
    except GitFailed:
        content.refuse(
            "source.path",
            f"Commit {commit[:12]} has no folder {path}.",
            "Correct the folder in the program source of the environment.",
        )
    found = []
    for line in listed.split(b"\0"):
        if line:
            about, _, name = line.partition(b"\t")
            mode, kind, digest, size = about.decode().split()
            length = int(size) if size.isdigit() else 0
            found.append(Entry(mode, kind, digest, length, name.decode(errors="surrogateescape")))
    return found


def _check(entries: list[Entry]) -> None:
    if len(entries) > MOST_FILES or sum(entry.size for entry in entries) > LARGEST_TREE:
        content.refuse(
            "source.size",
            f"The folder has more than {MOST_FILES} files or {LARGEST_TREE // 2**20} MB.",
            "Name the folder of the program, not the whole repository.",
        )
    folded = set()
    for entry in entries:
        shown = "".join(c if c.isprintable() else "?" for c in entry.name)[:120]
        if why := _unfit(entry):
            content.refuse(
                "source.content", f"{shown} is {why}.", "Take it out of the program's folder."
            )
        if entry.name.casefold() in folded:
            content.refuse(
                "source.content", f"{shown} differs from another by case only.", "Rename it."
            )
        folded.add(entry.name.casefold())


def _unfit(entry: Entry) -> str:
    """What is wrong with an entry; empty for a plain file with a plain name."""
    if entry.mode not in (FILE, PROGRAM_FILE) or entry.kind != "blob":
        return WHAT.get(entry.mode, "no plain file")
    if entry.size > LARGEST_FILE:
        return f"larger than {LARGEST_FILE // 2**20} MB"
    parts = IGNORED.sub("", entry.name).split("/")
    if any(part in ("", ".", "..") or GIT_FOLDER.fullmatch(part) for part in parts):
        return "a name that leaves the folder or means git's own"
    if not entry.name.isprintable() or "\\" in entry.name or len(entry.name) > 240:
        return "a name with characters that a program's files do not have"
    return ""


def _write(repository: Path, entries: list[Entry], tree: Path) -> None:
    asked = "".join(f"{entry.digest}\n" for entry in entries).encode()
    blobs = run_git(["cat-file", "--batch"], folder=repository, given=asked)
    tree.mkdir()
    at = 0
    for entry in entries:
        head, _, _ = blobs[at : at + 200].partition(b"\n")
        at += len(head) + 1
        path = tree / entry.name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            file.write(blobs[at : at + entry.size])
        at += entry.size + 1


def _seal(tree: Path) -> None:
    """Read-only: what was fetched is what its commit has, until it is pruned."""
    for parent, _, names in os.walk(tree, topdown=False):
        for name in names:
            os.chmod(os.path.join(parent, name), 0o400)  # noqa: PTH101, PTH118 - os.walk's own words
        if parent != str(tree):
            os.chmod(parent, 0o500)  # noqa: PTH101 - the same


def _unseal(tree: Path) -> None:
    for parent, _, _ in os.walk(tree):
        os.chmod(parent, 0o700)  # noqa: PTH101 - os.walk's own words


def remove(folder: Path) -> None:
    """Takes a program away, read-only as it is."""
    _unseal(folder)
    shutil.rmtree(folder)
