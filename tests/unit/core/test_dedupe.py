"""`core/dedupe.py`: an event heard twice is taken once, a changed one gets the next revision, memory has a bound."""

from __future__ import annotations

from itertools import permutations

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from genscribe.core.dedupe import LEFT, Ongoing, Window, content_of, heard
from genscribe.events import Conversation, Event, Gap, Message, Participant, Unreadable, Utterance, encode

WINDOW_S = 600.0


def utterance(text: str = "hello", **fields: object) -> Utterance[str]:
    return msgspec.structs.replace(Utterance[str](key="k", revision=1, text=text), **fields)


EVENTS: dict[str, Event[str]] = {
    "utterance": utterance(received_at="2026-03-21T01:09:56.000Z"),
    "conversation": Conversation(key="c:started", revision=1, conversation_id="c", state="started"),
    "participant": Participant(key="c:p:t", revision=1, conversation_id="c", participant_id="p"),
    "gap": Gap(key="s:t", revision=1, started_at="a", ended_at="b", reason="silent", conversation_ids=["c"]),
    "unreadable": Unreadable(key="u", revision=1, received_at="a", reason="not JSON", raw=b"\xff"),
}


@pytest.mark.parametrize(
    ("heard", "taken"),
    [
        # Each is (revision, text); what is taken is the revision it gets, None for a duplicate.
        ([(1, "a")], [1]),
        ([(1, "a"), (1, "a")], [1, None]),
        ([(1, "a"), (1, "ab")], [1, 2]),
        ([(1, "a"), (1, "ab"), (1, "ab"), (1, "abc")], [1, 2, None, 3]),
        ([(1, "a"), (1, "ab"), (1, "a")], [1, 2, 3]),
        ([(0, "a"), (0, "a")], [0, None]),
        ([(0, "a"), (0, "ab"), (0, "a")], [0, 0, 0]),
        ([(0, "a"), (0, "ab"), (1, "ab")], [0, 0, 1]),
        ([(0, "a"), (1, "a"), (0, "a"), (0, "b")], [0, 1, None, None]),
        ([(0, "a"), (1, "b"), (0, "c"), (1, "b"), (1, "d")], [0, 1, None, None, 2]),
    ],
)
def test_an_utterance_is_taken_as_the_contract_has_it(heard: list[tuple[int, str]], taken: list[int | None]) -> None:
    window = Window()
    assert [window.judge("k", revision, content_of(utterance(text)), 0.0) for revision, text in heard] == taken


def test_whatever_the_order_each_of_many_keys_is_taken_once() -> None:
    for order in permutations("aabbc"):
        window = Window()
        assert sum(window.judge(key, 1, 0, 0.0) is not None for key in order) == 3


def test_interims_are_not_counted_so_that_machines_agree() -> None:
    some, none = Window(), Window()
    for text in ("a", "ab", "abc"):
        some.judge("k", 0, content_of(utterance(text)), 0.0)
    finals = [content_of(utterance(text)) for text in ("abc", "abd")]
    assert [some.judge("k", 1, content, 0.0) for content in finals] == [1, 2]
    assert [none.judge("k", 1, content, 0.0) for content in finals] == [1, 2]


# Time and capacity


def test_a_key_is_remembered_for_the_whole_window() -> None:
    window = Window()
    for n in range(10):
        assert window.judge(f"k{n}", 1, 0, n * 60.0) == 1
    for n in range(10):
        assert window.judge(f"k{n}", 1, 0, n * 60.0 + WINDOW_S - 0.1) is None


def test_each_time_a_key_comes_again_it_is_remembered_anew() -> None:
    window = Window()
    window.judge("k", 1, 0, 0.0)
    for n in range(1, 20):
        assert window.judge("k", 1, 0, n * (WINDOW_S - 1)) is None


def test_a_key_is_forgotten_at_last() -> None:
    window = Window()
    window.judge("k", 1, 0, 0.0)
    assert window.judge("k", 1, 0, 3 * WINDOW_S) == 1
    for n in range(4, 8):
        window.judge("other", 1, 0, n * WINDOW_S)
    assert window.judge("k", 1, 0, 8 * WINDOW_S) == 1


@pytest.mark.parametrize("count", [2, 499, 500, 501, 999, 1_000, 1_001, 2_749])
def test_never_more_keys_than_the_capacity_and_never_fewer_than_half(count: int) -> None:
    window = Window(capacity=1_000)
    for n in range(count):
        window.judge(f"k{n}", 1, 0, 0.0)
        assert len(window) <= 1_000
    assert window.judge(f"k{max(0, count - 500)}", 1, 0, 0.0) is None


# What an event says


@pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS.keys())
def test_a_row_of_the_journal_is_remembered_as_it_was_judged(event: Event[str]) -> None:
    stored = msgspec.structs.replace(event, revision=3)
    if isinstance(stored, Unreadable):
        stored = msgspec.structs.replace(stored, raw=msgspec.UNSET)
    window = Window()
    window.recall(heard(encode(stored)), 0.0)
    window.recall(heard(b'{"seq":17,' + encode(stored)[1:]), 0.0)
    assert window.judge(event.key, 1, content_of(event), 1.0) is None
    assert window.judge(event.key, 1, content_of(event) + 1, 1.0) == 4


def test_when_it_was_received_is_no_part_of_what_it_says() -> None:
    assert content_of(utterance(received_at="a")) == content_of(utterance(received_at="b", source="other"))
    unreadable = EVENTS["unreadable"]
    assert content_of(unreadable) == content_of(msgspec.structs.replace(unreadable, received_at="b"))


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        ("utterance", "text", "other"),
        ("participant", "left_at", "t"),
        ("gap", "ended_at", "c"),
        ("gap", "conversation_ids", None),
    ],
)
def test_what_it_says_is_its_content(kind: str, field: str, value: object) -> None:
    event = EVENTS[kind]
    assert content_of(event) != content_of(msgspec.structs.replace(event, **{field: value}))


@pytest.mark.parametrize(
    ("event", "changes"),
    [
        (EVENTS["conversation"], {"at": "t", "subscribed_at": "t", "queue_id": "q", "media_type": "voice"}),
        (Message[str](key="c:m:n", revision=1, conversation_id="c", message_id="n"), {"at": "t", "speaker": "agent"}),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_a_start_and_a_message_are_said_once_however_they_are_told(event: Event[str], changes: dict[str, str]) -> None:
    assert content_of(event) == content_of(msgspec.structs.replace(event, **changes))


# What goes on


def start(conversation: str = "c", **fields: str) -> Conversation[str]:
    return Conversation[str](f"{conversation}:started", 1, conversation, "started", **fields)


def end(conversation: str = "c") -> Conversation[str]:
    return Conversation[str](f"{conversation}:ended", 1, conversation, "ended")


def part(conversation: str = "c", *, revision: int = 1, **fields: str) -> Participant[str]:
    return Participant[str](f"{conversation}:p:t", revision, conversation, "p", **fields)


def test_what_goes_on_is_remembered_however_long() -> None:
    ongoing = Ongoing()
    assert [ongoing.judge(event, 0.0) for event in (start(), part(), part(user_id="u"))] == [1, 1, 2]
    for n in range(1_000):
        ongoing.judge(start(f"other{n}"), n * WINDOW_S)
    late = 2_000 * WINDOW_S
    assert ongoing.judge(start(at="another"), late) is None
    assert ongoing.judge(part(user_id="u"), late) is None
    assert ongoing.judge(part(user_id="v"), late) == 3


def test_what_has_ended_is_remembered_for_a_window() -> None:
    ongoing = Ongoing()
    for event in (start(), part(), end()):
        ongoing.judge(event, 100.0)
    assert ongoing.judge(end(), 100.0 + WINDOW_S - 0.1) is None
    assert ongoing.judge(part(user_id="u"), 100.0 + WINDOW_S - 0.1) == 2
    assert len(ongoing) == 3
    ongoing.judge(start("other"), 100.0 + WINDOW_S)
    assert len(ongoing) == 1


def test_what_goes_on_is_recalled_with_its_highest_revision_whatever_the_order() -> None:
    for told in permutations([part(), part(revision=2, user_id="u"), part(revision=3, user_id="v")]):
        ongoing = Ongoing()
        for event in told:
            ongoing.recall(event, 0.0)
        assert ongoing.judge(part(user_id="v"), 1.0) is None
        assert ongoing.judge(part(user_id="w"), 1.0) == 4


def test_who_left_counts_for_more_than_every_change_that_another_process_saw() -> None:
    old, new = Ongoing(), Ongoing()
    assert [old.judge(part(user_id=user), 0.0) for user in "uvw"] == [1, 2, 3]
    assert new.judge(part(user_id="w"), 0.0) == 1
    assert old.judge(part(user_id="w", left_at="t"), 1.0) == new.judge(part(user_id="w", left_at="t"), 1.0) == LEFT
    assert new.judge(part(user_id="w", left_at="t"), 2.0) is None
    assert new.judge(part(user_id="w"), 3.0) == LEFT + 1, "back again"
    assert new.judge(part(user_id="w", left_at="t"), 4.0) == LEFT + 2


def test_never_more_of_what_goes_on_than_the_capacity() -> None:
    ongoing = Ongoing(capacity=10)
    ongoing.judge(start("busy"), 0.0)
    for n in range(100):
        assert ongoing.judge(start("busy"), 0.0) is None, "it is not the one of which nothing was told for longest"
        for event in (start(f"c{n}"), part(f"c{n}")):
            ongoing.judge(event, 0.0)
            assert len(ongoing) <= 10
    assert ongoing.judge(part("c99"), 0.0) is None
    assert ongoing.judge(part("c1"), 0.0) == 1


def test_one_conversation_of_too_much_costs_only_memory_of_itself() -> None:
    ongoing = Ongoing(capacity=3)
    for n in range(10):
        event = Message[str](f"c:m:{n}", 1, "c", f"{n}")
        assert ongoing.judge(event, 0.0) == 1
        assert len(ongoing) <= 3


# Against a naive model


class AgainstTheModel(RuleBasedStateMachine):
    """The model keeps everything. Where the window may have forgotten, but need not, it may judge either way."""

    CAPACITY = 8

    def __init__(self) -> None:
        super().__init__()
        self.window = Window(window_s=10.0, capacity=self.CAPACITY)
        self.now = 0.0
        self.last: dict[str, tuple[int, int]] = {}
        self.judged: dict[str, float] = {}
        """When each key was judged last, in that order."""

    @rule(key=st.sampled_from("abcdefghijkl"), revision=st.integers(0, 1), content=st.integers(-1, 1))
    def judge(self, key: str, revision: int, content: int) -> None:
        allowed: set[int | None] = set()
        if not self._surely_remembered(key):
            allowed.add(revision)
        if not self._surely_forgotten(key):
            allowed.add(self._expected(key, revision, content))
        taken = self.window.judge(key, revision, content, self.now)
        assert taken in allowed
        if taken is not None:
            self.last[key] = (taken, content)
        self.judged.pop(key, None)
        self.judged[key] = self.now

    @rule(key=st.sampled_from("abc"), revision=st.integers(0, 3), content=st.integers(-1, 1))
    def remember(self, key: str, revision: int, content: int) -> None:
        self.window.remember(key, revision, content, self.now)
        self.last[key] = (revision, content)
        self.judged.pop(key, None)
        self.judged[key] = self.now

    @rule(seconds=st.sampled_from([0.5, 3.0, 9.9, 10.0, 25.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def bounded(self) -> None:
        assert len(self.window) <= self.CAPACITY

    def _expected(self, key: str, revision: int, content: int) -> int | None:
        last, said = self.last[key]
        if revision == 0:
            return 0 if last == 0 and content != said else None
        if last == 0:
            return 1
        return last + 1 if content != said else None

    def _surely_remembered(self, key: str) -> bool:
        if key not in self.judged:
            return False
        since = list(self.judged).index(key)
        return self.now - self.judged[key] < 10.0 and len(self.judged) - since - 1 < self.CAPACITY // 2

    def _surely_forgotten(self, key: str) -> bool:
        return key not in self.judged or self.now - self.judged[key] >= 30.0


TestAgainstTheModel = AgainstTheModel.TestCase
TestAgainstTheModel.settings = settings(max_examples=200, stateful_step_count=60, deadline=None)
