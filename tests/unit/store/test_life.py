from __future__ import annotations

from genscribe.store import life
from genscribe.store.life import OpenGap, PreviousRun


def test_a_store_that_never_ran_has_no_previous_run(store) -> None:  # type: ignore[no-untyped-def]
    assert life.previous(store.db) is None


def test_a_run_that_ended_and_one_that_crashed(store) -> None:  # type: ignore[no-untyped-def]
    store.db.execute(life.BEGIN, (1000, None))
    assert life.previous(store.db) == PreviousRun(None, clean=False, ended_at=1000)
    store.db.execute(life.BEAT, (2000, 1900, None))
    store.db.execute(life.BEAT, (3000, None, '{"ok":1}'))
    assert life.previous(store.db) == PreviousRun(1900, clean=False, ended_at=3000)
    store.db.execute(life.END, (4000,))
    assert life.previous(store.db) == PreviousRun(1900, clean=True, ended_at=4000)
    store.db.execute(life.BEGIN, (9000, 1900))
    assert life.previous(store.db) == PreviousRun(1900, clean=False, ended_at=9000)
    assert store.all("select status from life") == [('{"ok":1}',)]


def test_open_gaps_are_left_to_the_next_run_and_shown_in_the_view(store) -> None:  # type: ignore[no-untyped-def]
    all_of_them = OpenGap("g2", "2026-01-02T00:00:00.000Z", "disconnected", "transcripts")
    two = OpenGap("g1", "2026-01-01T00:00:00.000Z", "late", None, ("c1", "c2"))
    store.db.execute(life.BEGIN, (1000, None))
    for gap in (all_of_them, two, two):
        store.db.execute(life.OPEN_GAP, gap.row())
    run = life.previous(store.db)
    assert run is not None
    assert run.open_gaps == (two, all_of_them)
    assert store.all("select started_at, ended_at, reason, source, conversation_ids from gaps order by 1") == [
        ("2026-01-01T00:00:00.000Z", None, "late", None, '["c1", "c2"]'),
        ("2026-01-02T00:00:00.000Z", None, "disconnected", "transcripts", None),
    ]
    store.db.execute(life.CLOSE_GAP, ("g1",))
    assert life.open_gaps(store.db) == (all_of_them,)


def test_the_keys_of_gaps_are_known_whether_indexed_open_or_neither(store, said, other, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    store.add(other("gap", "s:1"), other("gap", "s:3"), said("k1"), other("gap", "s:2"))
    store.add(other("gap", "s:9"), index=False)
    store.db.execute(life.OPEN_GAP, OpenGap("s:5", "2026-01-02T00:00:00.000Z", "late", None, ("c1",)).row())
    assert sorted(life.gap_keys(store.db)) == ["s:1", "s:2", "s:3", "s:5", "s:9"]
    monkeypatch.setattr(life, "KNOWN_GAPS", 2)
    assert sorted(life.gap_keys(store.db)) == ["s:2", "s:3", "s:5", "s:9"], "those that began last"


def test_a_damaged_gap_does_not_hold_up_the_opening(store, other) -> None:  # type: ignore[no-untyped-def]
    store.add(other("gap", "s:1"), other("gap", "s:2"), index=False)
    store.db.execute("update journal set body = cast(x'ff7b' as text) where seq = 1")
    assert life.gap_keys(store.db) == ["s:2"]
