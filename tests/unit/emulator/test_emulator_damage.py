from __future__ import annotations

import json
from typing import Any

import pytest
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from genscribe.emulator import wire
from genscribe.emulator.damage import FOREVER, MALFORMED, VIOLATIONS, altered
from genscribe.emulator.faults import Order, Orders

GOOD: dict[str, Any] = {
    "conversationId": "c",
    "mediaType": "voice",
    "timestamp": "2026-01-01T00:00:00.000Z",
    "transcript": [{"timestamp": "2026-01-01T00:00:00.000Z", "speaker": "agent", "text": "hello", "type": "final"}],
}
WHOLE = [wire.text(json.dumps(GOOD).encode())]


def ordered(name: str, times: int | None = 1, **settings: Any) -> Order:
    return Orders().place(name, times=times, **settings)


def client(max_size: int | None = 1 << 20) -> ClientProtocol:
    return ClientProtocol(parse_uri("ws://127.0.0.1"), state=State.OPEN, max_size=max_size)


def frames(messages: list[bytes] | Any) -> list[Frame]:
    protocol = client()
    protocol.receive_data(b"".join(messages))
    return [event for event in protocol.events_received() if isinstance(event, Frame)]


@pytest.mark.parametrize("kind", MALFORMED)
def test_beside_every_malformed_thing_the_good_line_arrives(kind: str) -> None:
    change = altered([ordered("malformed", kind=kind)], GOOD, WHOLE, holding=False)
    heard = frames(change.messages)
    assert [bytes(frame.data) for frame in heard] != [bytes(frame.data) for frame in frames(WHOLE)]
    last = json.loads(bytes(heard[-1].data))
    assert GOOD["transcript"][0] in last["transcript"]
    assert {**last, "transcript": []} == {**GOOD, "transcript": []}


def test_malformed_kinds_come_in_turn() -> None:
    order = ordered("malformed", times=None)
    firsts = []
    for _ in range(len(MALFORMED) + 1):
        firsts.append(bytes(altered([order], GOOD, WHOLE, holding=False).messages[0]))
        order.use()
    assert len(set(firsts)) == len(MALFORMED)
    assert firsts[0] == firsts[-1]


def test_binary_is_binary_and_wrong_types_stand_on_both_sides() -> None:
    binary = altered([ordered("malformed", kind="binary")], GOOD, WHOLE, holding=False)
    assert frames(binary.messages)[0].opcode is Opcode.BINARY
    wrong = altered([ordered("malformed", kind="wrong-types")], GOOD, WHOLE, holding=False)
    lines = json.loads(bytes(frames(wrong.messages)[0].data))["transcript"]
    assert lines[0] == 5
    assert lines[-1] == {"text": ["a"], "speaker": {}}


def test_duplicates_fragments_and_both() -> None:
    assert altered([ordered("duplicate", copies=3)], GOOD, WHOLE, holding=False).messages == WHOLE * 3
    both = [ordered("fragmented", size=10), ordered("duplicate")]
    heard = frames(altered(both, GOOD, WHOLE, holding=False).messages)
    assert sum(frame.fin for frame in heard) == 2
    assert max(len(frame.data) for frame in heard) == 10


def test_an_oversized_frame_has_exactly_the_size_ordered_and_is_json() -> None:
    change = altered([ordered("oversized", size=5000)], GOOD, WHOLE, holding=False)
    big, good = frames(change.messages)
    assert len(big.data) == 5000
    assert json.loads(bytes(big.data))["transcript"] == []
    assert bytes(good.data) == bytes(frames(WHOLE)[0].data)


@pytest.mark.parametrize("settings", [{}, {"declared": (1 << 63) - 1}])
def test_the_default_is_too_big_for_one_mebibyte(settings: dict[str, int]) -> None:
    protocol = client()
    protocol.receive_data(altered([ordered("oversized", **settings)], GOOD, WHOLE, holding=False).messages[0])
    assert protocol.close_sent is not None
    assert protocol.close_sent.code == 1009


@pytest.mark.parametrize(("kind", "data"), VIOLATIONS.items())
def test_every_violation_breaks_the_connection(kind: str, data: bytes) -> None:
    protocol = client()
    protocol.receive_data(data)
    if kind == "utf8":  # the protocol leaves that to whoever decodes
        (frame,) = protocol.events_received()
        with pytest.raises(UnicodeDecodeError):
            bytes(frame.data).decode()
    else:
        assert protocol.close_sent is not None


def test_holding_back() -> None:
    swap = ordered("out-of-order", by=3)
    assert altered([swap], GOOD, WHOLE, holding=False).hold == 3
    spared = altered([swap], GOOD, WHOLE, holding=True)
    assert (spared.hold, spared.used) == (None, ())
    assert altered([ordered("burst", times=5)], GOOD, WHOLE, holding=True).hold == 4
    assert altered([ordered("burst", times=None)], GOOD, WHOLE, holding=True).hold == FOREVER


def test_without_orders_nothing_changes() -> None:
    change = altered([], GOOD, WHOLE, holding=True)
    assert (change.messages, change.hold, change.used) == (WHOLE, None, ())
