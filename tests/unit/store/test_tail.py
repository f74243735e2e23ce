from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from genscribe.store.tail import ROW_OVERHEAD, Tail, weight


def rows(*bodies: bytes) -> list[tuple[str, bytes, bytes | None]]:
    return [("utterance", body, None) for body in bodies]


def test_weight_counts_bodies_raw_frames_and_overhead() -> None:
    assert weight([("unreadable", b"12", b"345"), ("gap", b"6", None)]) == 6 + 2 * ROW_OVERHEAD


def test_reads_across_commits_and_knows_how_far_back_it_goes() -> None:
    tail = Tail(10, 100)
    tail.add(10, rows(b"11", b"12"), 40)
    tail.add(12, rows(b"13"), 40)
    assert [(record.seq, record.body) for record in tail.read(10, 9) or []] == [(11, b"11"), (12, b"12"), (13, b"13")]
    assert tail.read(9, 9) is None
    assert tail.read(13, 9) == []
    tail.add(13, rows(b"14"), 40)
    assert tail.start == 12
    assert tail.read(11, 9) is None
    assert [record.seq for record in tail.read(12, 1) or []] == [13]


def test_the_newest_commit_stays_however_large() -> None:
    tail = Tail(0, 10)
    tail.add(0, rows(b"1"), 1000)
    assert [record.seq for record in tail.read(0, 9) or []] == [1]
    tail.add(1, rows(b"2"), 1000)
    assert tail.start == 1


@given(st.lists(st.integers(1, 5), max_size=20), st.integers(0, 60), st.integers(1, 30), st.integers(1, 12))
def test_gives_what_a_list_would_give(sizes: list[int], after: int, limit: int, room: int) -> None:
    tail, head = Tail(0, room), 0
    for size in sizes:
        tail.add(head, rows(*[b"%d" % (head + 1 + number) for number in range(size)]), size)
        head += size
    found = tail.read(after, limit)
    if found is None:
        assert after < tail.start
    else:
        expected = list(range(after + 1, min(after + limit, head) + 1))
        assert [record.seq for record in found] == expected
        assert [record.body for record in found] == [b"%d" % seq for seq in expected]
