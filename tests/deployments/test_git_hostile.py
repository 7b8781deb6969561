"""Repositories and servers that mean ill, over real https: nothing of theirs is ever run."""

import os
import stat
import time

import pytest

from apps.core.errors import PortalError, Refused, Unavailable
from apps.deployments import git
from apps.deployments.git import checkout, command, remote
from tests.deployments.git_server import PROGRAM, commit, commit_entries, git_server
from tests.deployments.git_server import git as run

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
BASE = [("100644", name, text) for name, text in PROGRAM.items()]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with git_server(tmp_path_factory.mktemp("git")) as found:
        yield found


@pytest.fixture
def hostile(server, settings, tmp_path, development):
    """An empty repository with an address, and an installation that trusts its server."""
    settings.GIT_CA_FILE = str(server.certificate)
    settings.ORCHESTRA_HOME = tmp_path / "home"
    server.asked.clear()
    server.answer, server.token = None, ""
    folder = server.root / tmp_path.name
    folder.mkdir()
    run(folder, "init", "--quiet", "-b", "main")
    return Hostile(folder, server.url(folder.name), development.pk)


class Hostile:
    def __init__(self, folder, url, environment):
        self.folder, self.url = folder, url
        self.remote = git.Remote(url, "", environment)

    def fetch(self, made, path=""):
        return git.checked_out(self.remote, url=self.url, path=path, commit=made)

    def refusal(self, made, path=""):
        with pytest.raises(Refused) as caught:
            self.fetch(made, path)
        left = checkout.programs_of_git()
        assert not left.exists() or list(left.iterdir()) == []
        return caught.value


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (("120000", "data", "/etc/passwd"), "a symbolic link"),
        (("120000", "data", "__main__.py"), "a symbolic link"),
        (("160000", "module", "a" * 40), "a submodule"),
        (("100644", "a\\..\\b", "x"), "characters"),
        (("100644", "a\nb", "x"), "characters"),
        (("100644", "a\x1b[31m", "x"), "characters"),
        (("100644", "\u202eyp.niam", "x"), "characters"),
        (("100644", "__MAIN__.py", "x"), "by case only"),
        (("100644", "big", "x" * (checkout.LARGEST_FILE + 1)), "larger than 10 MB"),
    ],
)
def test_what_is_no_plain_file_with_a_plain_name_is_refused(hostile, entry, words):
    refused = hostile.refusal(commit_entries(hostile.folder, [*BASE, entry]))
    assert refused.code == "source.content"
    assert words in refused.detail
    assert refused.detail.isprintable()


@pytest.mark.parametrize(
    "name",
    [".git", ".GIT", ".git ", ".git.", "git~1", "GIT~1", ".g\u200cit", ".git::$INDEX_ALLOCATION"],
)
def test_a_name_that_means_gits_own_folder_never_arrives(hostile, name):
    hostile.refusal(commit_entries(hostile.folder, [*BASE, ("100644", name, "x")]))


@pytest.mark.parametrize("name", [".", ".."])
def test_a_name_that_leaves_the_folder_never_arrives(hostile, name):
    hostile.refusal(commit_entries(hostile.folder, [*BASE, ("100644", name, "x")]))


def test_hooks_filters_and_attributes_of_a_repository_never_act(hostile, tmp_path):
    mark = tmp_path / "acted"
    for name in ("post-checkout", "post-merge", "reference-transaction", "pre-auto-gc"):
        hook = hostile.folder / ".git" / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\ntouch {mark}\n")
        hook.chmod(0o755)
    files = {
        **PROGRAM,
        ".gitattributes": "* filter=evil ident export-subst\nlost.txt export-ignore\n",
        ".gitmodules": f'[submodule "a"]\n\tpath = a\n\turl = {hostile.url}\n',
        ".gitconfig": f'[filter "evil"]\n\tsmudge = touch {mark}\n',
        "told.txt": "$Format:%H$ $Id$\n",
        "lost.txt": "here\n",
        "venv/evil.py": "x",
        "lib/.hidden/evil.py": "x",
        "lib/evil.pyc": "x",
        "Pulumi.production.yaml": "config: {}\n",
    }
    mark.unlink(missing_ok=True)
    made = commit(hostile.folder, files)
    mark.unlink(missing_ok=True)
    tree = hostile.fetch(made)
    assert not mark.exists()
    assert {path.relative_to(tree).as_posix() for path in tree.rglob("*") if path.is_file()} == {
        *PROGRAM, checkout.AUTHOR, "told.txt", "lost.txt",
    }  # fmt: skip
    assert (tree / "told.txt").read_text() == "$Format:%H$ $Id$\n"
    assert all(not stat.S_IMODE(p.stat().st_mode) & 0o333 for p in tree.rglob("*") if p.is_file())


def test_the_configuration_and_variables_of_this_machine_never_act(hostile, tmp_path, monkeypatch):
    mark = tmp_path / "acted"
    (tmp_path / ".gitconfig").write_text(
        f"[core]\n\tsshCommand = touch {mark}\n\tfsmonitor = touch {mark}\n"
        f'[url "https://localhost:1/"]\n\tinsteadOf = {hostile.url}\n'
        f"[credential]\n\thelper = !touch {mark}\n"
    )
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", "'protocol.ext.allow=always'")
    monkeypatch.setenv("GIT_SSL_NO_VERIFY", "1")
    monkeypatch.setenv("GIT_PROXY_COMMAND", f"touch {mark}")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    made = commit(hostile.folder, PROGRAM)
    assert git.resolve(hostile.remote, "main") == (made, "main")
    assert hostile.fetch(made).is_dir()
    assert not mark.exists()


@pytest.mark.parametrize(
    "address",
    ["ext::sh -c touch% {mark}", "file://{folder}", "{folder}", "fd::0", "git://127.0.0.1/a",
     "http://127.0.0.1:1/a", "ftp://127.0.0.1/a"],
)  # fmt: skip
def test_a_transport_beside_https_and_ssh_is_refused_by_git_itself(hostile, tmp_path, address):
    commit(hostile.folder, PROGRAM)
    mark = tmp_path / "acted"
    asked = address.format(mark=mark, folder=hostile.folder)
    with pytest.raises(command.GitFailed, match="not allowed"):
        command.run_git(["ls-remote", "--", asked], folder=tmp_path)
    assert not mark.exists()


@pytest.mark.parametrize("name", ["--upload-pack=touch acted", "-oProxyCommand=touch acted"])
def test_an_address_that_begins_with_a_dash_is_no_option(tmp_path, name):
    with pytest.raises(command.GitFailed):
        command.run_git(["ls-remote", "--", name], folder=tmp_path)
    assert not (tmp_path / "acted").exists()


def test_a_certificate_that_nobody_signed_is_refused(hostile, settings):
    made = commit(hostile.folder, PROGRAM)
    settings.GIT_CA_FILE = ""
    assert hostile.refusal(made).code == "source.unreachable"


def test_folders_that_hold_each_other_by_the_billion_end_git_and_not_the_portal(hostile):
    folder = hostile.folder
    held = run(folder, "hash-object", "-w", "--stdin", given=b"x")
    kind, mode = "blob", "100644"
    for _ in range(10):
        lines = "".join(f"{mode} {kind} {held}\tf{n}\0" for n in range(10)).encode()
        held, kind, mode = run(folder, "mktree", "-z", given=lines), "tree", "040000"
    made = run(folder, "commit-tree", held, "-m", "bomb")
    run(folder, "update-ref", "refs/heads/main", made)
    began = time.monotonic()
    assert hostile.refusal(made).code in ("source.size", "source.path")
    assert time.monotonic() - began < 20


def test_too_many_files_are_refused(hostile, monkeypatch):
    monkeypatch.setattr(checkout, "MOST_FILES", 3)
    entries = [*BASE, ("100644", "a.py", ""), ("100644", "b.py", "")]
    assert hostile.refusal(commit_entries(hostile.folder, entries)).code == "source.size"


def test_a_pack_beyond_the_limit_ends_git(hostile, monkeypatch):
    monkeypatch.setitem(command.run_git.__kwdefaults__, "largest", 100_000)
    (hostile.folder / "noise").write_bytes(os.urandom(400_000))
    refused = hostile.refusal(commit(hostile.folder, PROGRAM))
    assert refused.code == "source.unreachable"


def test_a_server_that_never_answers_costs_its_time_limit(hostile, server, monkeypatch):
    monkeypatch.setattr(remote, "ASKING", 0.5)
    server.answer = lambda _: time.sleep(1.5) or False
    began = time.monotonic()
    with pytest.raises(Unavailable) as caught:
        git.resolve(hostile.remote, "main")
    assert caught.value.code == "git.slow"
    assert time.monotonic() - began < 1.4


def test_what_a_server_says_of_an_error_is_one_printable_line(hostile, server):
    def evil(handler):
        body = b"001fERR \x1b]8;;http://evil\x07x\x00\n"
        handler.send_response(200)
        handler.send_header("Content-Type", "application/x-git-upload-pack-advertisement")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)
        return True

    server.answer = evil
    with pytest.raises(PortalError) as caught:
        git.resolve(hostile.remote, "main")
    assert caught.value.detail.isprintable()


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"data.bin": "version https://git-lfs.github.com/spec/v1\noid sha256:0\n"}, "Git LFS"),
        ({"Pulumi.yaml": "name: a\nruntime: nodejs\n"}, "another runtime"),
        ({"Pulumi.yaml": "name: a\nruntime: python\nmain: ../../etc\n"}, "another main"),
        ({"Pulumi.yaml": "!!python/object/apply:os.system ['touch acted']\n"}, "cannot be read"),
        ({"requirements.txt": "pulumi==0.0.1\n"}, "installs nothing"),
        ({"requirements.txt": "no-such-thing-4711\n"}, "installs nothing"),
        ({"requirements.txt": "--index-url https://evil.example/\n"}, "no options"),
        ({"requirements.txt": "a @ https://evil.example/a.whl\n"}, "no options"),
        ({"requirements.txt": "-r ../../../etc/passwd\n"}, "no options"),
        ({"uv.lock": "version = 1\n"}, "Export it to requirements.txt"),
    ],
)
def test_a_program_that_needs_more_than_is_here_is_refused_with_what_to_do(hostile, files, words):
    refused = hostile.refusal(commit(hostile.folder, {**PROGRAM, **files}))
    assert words in f"{refused.detail} {refused.next_step}"


def test_requirements_that_are_met_are_no_obstacle(hostile):
    wanted = "# what it needs\npulumi>=3,<4 \\\n  --hash=sha256:00\nnone==1; python_version<'3'\n"
    assert hostile.fetch(commit(hostile.folder, {**PROGRAM, "requirements.txt": wanted})).is_dir()
