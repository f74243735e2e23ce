from __future__ import annotations

import pytest

from genscribe.store.archive import ENOUGH, FAR_BEHIND, LINGER_S, ROWS_A_SLICE, SLICES_TO_CATCH_UP, Archive
from genscribe.store.reports import Indexed

AT = "2026-01-01T00:00:0{}.000Z"


def test_one_row_a_key_the_highest_revision(store, said) -> None:  # type: ignore[no-untyped-def]
    store.add(said("k1", "hel", revision=0), said("k1", "hello there"), said("k2", "bye"))
    store.add(said("k1", "hello again", revision=2))
    assert store.all("select seq, key, revision, text from utterances order by key") == [
        (4, "k1", 2, "hello again"),
        (3, "k2", 1, "bye"),
    ]
    assert store.found("hello") == [4]
    assert store.found("there") == []
    assert store.reports == []


def test_what_was_there_already_is_counted_and_changes_nothing(store, said) -> None:  # type: ignore[no-untyped-def]
    store.add(said("k1", "first"), said("k1", "second", revision=2), said("k1", "late", revision=1))
    store.add(said("k1", "second", revision=2), said("k1", "interim", revision=0))
    assert store.all("select seq, text from utterances") == [(2, "second")]
    assert store.found("second") == [2]
    assert store.found("first OR late OR interim") == []
    assert sum(report.duplicates for report in store.reports if isinstance(report, Indexed)) == 3


def test_an_utterance_of_no_known_conversation_has_one_row_a_key_too(store, said) -> None:  # type: ignore[no-untyped-def]
    store.add(said("k1", conversation_id=None))
    store.add(said("k1", "more", conversation_id=None, revision=2), said("k2", conversation_id=None))
    assert store.all("select key, text, conversation_id from utterances order by key") == [
        ("k1", "more", None),
        ("k2", "hello", None),
    ]
    assert store.all("select * from conversations") == []


def test_interim_results_are_rows_but_not_found(store, said) -> None:  # type: ignore[no-untyped-def]
    store.add(said("k1", "soon", revision=0, is_final=False))
    assert store.all("select key, is_final from utterances") == [("k1", 0)]
    assert store.found("soon") == []
    assert store.all("select utterance_count from conversations") == [(0,)]


def test_the_views_have_the_contracts_columns(store, said, other) -> None:  # type: ignore[no-untyped-def]
    utterance = said(
        "k1", "hi", communication_id="m", utterance_id="u", media_type="voice", speaker="agent", side="internal",
        participant_id="p", user_id="w", queue_id="q", spoken_at=AT.format(1), offset_ms=17820, duration_ms=80,
        confidence=0.94, language="en-US", emitted_at=AT.format(2), received_at=AT.format(3), source="notifications",
    )  # fmt: skip
    store.add(utterance, other("unreadable", "x1", received_at=AT.format(1)))
    cursor = store.db.execute("select * from utterances")
    columns = [column[0] for column in cursor.get_description()]
    assert dict(zip(columns, cursor.fetchall()[0], strict=True)) == {
        "seq": 1, "key": "k1", "revision": 1, "conversation_id": "c1", "communication_id": "m", "utterance_id": "u",
        "media_type": "voice", "speaker": "agent", "side": "internal", "participant_id": "p", "user_id": "w",
        "queue_id": "q", "text": "hi", "is_final": 1, "spoken_at": AT.format(1), "offset_ms": 17820, "duration_ms": 80,
        "confidence": 0.94, "language": "en-US", "words": None, "emitted_at": AT.format(2),
        "received_at": AT.format(3), "source": "notifications",
    }  # fmt: skip
    assert store.all("select received_at, reason, raw from unreadable") == [(AT.format(1), "not JSON", b"raw")]


def test_words_are_json_text(store, said) -> None:  # type: ignore[no-untyped-def]
    from genscribe.events import Word

    store.add(said("k1", words=[Word("hi", 1, 2, 0.5)]))
    assert store.all("select words from utterances") == [
        ('[{"word":"hi","offset_ms":1,"duration_ms":2,"confidence":0.5}]',)
    ]


def test_a_conversation_is_a_row_from_the_first_thing_heard(store, said, other) -> None:  # type: ignore[no-untyped-def]
    store.add(said("k1", spoken_at=AT.format(3)))
    columns = (
        "media_type, queue_name, direction, started_at, ended_at, first_spoken_at, last_spoken_at, utterance_count"
    )
    assert store.all(f"select {columns} from conversations") == [
        (None, None, None, None, None, AT.format(3), AT.format(3), 1)
    ]
    store.add(
        other("conversation", "c1:started", at=AT.format(1), media_type="voice", direction="inbound"),
        other("participant", "c1:p1:1", queue_name="Sales"),
        other("participant", "c1:p2:2", queue_name="Support"),
        said("k2", spoken_at=AT.format(2), media_type="callback"),
    )
    store.add(other("conversation", "c1:ended", state="ended", at=AT.format(9)))
    assert store.all(f"select {columns} from conversations") == [
        ("voice", "Sales", "inbound", AT.format(1), AT.format(9), AT.format(2), AT.format(3), 2)
    ]


def test_when_we_began_to_hear_comes_from_whichever_event_has_it(store, other) -> None:  # type: ignore[no-untyped-def]
    store.add(other("conversation", "c1:started"), other("participant", "c1:p1:1"))
    assert store.all("select subscribed_at from conversations") == [(None,)]
    store.add(other("conversation", "c1:ended", state="ended", subscribed_at=AT.format(2)))
    store.add(
        other("conversation", "c2:started", conversation_id="c2", subscribed_at=AT.format(1)),
        other("conversation", "c2:ended", conversation_id="c2", state="ended"),
    )
    assert store.all("select conversation_id, subscribed_at from conversations order by 1") == [
        ("c1", AT.format(2)),
        ("c2", AT.format(1)),
    ]


def test_the_queue_of_a_conversation_is_the_first_with_its_own_name(store, other) -> None:  # type: ignore[no-untyped-def]
    store.add(
        other("conversation", "c1:started", queue_id="q1"),
        other("participant", "c1:p1:1", queue_id="q2", queue_name="Second"),
        other("participant", "c1:p2:1", queue_id="q1", queue_name="First"),
        other("conversation", "c1:ended", state="ended", queue_id="q2"),
    )
    assert store.all("select queue_id, queue_name from conversations") == [("q1", "First")]


def test_a_message_is_indexed_and_in_no_view(store, other) -> None:  # type: ignore[no-untyped-def]
    store.add(other("message", "c1::n1"), other("message", "c1::n1"))
    assert store.all("select seq, kind, key, conversation_id from other_rows") == [(1, "m", "c1::n1", "c1")]
    for view in ("utterances", "participants", "gaps", "unreadable", "conversations"):
        assert store.all(f"select * from {view}") == [], view


def test_a_participant_told_again_with_a_lower_revision_changes_nothing(store, other) -> None:  # type: ignore[no-untyped-def]
    store.add(other("participant", "p1", revision=3, left_at=AT.format(5)))
    store.add(other("participant", "p1"), other("participant", "p1", revision=2))
    assert store.all("select revision, left_at from participants") == [(3, AT.format(5))]


def test_a_medium_learnt_later_is_filled_in(store, said) -> None:  # type: ignore[no-untyped-def]
    store.add(said("k1"))
    store.add(said("k2", media_type="chat"))
    store.add(said("k3", media_type="voice"))
    assert store.all("select media_type from conversations") == [("chat",)]


def test_participants_and_gaps_have_one_row_a_key(store, other) -> None:  # type: ignore[no-untyped-def]
    store.add(
        other("participant", "p1", joined_at=AT.format(1)),
        other("participant", "p1", revision=2, joined_at=AT.format(1), left_at=AT.format(5)),
        other("gap", "g1", conversation_ids=["c1", "c2"]),
        other("gap", "g1", conversation_ids=["c1", "c2"]),
    )
    assert store.all("select joined_at, left_at from participants") == [(AT.format(1), AT.format(5))]
    assert store.all("select reason, conversation_ids from gaps") == [("silent", '["c1","c2"]')]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("東京都に住んでいます", "京都"),
        ("我要退款谢谢", "退款"),
        ("환불해 주세요", "불해"),
        ("ฉันต้องการเงินคืน", "เงิ"),
        ("ｶﾀｶﾅ", "ﾀｶ"),
    ],
)
def test_scripts_without_blanks_are_found_by_two_characters(store, said, text: str, part: str) -> None:  # type: ignore[no-untyped-def]
    from genscribe.store.search import parse

    store.add(said("k1", "plain english"), said("k2", text), said("k3", "naïve"), said("k4", part[::-1]))
    match = parse(part).match
    assert match is not None
    assert store.found(match) == [2]
    assert store.found("english") == [1]
    assert store.found("naive") == [3]


def test_slices_move_the_cursor_with_their_rows(store, said) -> None:  # type: ignore[no-untyped-def]
    store.add(*[said(f"k{number}") for number in range(250)], index=False)
    with store.db:
        store.archive.step(store.db, 0, store.head)
    assert store.all("select count(*) from utterances") == store.all("select value from meta where name='archived_to'")
    assert store.archive.behind(store.head) == 250 - ROWS_A_SLICE
    again = Archive(store.db)
    assert again.behind(store.head) == 250 - ROWS_A_SLICE


def test_slices_share_a_commit_only_to_catch_up(store) -> None:  # type: ignore[no-untyped-def]
    assert store.archive.slices(FAR_BEHIND - 1) == 1
    assert store.archive.slices(FAR_BEHIND) == SLICES_TO_CATCH_UP


def test_a_slice_that_was_rolled_back_is_done_again(store, said) -> None:  # type: ignore[no-untyped-def]
    store.add(said("k1"), index=False)
    store.db.execute("begin")
    store.archive.step(store.db, 0, 1)
    store.db.execute("rollback")
    store.archive.undone()
    assert store.archive.wait(0, 1, closing=True) == 0
    with store.db:
        store.archive.step(store.db, 0, 1)
    assert store.all("select key from utterances") == [("k1",)]
    assert store.archive.wait(0, 1, closing=True) is None


def test_lingers_unless_there_is_enough_or_the_end_is_near(store) -> None:  # type: ignore[no-untyped-def]
    archive = store.archive
    assert archive.wait(5.0, 0, closing=False) is None
    assert archive.wait(5.0, 1, closing=False) == pytest.approx(LINGER_S)
    assert archive.wait(5.1, 2, closing=False) == pytest.approx(LINGER_S - 0.1)
    assert archive.wait(5.3, 2, closing=False) == 0
    assert archive.wait(5.1, ENOUGH, closing=False) == 0
    assert archive.wait(5.1, 2, closing=True) == 0


@pytest.mark.parametrize("damage", ["substr(body, 2)", "replace(body, '\"key\"', '\"kex\"')"])
def test_a_row_damaged_on_disk_is_left_out_and_holds_nothing_up(store, said, damage: str) -> None:  # type: ignore[no-untyped-def]
    store.add(said("k1"), said("k2", "日本"), said("k3"), index=False)
    store.db.execute(f"update journal set body = {damage} where seq = 2")
    store.index()
    assert store.all("select key from utterances order by key") == [("k1",), ("k3",)]
    assert store.archive.behind(store.head) == 0


def test_a_fault_of_ours_is_not_taken_for_damage(store, said) -> None:  # type: ignore[no-untyped-def]
    import apsw

    store.add(said("k1"), index=False)
    store.db.execute("drop table conversation_rows")
    with pytest.raises(apsw.SQLError, match="no such table"):
        store.index()
