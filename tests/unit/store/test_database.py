from __future__ import annotations

import stat
from pathlib import Path

import apsw
import pytest

from genscribe.errors import ConfigError, StoreFailed
from genscribe.store import database
from genscribe.store.database import Trouble, open_for_writing, trouble, user_version


def pragma(db: apsw.Connection, name: str) -> object:
    return db.execute(f"pragma {name}").get


def make(path: Path) -> None:
    open_for_writing(path).db.close()


def test_a_new_store_is_durable_private_and_shrinks(tmp_path: Path) -> None:
    opened = open_for_writing(tmp_path / "genscribe.db")
    db = opened.db
    assert opened.created
    assert pragma(db, "auto_vacuum") == 2  # incremental: can only be chosen before the first table
    assert pragma(db, "journal_mode") == "wal"
    assert pragma(db, "synchronous") == 2  # full
    assert pragma(db, "secure_delete") == 1
    assert pragma(db, "application_id") == 0x67736362
    assert user_version(db) == database.FORMAT
    assert len(str(db.execute("select value from meta where name = 'store_id'").get)) == 32
    for name in ("genscribe.db", "genscribe.db-wal", "genscribe.db-shm"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600, name
    db.close()


def test_opening_again_keeps_identity_and_sets_what_the_file_does_not_keep(tmp_path: Path) -> None:
    make(tmp_path / "genscribe.db")
    (tmp_path / "genscribe.db").chmod(0o644)
    first = open_for_writing(tmp_path / "genscribe.db")
    assert not first.created
    assert pragma(first.db, "secure_delete") == 1
    assert pragma(first.db, "synchronous") == 2
    assert stat.S_IMODE((tmp_path / "genscribe.db").stat().st_mode) == 0o600
    identity = first.db.execute("select value from meta where name = 'store_id'").get
    first.db.close()
    again = open_for_writing(tmp_path / "genscribe.db")
    assert again.db.execute("select value from meta where name = 'store_id'").get == identity
    again.db.close()


def test_two_stores_have_two_identities(tmp_path: Path) -> None:
    found = set()
    for name in ("a.db", "b.db"):
        opened = open_for_writing(tmp_path / name)
        found.add(opened.db.execute("select value from meta where name = 'store_id'").get)
        opened.db.close()
    assert len(found) == 2


def test_a_file_cut_to_nothing_before_its_first_commit_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "genscribe.db").touch()
    opened = open_for_writing(tmp_path / "genscribe.db")
    assert opened.created
    opened.db.close()


def test_a_foreign_database_and_a_text_file_are_refused_untouched(tmp_path: Path) -> None:
    db = apsw.Connection(str(tmp_path / "foreign.db"))
    db.execute("create table precious (x)")
    db.close()
    (tmp_path / "notes.txt").write_text("x" * 200)
    for name in ("foreign.db", "notes.txt"):
        before = (tmp_path / name).read_bytes()
        with pytest.raises(ConfigError, match="is not a genscribe store") as refused:
            open_for_writing(tmp_path / name)
        assert refused.value.exit_code == 78
        assert (tmp_path / name).read_bytes() == before


def test_a_store_of_a_newer_format_is_refused_untouched(tmp_path: Path) -> None:
    make(tmp_path / "genscribe.db")
    db = apsw.Connection(str(tmp_path / "genscribe.db"))
    db.execute("pragma user_version = 99")
    db.close()
    with pytest.raises(ConfigError, match=r"has format 99; this genscribe knows formats up to 2") as refused:
        open_for_writing(tmp_path / "genscribe.db")
    assert "Upgrade" in refused.value.advice
    assert (tmp_path / "genscribe.db").exists()


def test_an_older_store_is_migrated_step_by_step(tmp_path: Path) -> None:
    make(tmp_path / "genscribe.db")
    steps = {
        2: lambda db: db.execute("create table second (x)"),
        3: lambda db: db.execute("insert into second values (3)"),
    }
    opened = open_for_writing(tmp_path / "genscribe.db", migrations=steps, newest=4)
    assert opened.migrated_from == 2
    assert user_version(opened.db) == 4
    assert opened.db.execute("select x from second").get == 3
    opened.db.close()


def test_a_migration_that_fails_leaves_the_store_as_it_was(tmp_path: Path) -> None:
    make(tmp_path / "genscribe.db")
    steps = {
        2: lambda db: db.execute("create table second (x)"),
        3: lambda db: db.execute("insert into nowhere values (1)"),
    }
    with pytest.raises(StoreFailed, match="no such table: nowhere"):
        open_for_writing(tmp_path / "genscribe.db", migrations=steps, newest=4)
    opened = open_for_writing(tmp_path / "genscribe.db")
    assert not opened.db.table_exists("main", "second")
    assert user_version(opened.db) == database.FORMAT
    opened.db.close()


def test_a_store_so_old_that_its_migration_is_gone_is_refused(tmp_path: Path) -> None:
    make(tmp_path / "genscribe.db")
    with pytest.raises(ConfigError, match="cannot bring up to date"):
        open_for_writing(tmp_path / "genscribe.db", migrations={3: lambda db: None}, newest=4)


def test_a_store_without_its_identity_is_damaged(tmp_path: Path) -> None:
    make(tmp_path / "genscribe.db")
    db = apsw.Connection(str(tmp_path / "genscribe.db"))
    db.execute("delete from meta where name = 'store_id'")
    db.close()
    opened = open_for_writing(tmp_path / "genscribe.db")
    assert opened.aside is not None
    assert opened.aside[1] == "its identity is missing"
    assert opened.created
    opened.db.close()


def test_a_store_of_other_tables_is_damaged(tmp_path: Path) -> None:
    make(tmp_path / "genscribe.db")
    db = apsw.Connection(str(tmp_path / "genscribe.db"))
    db.execute("alter table journal rename column crc to crd")
    db.close()
    opened = open_for_writing(tmp_path / "genscribe.db")
    assert opened.aside is not None
    assert opened.aside[1] == "its tables are not those of a store"
    opened.db.close()


def test_a_place_that_cannot_be_written_is_a_failure(tmp_path: Path) -> None:
    with pytest.raises(StoreFailed, match="cannot be opened for writing") as refused:
        open_for_writing(tmp_path / "missing" / "genscribe.db")
    assert refused.value.exit_code == 74


def error(kind: type[apsw.Error], extended: int = 0) -> apsw.Error:
    made = kind("x")
    made.extendedresult = extended
    return made


@pytest.mark.parametrize(
    ("met", "expected"),
    [
        (error(apsw.BusyError), Trouble.CONTENDED),
        (error(apsw.LockedError), Trouble.CONTENDED),
        (error(apsw.FullError), Trouble.FULL),
        (error(apsw.IOError, apsw.SQLITE_IOERR_WRITE), Trouble.FULL),
        (error(apsw.IOError, apsw.SQLITE_IOERR_SHMSIZE), Trouble.FULL),
        (error(apsw.ReadOnlyError), Trouble.FULL),
        (error(apsw.CantOpenError), Trouble.FULL),
        (error(apsw.IOError, apsw.SQLITE_IOERR_FSYNC), Trouble.BROKEN),
        (error(apsw.IOError, apsw.SQLITE_IOERR_DIR_FSYNC), Trouble.BROKEN),
        (error(apsw.ReadOnlyError, apsw.SQLITE_READONLY_DBMOVED), Trouble.BROKEN),
        (error(apsw.SQLError), Trouble.BROKEN),
        (error(apsw.CorruptError), Trouble.DAMAGED),
        (error(apsw.NotADBError), Trouble.DAMAGED),
        (error(apsw.IOError, apsw.SQLITE_IOERR_DATA), Trouble.DAMAGED),
    ],
)
def test_what_an_error_of_sqlite_asks_for(met: apsw.Error, expected: Trouble) -> None:
    assert trouble(met) is expected
