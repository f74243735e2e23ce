"""The splitter against the library's own parser: the same messages, whatever the frames and however they are cut."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.protocol import CLIENT, Protocol, State

from genscribe.emulator import wire
from genscribe.sources.framing import HANDSHAKE_END, LARGEST_REST, Splitter

HEAD = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket" + HANDSHAKE_END

FRAMES = st.one_of(
    st.binary(max_size=300).map(wire.text),
    st.binary(max_size=300).map(lambda body: wire.frame(body, wire.BINARY)),
    st.binary(max_size=100).map(lambda body: wire.frame(body, wire.PING)),
    st.lists(st.binary(max_size=40), min_size=2, max_size=4).map(
        lambda parts: b"".join(
            wire.frame(part, 0x1 if not index else wire.CONTINUATION, fin=index == len(parts) - 1)
            for index, part in enumerate(parts)
        )
    ),
    st.sampled_from([66_000, 70_000, LARGEST_REST + 1000]).map(lambda size: wire.text(b"x" * size)),
    st.sampled_from([wire.frame(b"{}", rsv=4), wire.frame(b"{}", masked=True), wire.frame(b"", wire.CLOSE)]),
)


class Library:
    """The library's parser as the connection uses it: messages in order, and how it ended."""

    def __init__(self) -> None:
        self.protocol = Protocol(CLIENT, max_size=2**20)
        self.messages: list[bytes] = []
        self.fragments: bytearray | None = None

    def feed(self, data: bytes) -> bool:
        if self.protocol.state is State.OPEN:
            self.protocol.receive_data(data)
        for event in self.protocol.events_received():
            assert isinstance(event, Frame)
            self._take(event)
        return self.fragments is None and self.protocol.state is State.OPEN

    def _take(self, frame: Frame) -> None:
        if frame.opcode.name in ("TEXT", "BINARY") and frame.fin:
            self.messages.append(bytes(frame.data))
        elif frame.opcode.name in ("TEXT", "BINARY", "CONT"):
            self.fragments = (self.fragments or bytearray()) + frame.data
            if frame.fin:
                self.messages.append(bytes(self.fragments))
                self.fragments = None

    @property
    def end(self) -> tuple[State, int | None]:
        sent = self.protocol.close_sent
        return self.protocol.state, sent.code if sent else None


def split(data: bytes, cuts: list[int]) -> Library:
    library = Library()
    head: list[bytes] = []

    def other(piece: bytes) -> bool:
        if b"".join(head) != HEAD:
            head.append(piece)
            return True
        return library.feed(piece)

    splitter = Splitter(text=library.messages.append, other=other)
    stream = HEAD + data
    edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    for begin, end in itertools.pairwise(edges):
        splitter.feed(stream[begin:end])
    return library


@given(st.lists(FRAMES, max_size=12), st.lists(st.integers(min_value=0, max_value=10**6), max_size=12))
@example([wire.text(b"a"), wire.frame(b"p", wire.PING), wire.text(b"")], [0, 1, 2, 3, 60])
@example([wire.frame(b"a", 0x1, fin=False), wire.text(b"illegal here")], [])
def test_the_same_messages_as_the_library_however_the_bytes_are_cut(frames: list[bytes], cuts: list[int]) -> None:
    alone = Library()
    alone.feed(b"".join(frames))
    both = split(b"".join(frames), cuts)
    assert both.messages == alone.messages
    assert both.end == alone.end


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 255, 256, 65_535])
def test_text_frames_never_reach_the_library(size: int) -> None:
    seen: list[bytes] = []
    messages: list[bytes] = []
    splitter = Splitter(text=messages.append, other=lambda data: seen.append(data) or True)
    splitter.feed(HEAD + wire.text(b"x" * size) * 2)
    assert messages == [b"x" * size] * 2
    assert seen == [HEAD]


def test_one_byte_at_a_time() -> None:
    data = wire.text(b"one") + wire.frame(b"p", Opcode.PONG) + wire.text(b"y" * 200)
    assert split(data, list(range(len(HEAD) + len(data)))).messages == [b"one", b"y" * 200]


def test_a_refused_handshake_is_the_librarys_with_its_body() -> None:
    seen = bytearray()
    splitter = Splitter(text=lambda text: pytest.fail("no text"), other=lambda data: bool(seen.extend(data)))
    answer = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 6\r\n\r\n" + wire.text(b"body")
    for index in range(0, len(answer), 7):
        splitter.feed(answer[index : index + 7])
    assert bytes(seen) == answer


def test_a_declared_monster_is_left_to_the_library_at_once() -> None:
    library = split(wire.text(b"a") + wire.frame(b"{}", declared=(1 << 63) - 1), [])
    assert library.messages == [b"a"]
    assert library.end == (State.CLOSING, 1009)
