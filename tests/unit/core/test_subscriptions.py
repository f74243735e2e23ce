"""Which topics on which shard, and which REST calls: never too many on a channel, never thought heard and not heard."""

from __future__ import annotations

import random
from collections import deque

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from genscribe.core.subscriptions import (
    FILL,
    MOST_SHARDS,
    MOST_TOPICS,
    REOPEN,
    RETRY_FORBIDDEN_MOST_S,
    RETRY_FORBIDDEN_S,
    STALE_S,
    TRIALS,
    UNNAMED_MOST,
    Add,
    Call,
    Plan,
    Replace,
    Subscribed,
    TopicAnswer,
)


def names(count: int, prefix: str = "t") -> list[str]:
    return [f"{prefix}{number}" for number in range(count)]


def permitted(topics) -> list[TopicAnswer]:
    return [TopicAnswer(topic) for topic in topics]


def small() -> Plan:
    return Plan(shards=3, topics=10, fill=8, reopen=4)


# The plan.


def test_the_limits_are_the_platforms():
    assert (MOST_TOPICS, MOST_SHARDS, FILL, Plan().capacity) == (1_000, 19, 900, 19_000)
    assert REOPEN < FILL < MOST_TOPICS


def test_one_shard_is_filled_before_the_next_is_begun():
    plan = Plan()
    assert [plan.want(topic) for topic in names(2_000)] == [0] * 900 + [1] * 900 + [2] * 200
    assert plan.shards == [0, 1, 2]
    assert plan.count == 2_000


def test_wanting_again_changes_nothing():
    plan = small()
    assert [plan.want("a"), plan.want("a"), plan.count] == [0, 0, 1]
    assert list(plan.desired(0)) == ["a"]


def test_the_topics_of_a_shard_come_oldest_first_and_of_an_unknown_shard_none():
    plan = small()
    for topic in "cab":
        plan.want(topic)
    assert list(plan.desired(0)) == ["c", "a", "b"]
    assert (plan.shard_of("a"), plan.shard_of("z")) == (0, None)
    assert list(plan.desired(7)) == []


def test_dropping_names_the_shard_that_has_to_be_told():
    plan = small()
    plan.want("a")
    assert [plan.drop("a"), plan.drop("a"), plan.drop("never")] == [0, None, None]
    assert plan.count == 0


def test_a_full_shard_takes_no_more_until_it_has_fallen_to_reopen():
    plan = small()
    assert [plan.want(topic) for topic in names(9)] == [0] * 8 + [1]
    for topic in names(3):
        plan.drop(topic)
    assert [plan.want(topic) for topic in names(8, "n")] == [1] * 7 + [2]
    plan.drop("t3")
    assert [plan.want(topic) for topic in names(8, "m")] == [2] * 7 + [0]


def test_of_the_shards_open_again_the_fullest_is_filled():
    plan = small()
    by_shard = {shard: [f"{shard}-{number}" for number in range(8)] for shard in range(3)}
    for topics in by_shard.values():
        for topic in topics:
            plan.want(topic)
    for shard, left in ((0, 1), (1, 4), (2, 5)):
        for topic in by_shard[shard][left:]:
            plan.drop(topic)
    assert [plan.want(f"n{number}") for number in range(5)] == [2, 2, 2, 1, 1]
    assert [plan.want(f"m{number}") for number in range(3)] == [1, 1, 0]


def test_when_no_shard_is_open_and_no_number_free_the_emptiest_is_filled_and_at_last_to_the_brim():
    plan = small()
    shards = [plan.want(topic) for topic in names(24)]
    assert [shards.count(shard) for shard in range(3)] == [8, 8, 8]
    plan.drop("t9")
    assert [plan.want(topic) for topic in names(7, "n")] == [1, 0, 0, 1, 1, 2, 2]
    assert plan.count == plan.capacity
    assert plan.want("one too many") is None


def test_what_is_refused_is_admitted_when_there_is_room_first_ones_first_then_the_oldest():
    plan = Plan(shards=1, topics=3, fill=2, reopen=1)
    for topic in names(3):
        plan.want(topic)
    assert [plan.want("old"), plan.want("new"), plan.want("queue", first=True), plan.want("old")] == [None] * 4
    assert plan.refused == {"old", "new", "queue"}
    assert plan.readmitted() == []
    assert plan.pressure() == "full"
    plan.drop("t0")
    assert plan.readmitted() == [("queue", 0)]
    plan.drop("new")
    plan.drop("t1")
    assert plan.readmitted() == [("old", 0)]
    assert plan.refused == set()
    assert plan.pressure() == "near"
    assert list(plan.desired(0)) == ["t2", "queue", "old"]


def test_wanting_a_refused_topic_again_places_it_when_there_is_room():
    plan = Plan(shards=1, topics=1, fill=1, reopen=0)
    plan.want("a")
    plan.want("b")
    plan.drop("a")
    assert plan.want("b") == 0
    assert plan.refused == set()
    assert plan.pressure() == "near"


def test_wanting_a_refused_first_topic_again_leaves_it_first():
    plan = Plan(shards=1, topics=1, fill=1, reopen=0)
    for topic, first in (("a", False), ("b", False), ("queue", True), ("queue", False)):
        plan.want(topic, first=first)
    plan.drop("a")
    assert plan.readmitted() == [("queue", 0)]


def test_after_a_shard_was_filled_to_the_brim_the_next_is_filled_as_usual():
    plan = small()
    topics = names(27)
    where = {topic: plan.want(topic) for topic in topics}
    last = plan.want("last")
    for topic in topics:
        if where[topic] != last:
            plan.drop(topic)
    plan.want("x")
    plan.want("y")
    others = [plan.want(topic) for topic in names(14, "n")]
    assert [others.count(shard) for shard in range(3) if shard != last] == [6, 8]


def test_pressure_is_near_from_nine_tenths_and_does_not_flutter_there():
    plan = Plan(shards=2, topics=50, fill=45, reopen=40)
    seen = [(plan.want(topic), plan.pressure())[1] for topic in names(100)]
    assert seen == ["ok"] * 89 + ["near"] * 11
    for topic in names(16):
        assert plan.pressure() == "near"
        plan.drop(topic)
    assert plan.pressure() == "ok"
    for topic in names(5):
        assert plan.pressure() == "ok"
        plan.want(topic)
    plan.want("t5")
    assert plan.pressure() == "near"


def test_an_empty_shard_is_retired_and_its_number_used_again():
    plan = small()
    for topic in names(9):
        plan.want(topic)
    with pytest.raises(ValueError, match="shard 0"):
        plan.retire(0)
    plan.drop("t8")
    plan.retire(1)
    plan.retire(1)
    assert plan.shards == [0]
    assert plan.want("again") == 1


class PlanUnderChurn(RuleBasedStateMachine):
    """A topic never moves, no shard is overfull, nothing wanted is forgotten."""

    def __init__(self) -> None:
        super().__init__()
        self.plan = small()
        self.where: dict[str, int] = {}
        self.waiting: list[str] = []

    @rule(topic=st.integers(0, 45).map(str))
    def want(self, topic: str) -> None:
        shard = self.plan.want(topic)
        if shard is None:
            if topic not in self.waiting:
                self.waiting.append(topic)
            assert len(self.where) == self.plan.capacity
        else:
            assert self.where.setdefault(topic, shard) == shard
            self.waiting = [each for each in self.waiting if each != topic]

    @rule(data=st.data(), count=st.integers(1, 12))
    def drop(self, data: st.DataObject, count: int) -> None:
        for _ in range(min(count, len(self.where))):
            topic = data.draw(st.sampled_from(sorted(self.where)))
            assert self.plan.drop(topic) == self.where.pop(topic)
        for topic, shard in self.plan.readmitted():
            assert self.waiting.pop(0) == topic
            self.where[topic] = shard

    @rule()
    def drop_refused(self) -> None:
        if self.waiting:
            assert self.plan.drop(self.waiting.pop()) is None

    @rule()
    def retire(self) -> None:
        for shard in self.plan.shards:
            if not self.plan.desired(shard):
                self.plan.retire(shard)

    @invariant()
    def nothing_moves_and_nothing_is_forgotten(self) -> None:
        assert {topic: self.plan.shard_of(topic) for topic in self.where} == self.where
        assert self.plan.count == len(self.where)
        assert self.plan.refused == set(self.waiting)
        assert not (self.waiting and self.plan.count < self.plan.capacity)
        assert sum(len(self.plan.desired(shard)) for shard in self.plan.shards) == len(self.where)
        assert all(len(self.plan.desired(shard)) <= 10 for shard in self.plan.shards)


PlanUnderChurn.TestCase.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)
TestPlanUnderChurn = PlanUnderChurn.TestCase


# One channel.


def with_topics(topics, most: int = MOST_TOPICS) -> Subscribed:
    subscribed = Subscribed(most)
    if topics:
        subscribed.answered(Replace(tuple(topics)), permitted(topics), 0.0)
    assert subscribed.confirmed == set(topics)
    return subscribed


def test_only_what_is_new_is_added_in_one_call():
    subscribed = with_topics(["a", "b"])
    assert subscribed.next_call({"a": 0, "b": 0, "c": 0, "d": 0}.keys(), 0.0) == Add(("c", "d"))
    assert subscribed.answered(Add(("c", "d")), permitted("cd"), 0.0) == []
    assert subscribed.next_call({"a", "b", "c", "d"}, 0.0) is None
    assert not subscribed.look_due


@pytest.mark.parametrize(
    ("confirmed", "stale", "new", "expected"),
    [
        (100, 9, 1, Add),
        (100, 10, 1, Replace),
        (100, 10, 0, Replace),
        (20, 9, 1, Add),
        (20, 10, 1, Replace),
        (950, 94, 1, Add),
        (950, 95, 1, Replace),
        (1000, 99, 0, type(None)),
        (1000, 100, 0, Replace),
        (1000, 1, 1, Replace),  # for want of room
        (999, 1, 1, Add),
        (999, 2, 2, Replace),
        (0, 0, 1000, Add),
        (0, 0, 0, type(None)),
    ],
)
def test_add_or_replace(confirmed: int, stale: int, new: int, expected: type) -> None:
    had = names(confirmed)
    subscribed = with_topics(had)
    desired = dict.fromkeys(had[stale:] + names(new, "n")).keys()
    call = subscribed.next_call(desired, 0.0)
    assert type(call) is expected
    if isinstance(call, Replace):
        assert call.topics == tuple(desired)
    if isinstance(call, Add):
        assert call.topics == tuple(names(new, "n"))


def test_a_few_stale_topics_are_removed_after_a_while_when_nothing_is_to_add():
    subscribed = with_topics(names(50))
    desired = set(names(49))
    assert subscribed.next_call(desired, 100.0) is None
    assert subscribed.next_call(desired, 99.0 + STALE_S) is None
    assert subscribed.next_call({*desired, "new"}, 100.0 + STALE_S) == Add(("new",))
    subscribed.answered(Add(("new",)), permitted(["new"]), 100.0 + STALE_S)
    call = subscribed.next_call({*desired, "new"}, 100.0 + STALE_S)
    assert isinstance(call, Replace)
    assert set(call.topics) == {*desired, "new"}
    subscribed.answered(call, permitted(call.topics), 100.0 + STALE_S)
    assert subscribed.stale(desired) == {"new"}
    assert subscribed.next_call(desired, 101.0 + STALE_S) is None


def test_a_topic_wanted_again_before_it_is_removed_costs_nothing():
    subscribed = with_topics(["a", "b"])
    assert subscribed.next_call({"a"}, 0.0) is None
    assert subscribed.next_call({"a", "b"}, 1.0) is None
    assert subscribed.next_call({"a"}, STALE_S) is None


def test_a_channel_that_should_be_empty_is_emptied():
    subscribed = with_topics(["a"])
    subscribed.next_call(set(), 0.0)
    assert subscribed.next_call(set(), STALE_S) == Replace(())
    subscribed.answered(Replace(()), [], STALE_S)
    assert subscribed.confirmed == set()
    assert not subscribed.look_due
    assert subscribed.next_call(set(), 3 * STALE_S) is None


def test_more_desired_than_a_channel_holds_is_a_mistake_of_the_plan():
    with pytest.raises(AssertionError):
        Subscribed().next_call(set(names(1_001)), 0.0)


def test_a_forbidden_topic_costs_only_itself_and_is_asked_for_again_slowly():
    subscribed = Subscribed()
    no = TopicAnswer("b", permitted=False, reason="no", missing_permissions=("x:y:view",))
    call = subscribed.next_call({"a": 0, "b": 0, "c": 0}.keys(), 0.0)
    assert call is not None
    assert subscribed.answered(call, [*permitted("ac"), no], 10.0) == [no]
    assert subscribed.confirmed == {"a", "c"}
    assert subscribed.forbidden["b"].missing_permissions == ("x:y:view",)
    desired = {"a": 0, "b": 0, "c": 0, "d": 0}.keys()
    assert subscribed.next_call(desired, 11.0) == Add(("d",))
    subscribed.answered(Add(("d",)), permitted("d"), 11.0)
    assert subscribed.next_call(desired, 9.0 + RETRY_FORBIDDEN_S) is None
    assert subscribed.next_call(desired, 10.0 + RETRY_FORBIDDEN_S) == Add(("b",))
    subscribed.answered(Add(("b",)), [no], 400.0)
    assert subscribed.next_call(desired, 399.0 + RETRY_FORBIDDEN_S) is None
    assert subscribed.next_call(desired, 400.0 + RETRY_FORBIDDEN_S) == Add(("b",))
    assert subscribed.answered(Add(("b",)), permitted("b"), 800.0) == []
    assert subscribed.forbidden == {}
    assert subscribed.next_call(desired, 9_999.0) is None


def test_a_forbidden_topic_takes_no_room_and_is_left_out_of_a_replace_even_when_it_is_due():
    subscribed = with_topics(names(100))
    subscribed.next_call({*names(100), "no"}, 0.0)
    subscribed.answered(Add(("no",)), [TopicAnswer("no", permitted=False)], 0.0)
    assert subscribed.stale(set(names(100))) == set()
    desired = dict.fromkeys([*names(80), "no", "new"]).keys()
    call = subscribed.next_call(desired, RETRY_FORBIDDEN_S)
    assert call == Replace((*names(80), "new"))
    subscribed.answered(call, permitted(call.topics), RETRY_FORBIDDEN_S)
    assert subscribed.next_call(desired, RETRY_FORBIDDEN_S) == Add(("no",))


def test_a_forbidden_topic_that_is_no_longer_desired_is_forgotten():
    subscribed = Subscribed()
    subscribed.answered(Add(("a",)), [TopicAnswer("a", permitted=False)], 0.0)
    assert subscribed.next_call(set(), 1.0) is None
    assert subscribed.next_call({"a"}, 2.0) == Add(("a",))


def test_a_topic_that_a_later_answer_forbids_is_no_longer_confirmed():
    subscribed = with_topics(["a", "b"])
    no = TopicAnswer("a", permitted=False)
    assert subscribed.answered(Add(("c",)), [no, *permitted("bc")], 0.0) == [no]
    assert subscribed.confirmed == {"b", "c"}
    assert subscribed.answered(Add(("d",)), [TopicAnswer("strange", permitted=False), *permitted("d")], 0.0) == []


def test_an_answer_may_name_all_of_the_channel_and_what_comes_unasked():
    subscribed = with_topics(["a"])
    subscribed.answered(Add(("b",)), permitted(["a", "b", "other", "v2.system.socket_closing"]), 0.0)
    assert subscribed.confirmed == {"a", "b", "other"}
    assert subscribed.stale({"a", "b"}) == {"other"}


def test_what_an_answer_does_not_name_is_asked_for_again_and_at_last_given_up():
    subscribed = Subscribed()
    desired = {"a": 0, "b": 0}.keys()
    assert subscribed.next_call(desired, 0.0) == Add(("a", "b"))
    assert subscribed.answered(Add(("a", "b")), permitted("a"), 0.0) == []
    assert subscribed.look_due
    for _ in range(UNNAMED_MOST - 2):
        assert subscribed.next_call(desired, 1.0) == Add(("b",))
        assert subscribed.answered(Add(("b",)), permitted("a"), 1.0) == []
    assert subscribed.next_call(desired, 2.0) == Add(("b",))
    assert [answer.id for answer in subscribed.answered(Add(("b",)), permitted("a"), 2.0)] == ["b"]
    assert subscribed.next_call(desired, 3.0) is None
    assert subscribed.next_call(desired, 2.0 + RETRY_FORBIDDEN_S) == Add(("b",))
    assert [answer.id for answer in subscribed.answered(Add(("b",)), permitted("a"), 999.0)] == ["b"]
    assert subscribed.stale(set()) == {"a", "b"}  # it may be there all the same


@pytest.mark.parametrize("forget", ["dropped", "confirmed"])
def test_what_was_not_named_counts_anew_once_it_was_dropped_or_confirmed(forget: str) -> None:
    subscribed = Subscribed()
    for _ in range(UNNAMED_MOST - 1):
        subscribed.answered(Add(("b",)), [], 0.0)
    if forget == "dropped":
        subscribed.next_call(set(), 0.0)
    else:
        subscribed.reconcile({"b"}, {"b"})
        subscribed.reconcile(set(), {"b"})
    assert subscribed.answered(Add(("b",)), [], 0.0) == []


def test_what_a_replace_does_not_name_is_not_confirmed_any_more():
    subscribed = with_topics(["a", "b"])
    subscribed.answered(Replace(("a", "b")), permitted("a"), 0.0)
    assert subscribed.confirmed == {"a"}
    assert subscribed.stale(set()) == {"a", "b"}
    assert subscribed.next_call({"a", "b"}, 0.0) == Add(("b",))


@pytest.mark.parametrize("kind", [Add, Replace])
def test_an_answer_that_names_nothing_confirms_nothing_new_and_asks_for_a_look(kind: type[Call]) -> None:
    subscribed = with_topics(["a"])
    for _ in range(UNNAMED_MOST - 1):
        assert subscribed.answered(kind(("a", "b")), [], 0.0) == []
    assert [answer.id for answer in subscribed.answered(kind(("a", "b")), [], 0.0)] == ["b"]
    assert subscribed.confirmed == {"a"}
    assert subscribed.look_due
    assert subscribed.reconcile({"a", "b"}, {"a", "b"}) == []
    assert not subscribed.look_due
    assert subscribed.confirmed == {"a", "b"}
    assert subscribed.next_call({"a", "b"}, 0.0) is None


def test_after_a_call_without_an_answer_its_topics_take_room_and_are_asked_for_again():
    subscribed = with_topics(names(990))
    first = dict.fromkeys(names(990) + names(8, "n")).keys()
    assert subscribed.next_call(first, 0.0) == Add(tuple(names(8, "n")))
    assert subscribed.next_call(first, 1.0) == Add(tuple(names(8, "n")))
    subscribed.refused_call(Add(tuple(names(8, "n"))), "400", 2.0)  # the second; the first may have come through
    others = dict.fromkeys(names(990) + names(4, "m")).keys()
    assert isinstance(subscribed.next_call(others, 2.0), Replace)
    subscribed.reconcile(names(990), others)
    assert subscribed.next_call(others, 3.0) == Add(tuple(names(4, "m")))
    assert subscribed.stale(others) == set()


def test_after_a_replace_without_an_answer_what_it_left_out_counts_as_gone_and_as_there():
    subscribed = with_topics(names(1_000))
    call = subscribed.next_call(set(names(900)), 0.0)
    assert isinstance(call, Replace)
    assert subscribed.confirmed == set(names(900))
    assert len(subscribed.stale(set(names(900)))) == 100
    again = subscribed.next_call({*names(900), "t950"}, 1.0)
    assert again == Add(("t950",))
    assert isinstance(subscribed.next_call(set(names(900)), 1.0), Replace)


def test_reconcile_tells_what_the_platform_lost_and_what_it_has_too_much():
    subscribed = with_topics(["a", "b", "c"])
    assert subscribed.reconcile({"a", "x", "v2.system.socket_closing"}, {"a": 0, "b": 0}.keys()) == ["b"]
    assert subscribed.stale({"a", "b"}) == {"x"}
    assert subscribed.next_call({"a", "b"}, 0.0) == Add(("b",))


def run(subscribed: Subscribed, desired, bad: set[str], now: float = 0.0) -> list[Call]:
    """Calls until there is none, against a platform that refuses a whole call for one bad topic."""
    calls: list[Call] = []
    while (call := subscribed.next_call(desired, now)) is not None:
        calls.append(call)
        assert len(calls) < 200
        if bad & set(call.topics):
            subscribed.refused_call(call, "400", now)
        else:
            subscribed.answered(call, permitted(call.topics), now)
    return calls


@pytest.mark.parametrize("count", [1, 2, 3, 10, 900, 1000])
@pytest.mark.parametrize("at", [0, 0.5, 1])
def test_a_bad_topic_that_spoils_whole_calls_costs_only_itself(count: int, at: float) -> None:
    topics = names(count)
    bad = topics[round((count - 1) * at)]
    subscribed = Subscribed()
    calls = run(subscribed, dict.fromkeys(topics).keys(), {bad})
    assert set(subscribed.forbidden) == {bad}
    assert subscribed.confirmed == set(topics) - {bad}
    assert subscribed.forbidden[bad].reason == "400"
    assert subscribed.look_due
    assert len(calls) <= 21


def test_a_bad_topic_in_a_replace_costs_only_itself_too():
    subscribed = with_topics(names(1_000))
    desired = dict.fromkeys([*names(800), *names(100, "n"), "bad"]).keys()
    run(subscribed, desired, {"bad"})
    assert subscribed.confirmed == set(desired) - {"bad"}
    assert set(subscribed.forbidden) == {"bad"}


def test_a_replace_that_is_refused_for_the_channels_own_topics_costs_the_new_one_nothing():
    subscribed = with_topics(names(100))
    desired = dict.fromkeys([*names(80), "new"]).keys()
    call = subscribed.next_call(desired, 0.0)
    assert isinstance(call, Replace)
    assert subscribed.refused_call(call, "403", 0.0) == []
    own = subscribed.next_call(desired, 0.0)
    assert own == Replace(tuple(names(80)))
    assert subscribed.refused_call(own, "403", 0.0) == []
    assert subscribed.next_call(desired, 0.0) == Add(("new",))


def test_a_search_asks_for_one_look_and_skips_what_that_finds():
    subscribed = Subscribed()
    desired = dict.fromkeys(names(4)).keys()
    subscribed.refused_call(Add(tuple(names(4))), "400", 0.0)
    assert subscribed.look_due
    subscribed.reconcile({"t0", "t1", "t2"}, desired)
    for _ in range(2):
        assert subscribed.next_call(desired, 0.0) == Add(("t3",))
    subscribed.refused_call(Add(("t3",)), "400", 0.0)
    assert not subscribed.look_due
    assert subscribed.next_call(desired, 0.0) is None


def test_new_topics_do_not_wait_for_the_search():
    subscribed = Subscribed()
    desired = dict.fromkeys(names(100))
    call = subscribed.next_call(desired.keys(), 0.0)
    assert call is not None
    subscribed.refused_call(call, "400", 0.0)
    seen: list[int] = []
    for number in range(4):
        desired[f"n{number}"] = None
        call = subscribed.next_call(desired.keys(), 0.0)
        assert isinstance(call, Add)
        seen.append(len(call.topics))
        subscribed.answered(call, permitted(call.topics), 0.0)
    assert seen == [50, 2, 50, 2]


def test_a_search_without_an_answer_goes_on_where_it_was():
    subscribed = Subscribed()
    desired = dict.fromkeys(names(4)).keys()
    subscribed.refused_call(subscribed.next_call(desired, 0.0) or Add(()), "400", 0.0)
    assert subscribed.next_call(desired, 0.0) == Add(("t0", "t1"))
    assert subscribed.next_call(desired, 0.0) == Add(("t0", "t1"))
    assert set(subscribed.next_call({"t1": 0, "t2": 0, "t3": 0}.keys(), 0.0).topics) == {"t1"}  # type: ignore[union-attr]


def test_a_search_has_a_bound_and_what_it_did_not_reach_waits():
    subscribed = Subscribed()
    desired = dict.fromkeys(names(900)).keys()
    bad = set(names(900))
    assert len(run(subscribed, desired, bad)) == TRIALS
    assert set(subscribed.forbidden) == bad
    assert run(subscribed, desired, bad, RETRY_FORBIDDEN_S - 1) == []
    assert len(run(subscribed, desired, bad, RETRY_FORBIDDEN_S)) == TRIALS
    assert {known.wait_s for known in subscribed.forbidden.values()} == {2 * RETRY_FORBIDDEN_S}
    for _ in range(9):
        run(subscribed, desired, bad, max(known.retry_at for known in subscribed.forbidden.values()))
    assert {known.wait_s for known in subscribed.forbidden.values()} == {RETRY_FORBIDDEN_MOST_S}
    run(subscribed, desired, set(), 1e6)
    assert subscribed.confirmed == bad


def test_a_channel_whose_own_list_is_refused_is_stuck_and_takes_what_still_fits():
    subscribed = with_topics(names(998))
    desired = dict.fromkeys(names(500) + names(10, "n")).keys()
    call = subscribed.next_call(desired, 0.0)
    assert isinstance(call, Replace)
    subscribed.refused_call(call, "403", 0.0)
    own = subscribed.next_call(set(names(500)), 0.0)
    assert isinstance(own, Replace)
    subscribed.refused_call(own, "403", 0.0)
    assert subscribed.stuck(0.0)
    assert subscribed.next_call({*names(500), *names(2, "m")}, 1.0) is not None
    assert subscribed.next_call({*names(500), *names(5, "k")}, 1.0) is None
    desired = dict.fromkeys(names(500) + names(10, "m")).keys()
    assert subscribed.next_call(desired, 2.0) == Add(("m0", "m1"))
    assert not subscribed.stuck(RETRY_FORBIDDEN_S)
    assert isinstance(subscribed.next_call(desired, RETRY_FORBIDDEN_S), Replace)


def test_a_stuck_channel_that_may_be_overfull_takes_nothing():
    subscribed = with_topics(names(998))
    assert isinstance(subscribed.next_call({*names(500), *names(10, "n")}, 0.0), Replace)  # without an answer
    own = subscribed.next_call(set(names(500)), 0.0)
    assert isinstance(own, Replace)
    subscribed.refused_call(own, "403", 0.0)
    assert subscribed.next_call({*names(500), *names(20, "k")}, 1.0) is None


# Against a model of the platform's channel.

MOST = 20


class PlatformChannel:
    """One channel by the facts: POST adds, PUT replaces, more than fit is 400, the answer names some of the topics."""

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self.topics: set[str] = set()
        self.forbidden: set[str] = set()
        self.ignores_errors = True
        self.names = "call"

    def make(self, call: Call) -> list[TopicAnswer] | None:
        """The answer; `None` = the whole call is refused."""
        assert len(call.topics) <= self.most
        wanted = set(call.topics) - self.forbidden
        if not self.ignores_errors and self.forbidden & set(call.topics):
            return None
        after = wanted | (self.topics if isinstance(call, Add) else set())
        assert len(after) <= self.most, "more topics than a channel holds"
        new, self.topics = wanted - self.topics, after
        named = {"call": wanted, "all": after, "new": new, "some": {t for t in wanted if t[-1] > "3"}, "none": set()}
        rejected = set(call.topics) & self.forbidden if self.names != "none" else set()
        return [*permitted(sorted(named[self.names])), *(TopicAnswer(each, permitted=False) for each in rejected)]


class ChannelAgainstAModel(RuleBasedStateMachine):
    """Whatever is wanted, lost, refused or left unsaid: what we believe to hear is sent, and at last all is."""

    def __init__(self) -> None:
        super().__init__()
        self.platform = PlatformChannel()
        self.subscribed = Subscribed(MOST)
        self.desired: dict[str, None] = {}
        self.now = 0.0

    @rule(topics=st.lists(st.integers(0, 60).map(str), max_size=20))
    def want(self, topics: list[str]) -> None:
        for topic in topics:
            if len(self.desired) < MOST:
                self.desired[topic] = None

    @rule(count=st.integers(1, 20))
    def end(self, count: int) -> None:
        for topic in list(self.desired)[:count]:
            del self.desired[topic]

    @rule(topics=st.sets(st.integers(0, 60).map(str), max_size=4), ignores_errors=st.booleans())
    def forbid(self, topics: set[str], ignores_errors: bool) -> None:
        self.platform.forbidden = topics - self.platform.topics
        self.platform.ignores_errors = ignores_errors

    @rule(how=st.sampled_from(["call", "all", "new", "some", "none"]))
    def answer_otherwise(self, how: str) -> None:
        self.platform.names = how

    @rule(meanwhile=st.integers(0, 60).map(str))
    def call(self, meanwhile: str) -> None:
        call = self.subscribed.next_call(self.desired.keys(), self.now)
        if call is None:
            return
        answer = self.platform.make(call)
        if len(self.desired) < MOST:
            self.desired[meanwhile] = None  # the plan goes on while the call is under way
        if answer is None:
            self.subscribed.refused_call(call, "403", self.now)
        else:
            self.subscribed.answered(call, answer, self.now)

    @rule(arrives=st.booleans())
    def call_without_an_answer(self, arrives: bool) -> None:
        call = self.subscribed.next_call(self.desired.keys(), self.now)
        if call is not None and arrives:
            self.platform.make(call)

    @rule()
    def look(self) -> None:
        assert self.subscribed.reconcile(set(self.platform.topics), self.desired.keys()) == []
        assert self.subscribed.confirmed == self.platform.topics

    @rule(data=st.data())
    def the_platform_loses_a_topic(self, data: st.DataObject) -> None:
        self.subscribed.reconcile(set(self.platform.topics), self.desired.keys())
        heard = sorted(self.platform.topics & self.desired.keys())
        if heard:
            lost = data.draw(st.sampled_from(heard))
            self.platform.topics.remove(lost)
            assert self.subscribed.reconcile(set(self.platform.topics), self.desired.keys()) == [lost]

    @rule(seconds=st.sampled_from([1.0, STALE_S, RETRY_FORBIDDEN_S]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def what_we_believe_to_hear_is_sent(self) -> None:
        assert self.subscribed.confirmed & self.desired.keys() <= self.platform.topics

    @invariant()
    def what_is_there_is_known_to_take_room(self) -> None:
        assert self.platform.topics <= self.subscribed.confirmed | self.subscribed._maybe

    @rule()
    def converge(self) -> None:
        bad = self.platform.forbidden & self.desired.keys()
        until, calls = self.now + 2 * RETRY_FORBIDDEN_MOST_S + STALE_S, 0
        while self.now < until:
            if self.subscribed.look_due:
                self.subscribed.reconcile(set(self.platform.topics), self.desired.keys())
            call = self.subscribed.next_call(self.desired.keys(), self.now)
            if call is None:
                self.now += 10.0
                continue
            calls += 1
            answer = self.platform.make(call)
            if answer is None:
                self.subscribed.refused_call(call, "403", self.now)
            else:
                self.subscribed.answered(call, answer, self.now)
        assert self.platform.topics == self.desired.keys() - bad
        assert self.subscribed.confirmed == self.platform.topics
        assert calls < 100 + 40 * len(bad)


ChannelAgainstAModel.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestChannelAgainstAModel = ChannelAgainstAModel.TestCase


# How many REST calls it costs.


class Day:
    """Starts and ends at a rate, each shard with one writer that waits `spacing_s` between its calls."""

    def __init__(self, live: int, *, spacing_s: float, seed: int = 1) -> None:
        self.chance = random.Random(seed)
        self.plan = Plan()
        self.spacing_s = spacing_s
        self.channels: dict[int, tuple[Subscribed, PlatformChannel]] = {}
        self.free_at: dict[int, float] = {}
        self.live: list[str] = []
        self.count = 0
        self.since: dict[str, float] = {}
        self.waits: list[float] = []
        self.calls: deque[tuple[float, Call]] = deque()
        for _ in range(live):
            self.start(0.0)

    def start(self, now: float) -> None:
        self.count += 1
        topic = f"v2.conversations.{self.count}.transcription"
        self.live.append(topic)
        self.since[topic] = now
        assert self.plan.want(topic) is not None

    def end(self) -> None:
        at = self.chance.randrange(len(self.live))
        self.live[at], self.live[-1] = self.live[-1], self.live[at]
        self.plan.drop(self.live.pop())

    def serve(self, now: float) -> None:
        for shard in self.plan.shards:
            subscribed, platform = self.channels.setdefault(shard, (Subscribed(), PlatformChannel(MOST_TOPICS)))
            if self.free_at.get(shard, 0.0) > now:
                continue
            call = subscribed.next_call(self.plan.desired(shard), now)
            if call is None:
                continue
            had = set(subscribed.confirmed)
            subscribed.answered(call, platform.make(call) or [], now)
            self.waits += [now - self.since.pop(topic) for topic in subscribed.confirmed - had]
            self.free_at[shard] = now + self.spacing_s
            self.calls.append((now, call))

    def pass_by(self, minutes: float, *, starts: int, ends: int, step_s: float = 0.1) -> list[int]:
        """Calls in each minute."""
        began = getattr(self, "now", 0.0)
        per_minute: list[int] = []
        self.calls.clear()
        steps = round(minutes * 60 / step_s)
        done_starts = done_ends = 0
        for step in range(steps):
            now = self.now = began + step * step_s
            while done_starts < starts * (step + 1) / (60 / step_s):
                self.start(now)
                done_starts += 1
            while done_ends < ends * (step + 1) / (60 / step_s) and self.live:
                self.end()
                done_ends += 1
            self.serve(now)
        self.now = began + steps * step_s
        for minute in range(round(minutes)):
            first = began + 60 * minute
            per_minute.append(sum(first <= now < first + 60 for now, _ in self.calls))
        return per_minute


def test_a_thousand_starts_and_ends_a_minute_cost_a_third_of_the_rest_budget():
    day = Day(6_000, spacing_s=0.6)
    day.serve(0.0)
    assert len(day.calls) == 7
    per_minute = day.pass_by(5, starts=1_000, ends=1_000)
    assert max(per_minute) < 120
    assert len(day.plan.shards) <= 9
    assert max(day.waits) <= 1.2
    for shard, (subscribed, platform) in day.channels.items():
        assert platform.topics == subscribed.confirmed
        assert len(day.plan.desired(shard) - platform.topics) <= 20


def test_when_the_day_ends_few_channels_are_left():
    day = Day(6_000, spacing_s=0.6)
    day.serve(0.0)
    per_minute = day.pass_by(20, starts=500, ends=800, step_s=0.2)
    assert max(per_minute) < 120
    day.pass_by(20, starts=150, ends=150, step_s=0.2)
    for shard in day.plan.shards:
        if not day.plan.desired(shard):
            day.plan.retire(shard)
    assert day.plan.count == len(day.live)
    assert len(day.plan.shards) <= 3
