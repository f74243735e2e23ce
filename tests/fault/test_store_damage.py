"""Damage to a store's files: told, set aside, never deleted, and never a foreign exception. Fault matrix, row J4."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genscribe.errors import ConfigError
from genscribe.events import Utterance, encode
from genscribe.store.archive import Archive
from genscribe.store.database import open_for_writing
from genscribe.store.ground import Ground, lay_ground
from genscribe.store.retention import Keep
from genscribe.store.rows import AFTER, fetch, insert

ROWS = [
    (
        "utterance",
        encode(Utterance[str](key=f"k{number}", revision=1, conversation_id=f"c{number % 5}", text="hello")),
        None,
    )
    for number in range(300)
]
MANY_EXAMPLES = 150
MANY = settings(max_examples=MANY_EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of 300 rows, indexed and closed."""
    path = tmp_path_factory.mktemp("sound") / "genscribe.db"
    db = open_for_writing(path).db
    with db:
        insert(db, 0, ROWS)
    archive = Archive(db)
    while archive.behind(len(ROWS)):
        with db:
            archive.step(db, 0, len(ROWS))
    db.close()
    return path


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return tmp_path / "genscribe.db"


def survives(path: Path) -> str:
    """Opens what is there and reads all of it. Says how it went; whatever was there must still be there."""
    before = {each.name for each in path.parent.iterdir()}
    content = path.read_bytes()
    try:
        ground = lay_ground(path, Keep())
    except ConfigError:
        assert path.read_bytes() == content
        return "refused"
    try:
        if ground.opened.aside is not None:
            assert ground.opened.aside[0].read_bytes() == content
            assert ground.head == 0
            return "aside"
        return reads_what_is_sound(ground)
    finally:
        ground.reading.close()
        ground.opened.db.close(True)
        ground.lock.release()
        assert before <= {each.name.replace(".damaged", "") for each in path.parent.iterdir()} | before


def reads_what_is_sound(ground: Ground) -> str:
    records, damaged = fetch(ground.reading, AFTER, (0, 1 << 60, 1000))
    for record in records:
        if record.seq not in damaged:
            assert record.body == ROWS[record.seq - 1][1]
    return "damaged rows" if damaged else "sound"


@MANY
@given(where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_any_flipped_bit(copy: Path, sound: Path, where: float, bit: int) -> None:
    for left in copy.parent.iterdir():
        left.unlink()
    content = bytearray(sound.read_bytes())
    content[int(where * len(content))] ^= 1 << bit
    copy.write_bytes(content)
    assert survives(copy) in {"sound", "damaged rows", "aside", "refused"}


@MANY
@given(where=st.integers(0, 200), bit=st.integers(0, 7))
def test_any_flipped_bit_of_the_header(copy: Path, sound: Path, where: int, bit: int) -> None:
    for left in copy.parent.iterdir():
        left.unlink()
    content = bytearray(sound.read_bytes())
    content[where] ^= 1 << bit
    copy.write_bytes(content)
    assert survives(copy) in {"sound", "damaged rows", "aside", "refused"}


@MANY
@given(share=st.floats(0, 1))
def test_a_store_cut_short(copy: Path, sound: Path, share: float) -> None:
    for left in copy.parent.iterdir():
        left.unlink()
    content = sound.read_bytes()
    cut = int(share * len(content))
    copy.write_bytes(content[:cut])
    outcome = survives(copy)
    if 0 < cut < len(content) - 4096 and cut >= 100:
        assert outcome == "aside"


def test_a_flipped_bit_in_a_body_is_found_by_the_checksum(copy: Path, sound: Path) -> None:
    content = bytearray(sound.read_bytes())
    content[content.index(b'"text":"hello"') + 8] ^= 1
    copy.write_bytes(content)
    assert survives(copy) == "damaged rows"


def test_an_emptied_store_with_its_log_beside_is_set_aside(copy: Path) -> None:
    copy.touch()
    copy.with_name("genscribe.db-wal").write_bytes(b"x" * 5000)
    ground = lay_ground(copy, Keep())
    assert ground.opened.aside is not None
    assert ground.opened.aside[1] == "its header is unreadable"
    assert ground.opened.aside[0].with_name(ground.opened.aside[0].name + "-wal").read_bytes() == b"x" * 5000
    assert any("THE STORE WAS DAMAGED" in str(happening) for happening in ground.happenings)
    assert ground.previous is not None  # the time since then is a gap
    assert not ground.previous.clean
    ground.reading.close()
    ground.opened.db.close()
    ground.lock.release()


def test_the_gap_of_a_damaged_store_begins_when_it_was_last_written(tmp_path: Path) -> None:
    """Opening it to look, and closing it, empties a log that a crash left, and so writes to the file."""
    live, copy = tmp_path / "live.db", tmp_path / "copy.db"
    db = open_for_writing(live).db
    with db:
        insert(db, 0, ROWS[:10])
    db.execute("pragma wal_checkpoint(truncate)").fetchall()
    root, size = (
        db.execute(sql).get for sql in ("select rootpage from sqlite_schema where name = 'journal'", "pragma page_size")
    )
    with db:
        db.execute("update meta set value = value")
    for suffix in ("", "-wal"):
        shutil.copy(f"{live}{suffix}", f"{copy}{suffix}")
    db.close()
    with copy.open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(b"\xff" * size)
    for suffix in ("", "-wal"):
        os.utime(f"{copy}{suffix}", (1_774_000_000, 1_774_000_000))
    ground = lay_ground(copy, Keep())
    assert ground.opened.aside is not None
    assert ground.previous is not None
    assert ground.previous.heard_until == 1_774_000_000_000
    ground.reading.close()
    ground.opened.db.close()
    ground.lock.release()


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.99])
def test_a_log_cut_short_keeps_what_was_committed_before_the_cut(tmp_path: Path, share: float) -> None:
    live, copy = tmp_path / "live.db", tmp_path / "copy.db"
    db = open_for_writing(live).db
    for at in range(0, 300, 10):
        with db:
            insert(db, at, ROWS[at : at + 10])
    shutil.copy(live, copy)
    log = (tmp_path / "live.db-wal").read_bytes()
    db.close()
    (tmp_path / "copy.db-wal").write_bytes(log[: int(share * len(log))])
    opened = open_for_writing(copy)
    records, damaged = fetch(opened.db, AFTER, (0, 1000, 1000))
    assert damaged == []
    assert [record.seq for record in records] == list(range(1, len(records) + 1))
    assert len(records) % 10 == 0
    assert abs(len(records) - 300 * share) < 30
    opened.db.close()
