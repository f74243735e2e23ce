from __future__ import annotations

import pytest
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from genscribe.emulator import wire


def read(data: bytes) -> list[Frame]:
    """What the library, a client here, makes of these bytes."""
    protocol = ClientProtocol(parse_uri("ws://127.0.0.1"), state=State.OPEN, max_size=None)
    protocol.receive_data(data)
    return [event for event in protocol.events_received() if isinstance(event, Frame)]


@pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 65535, 65536, 70000])
def test_every_form_of_length_is_read_back(length: int) -> None:
    (frame,) = read(wire.text(b"x" * length))
    assert (frame.opcode, frame.fin, len(frame.data)) == (Opcode.TEXT, True, length)


def test_text_and_binary_have_their_opcodes() -> None:
    frames = read(wire.text("é") + wire.binary(b"\x00"))
    assert [(frame.opcode, bytes(frame.data)) for frame in frames] == [
        (Opcode.TEXT, "é".encode()),
        (Opcode.BINARY, b"\x00"),
    ]


def test_fragments_are_one_message() -> None:
    frames = read(wire.fragments(b"hello", 2))
    assert [(frame.opcode, frame.fin, bytes(frame.data)) for frame in frames] == [
        (Opcode.TEXT, False, b"he"),
        (Opcode.CONT, False, b"ll"),
        (Opcode.CONT, True, b"o"),
    ]
    assert [frame.fin for frame in read(wire.fragments(b"", 2))] == [True]


def test_a_close_frame_may_carry_any_code_or_none() -> None:
    assert wire.close(1012, "later") == b"\x88\x07\x03\xf4later"
    assert wire.close(1006) == b"\x88\x02\x03\xee"
    assert wire.close(None) == b"\x88\x00"


def test_what_is_forbidden_can_be_written() -> None:
    assert wire.frame(b"", rsv=4) == b"\xc1\x00"
    assert wire.frame(b"", masked=True) == b"\x81\x80\0\0\0\0"
    assert wire.frame(b"{", declared=1 << 40)[:2] == b"\x81\x7f"


def test_batches_are_limited_by_count_and_by_size() -> None:
    frames = [wire.text(b"x" * 10)] * 7
    assert [count for _, count in wire.batches(frames, 3)] == [3, 3, 1]
    assert b"".join(data for data, _ in wire.batches(frames, 3)) == b"".join(frames)
    big = [wire.text(b"x" * wire.BATCH_BYTES)] * 3
    assert [count for _, count in wire.batches(big, 1000)] == [1, 1, 1]
    assert list(wire.batches([], 3)) == []
