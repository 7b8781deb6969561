"""The SQLite resource against real files."""

import sqlite3
import stat

import pytest

from tests.infra.engine_rpc import RpcError

TOKEN = "orchestra:database:SqliteDatabase"


def test_a_created_database_is_private_and_in_wal_mode(engine, tmp_path):
    path = tmp_path / "new" / "platform.sqlite3"
    identifier, outputs = engine.create(TOKEN, {"path": str(path)})
    assert identifier == str(path)
    assert outputs["name"] == "platform"
    assert outputs["url"] == f"sqlite:///{path}"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with sqlite3.connect(path) as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    database.close()


def test_a_create_whose_record_was_lost_adopts_its_own_file_with_the_data(engine, tmp_path):
    path = tmp_path / "platform.sqlite3"
    engine.create(TOKEN, {"path": str(path)})
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE kept (x)")
    database.commit()
    database.close()
    engine.create(TOKEN, {"path": str(path)})
    database = sqlite3.connect(path)
    assert database.execute("SELECT name FROM sqlite_master WHERE name='kept'").fetchone()
    database.close()


@pytest.mark.parametrize("content", [b"not a database at all", None])
def test_a_foreign_file_is_refused_and_left_as_it_is(engine, tmp_path, content):
    path = tmp_path / "foreign.sqlite3"
    if content is None:
        database = sqlite3.connect(path)
        database.execute("CREATE TABLE theirs (x)")
        database.commit()
        database.close()
    else:
        path.write_bytes(content)
    before = path.read_bytes()
    with pytest.raises(RpcError) as refused:
        engine.create(TOKEN, {"path": str(path)})
    assert "was not made by a stack" in refused.value.text
    assert " Next: " in refused.value.text
    assert path.read_bytes() == before


def test_another_environments_database_is_refused_by_name(engine, tmp_path):
    path = tmp_path / "platform.sqlite3"
    engine.create(TOKEN, {"path": str(path)})
    engine.stack = "production"
    with pytest.raises(RpcError) as refused:
        engine.create(TOKEN, {"path": str(path)})
    assert "belongs to urn:pulumi:development" in refused.value.text
    with pytest.raises(RpcError):
        engine.delete(TOKEN, str(path), {"path": str(path)})
    assert path.exists()


def test_a_read_tells_a_vanished_and_a_changed_file_apart(engine, tmp_path):
    path = tmp_path / "platform.sqlite3"
    inputs, _ = engine.check(TOKEN, {"path": str(path)})
    engine.create(TOKEN, inputs)
    assert engine.drift(TOKEN, str(path), inputs) == []
    path.chmod(0o644)
    assert engine.drift(TOKEN, str(path), inputs) == ["mode"]
    engine.update(TOKEN, str(path), {**inputs, "mode": "644"}, inputs)
    assert engine.drift(TOKEN, str(path), inputs) == []
    path.unlink()
    assert engine.drift(TOKEN, str(path), inputs) is None


def test_a_delete_takes_the_side_files_too_and_accepts_that_all_is_gone(engine, tmp_path):
    path = tmp_path / "platform.sqlite3"
    inputs, _ = engine.check(TOKEN, {"path": str(path)})
    engine.create(TOKEN, inputs)
    open_elsewhere = sqlite3.connect(path)
    open_elsewhere.execute("CREATE TABLE t (x)")
    open_elsewhere.commit()
    assert (tmp_path / "platform.sqlite3-wal").exists()
    engine.delete(TOKEN, str(path), inputs)
    open_elsewhere.close()
    engine.delete(TOKEN, str(path), inputs)
    assert list(tmp_path.iterdir()) == []


def test_bad_inputs_are_named_one_by_one(engine):
    _, failures = engine.check(
        TOKEN, {"path": "relative.db", "journal_mode": "memory", "mode": "rw", "size": 3}
    )
    assert failures == [
        ("size", "size is not a setting of SqliteInputs; it takes path, journal_mode, mode.")
    ]
    _, failures = engine.check(
        TOKEN, {"path": "relative.db", "journal_mode": "memory", "mode": "9"}
    )
    assert [name for name, _ in failures] == ["path", "journal_mode", "mode"]
    _, failures = engine.check(TOKEN, {"path": 12})
    assert failures == [("path", "path takes a text.")]
    _, failures = engine.check(TOKEN, {})
    assert failures == [("path", "path is missing.")]


def test_another_path_is_another_database(engine):
    answer = engine.diff(TOKEN, {"path": "/a", "mode": "600"}, {"path": "/b", "mode": "640"})
    assert list(answer.replaces) == ["path"]
    assert sorted(answer.diffs) == ["mode", "path"]
    assert sorted(answer.detailedDiff) == ["mode", "path"]
