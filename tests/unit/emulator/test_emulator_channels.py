from __future__ import annotations

import pytest

from genscribe.emulator.channels import EVICTED, EXPIRED, TOKEN_EXPIRED, Channel, Channels
from genscribe.emulator.topics import COMMUNICATION_VIEW, TRANSCRIPTION_VIEW, Ruling, rule, transcription

NOW_MS = 1_774_055_376_000


class Book:
    """Channels, with what ended written down."""

    def __init__(self, **settings: float) -> None:
        self.ended: list[tuple[int, str]] = []
        self.channels = Channels(ended=lambda channel, reason: self.ended.append((channel.number, reason)))
        for name, value in settings.items():
            setattr(self.channels, name, value)

    def make(self, token: str = "t", now: float = 0) -> Channel:
        return self.channels.create(token, now, NOW_MS)

    def subscribe(self, channel: Channel, *names: str, replace: bool = False, now: float = 0) -> bool:
        return self.channels.subscribe(channel, rulings(*names), now, NOW_MS, replace=replace)

    def audience(self, name: str) -> list[int]:
        return [channel.number for channel in self.channels.audience(name)]


def rulings(*names: str) -> list[Ruling]:
    return [rule(name, {TRANSCRIPTION_VIEW, COMMUNICATION_VIEW}) for name in names]


A, B, C = (transcription(name) for name in "abc")


def test_the_21st_channel_evicts_the_longest_unused_without_a_socket() -> None:
    book = Book()
    channels = [book.make() for _ in range(20)]
    for number, channel in enumerate(channels[:-2], 1):
        book.channels.connect(channel, number)
    assert book.subscribe(channels[18], A)
    book.make()
    assert book.ended == [(20, EVICTED)], "19 was used later"
    assert len(book.channels) == 20
    book.make()
    assert book.ended[-1] == (19, EVICTED), "21 is younger"
    assert book.audience(A) == []


def test_when_all_have_a_socket_the_longest_unused_goes() -> None:
    book = Book(quota=2)
    first, second = book.make(), book.make()
    book.channels.connect(first, 1)
    book.channels.connect(second, 2)
    assert book.subscribe(first, A)
    book.make()
    assert book.ended == [(2, EVICTED)]
    assert book.channels.of(2) is None


def test_a_channel_is_found_by_the_token_that_made_it() -> None:
    book = Book()
    channel = book.make("t")
    assert book.channels.find(channel.id, "t") is channel
    assert book.channels.find(channel.id, "other") is None
    assert book.channels.find(channel.id) is channel, "the socket has no token"
    book.channels.token_bound = False
    assert book.channels.find(channel.id, "other") is channel


def test_a_channel_ends_with_its_time_or_its_token() -> None:
    book = Book(life_s=100)
    old, young, orphan = book.make("t", 0), book.make("t", 50), book.make("gone", 50)
    book.channels.expire(99.9, lambda token: None if token == "gone" else 1e9)
    assert book.ended == [(orphan.number, TOKEN_EXPIRED)]
    book.channels.expire(100, lambda token: 1e9)
    assert book.ended[1:] == [(old.number, EXPIRED)]
    assert book.channels.all == [young]


def test_subscribing_prolongs_its_life() -> None:
    book = Book(life_s=100)
    channel = book.make(now=0)
    assert channel.expires == "2026-03-21T01:11:16.000Z"
    assert book.channels.subscribe(channel, rulings(A), 60, NOW_MS + 60_000)
    assert channel.expires == "2026-03-21T01:12:16.000Z"
    book.channels.expire(100, lambda token: 1e9)
    assert book.ended == []
    book.channels.prolonged = False
    assert book.subscribe(channel, B, now=159)
    book.channels.expire(160, lambda token: 1e9)
    assert book.ended == [(1, EXPIRED)]


def test_what_is_told_of_the_end_may_be_anything() -> None:
    channel = Channels().create("t", 0, NOW_MS, "soon")
    assert channel.expires == "soon"


def test_topics_are_added_replaced_and_cleared() -> None:
    book = Book()
    channel = book.make()
    assert book.subscribe(channel, A)
    assert book.subscribe(channel, B)
    assert list(channel.topics) == [A, B]
    assert book.subscribe(channel, C, replace=True)
    assert (book.audience(A), book.audience(B), book.audience(C)) == ([], [], [1])
    book.channels.clear(channel)
    assert (book.audience(C), book.channels.topic_count) == ([], 0)


def test_a_topic_reaches_all_its_channels_in_the_order_of_subscribing() -> None:
    book = Book()
    first, second = book.make(), book.make()
    book.subscribe(second, A)
    book.subscribe(first, A)
    assert book.audience(A) == [2, 1]
    assert not book.channels.holds(A)
    book.channels.connect(first, 7)
    assert book.channels.holds(A)
    book.channels.disconnect(7)
    assert not book.channels.holds(A)
    assert book.channels.topic_count == 1


def test_more_topics_than_a_channel_holds_change_nothing() -> None:
    book = Book(most_topics=2)
    channel = book.make()
    assert book.subscribe(channel, A, B)
    assert book.subscribe(channel, B), "one it has already"
    assert not book.subscribe(channel, C)
    assert not book.subscribe(channel, A, B, C, replace=True)
    assert list(channel.topics) == [A, B]
    assert book.subscribe(channel, C, replace=True)


def test_a_combined_topic_counts_as_one_and_shares_its_parts() -> None:
    book = Book(most_topics=2)
    channel = book.make()
    combined = "v2.routing.queues.q?conversations&conversations.calls"
    assert book.subscribe(channel, combined, "v2.routing.queues.q.conversations")
    assert book.audience("v2.routing.queues.q.conversations.calls") == [1]
    book.channels.forget(channel, 1)
    assert book.audience("v2.routing.queues.q.conversations") == [1], "the other one still has it"
    assert book.audience("v2.routing.queues.q.conversations.calls") == []


def test_the_platform_forgets_the_oldest_topics() -> None:
    book = Book()
    channel = book.make()
    book.subscribe(channel, A, B, C)
    assert book.channels.forget(channel, 2) == [A, B]
    assert list(channel.topics) == [C]


@pytest.mark.parametrize("again", [False, True])
def test_a_second_socket_takes_the_place_of_the_first(again: bool) -> None:
    book = Book()
    channel = book.make()
    assert book.channels.connect(channel, 1) is None
    assert book.channels.connect(channel, 2) == 1
    book.channels.disconnect(1)
    assert (channel.connection, book.channels.of(1)) == (2, None)
    if again:
        book.channels.disconnect(2)
        assert channel.connection is None
        assert book.channels.connect(channel, 3) is None


def test_ids_are_secrets() -> None:
    channel = Channels().create("token", 0, NOW_MS)
    assert channel.id.startswith("streaming-0-")
    assert channel.id not in repr(channel)
    assert "token" not in repr(channel).replace("token_", "")
