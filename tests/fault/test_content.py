"""Rows C2 to C12 of the fault matrix and the close codes that no close code is: what comes over an open connection."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from genscribe.emulator import Emulator, wire
from genscribe.emulator.damage import MALFORMED
from genscribe.emulator.platform import Line
from tests.fault.rig import rig
from tests.virtual_time import VIRTUAL, move_wall_clock

pytestmark = pytest.mark.anyio

MIB = 1 << 20


@pytest.fixture
def anyio_backend() -> Any:
    return VIRTUAL


@pytest.fixture(autouse=True)
def _wall_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    move_wall_clock(monkeypatch)


def send(platform: Emulator, data: bytes) -> None:
    """Bytes as they are, to every connection."""
    for connection in platform.connections:
        connection._write(data)


# Close codes


@pytest.mark.parametrize(
    "payload",
    [b"", *(code.to_bytes(2, "big") for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535))],
    ids=lambda payload: str(int.from_bytes(payload, "big")) if payload else "none",
)
async def test_a_close_code_that_must_not_be_ends_the_connection_once(payload: bytes) -> None:
    async with rig(Emulator()) as run:
        await run.platform.wait_connected()
        run.platform.fault("close-payload", payload=payload)
        await run.heard.until(lambda: run.heard.open_gap is not None, within_s=2.5)
        await run.heard.until(lambda: run.heard.open_gap is None)
        run.platform.say("after")
        await run.hears("after")
        assert len(run.platform.ledger.handshakes) == 2
        assert len(run.heard.gaps) == 1


async def test_a_flapping_server_is_dialled_ever_more_rarely_for_hours() -> None:
    platform = Emulator()
    platform.fault("flap")
    async with rig(platform) as run:
        await anyio.sleep(3600)
        first = len(platform.ledger.handshakes)
        assert first <= 12 * 60
        await anyio.sleep(3600)
        assert len(platform.ledger.handshakes) - first <= 150, "half a minute apart on average, by then"
        assert run.ended is None
        assert len(platform.ledger.token_requests) == 1


# C2: control frames


async def test_c2_pings_are_answered_and_pongs_that_nobody_asked_for_are_not_minded() -> None:
    async with rig(Emulator()) as run:
        await run.platform.wait_connected()
        send(run.platform, wire.frame(b"x" * 125, wire.PING) * 2000 + wire.frame(b"\xff" * 125, 0xA) * 2000)
        run.platform.say("behind them")
        await run.hears("behind them")
        await anyio.sleep(120)
        assert run.heard.gaps == []
        assert run.heard.open_gap is None


async def test_c2_a_server_that_pings_and_does_not_read_is_left() -> None:
    """Its pongs would gather in our memory without end."""
    async with rig(Emulator()) as run:
        await run.platform.wait_connected()
        (connection,) = run.platform.connections
        connection._transport.pause_reading()
        with anyio.fail_after(60):
            for _ in range(400):
                send(run.platform, wire.frame(b"x" * 125, wire.PING) * 1000)
                await connection.drain()
                await anyio.sleep(0)
                if run.heard.open_gap is not None:
                    break
        assert run.heard.open_gap is not None
        await run.heard.until(lambda: run.heard.open_gap is None)


# C4, C5, C6: frames too slow, too many, too large


async def test_c4_a_frame_that_never_ends_costs_a_quarter_of_an_hour_and_no_gap() -> None:
    """Bytes flow, so the line is not dead; without a whole frame the connection is replaced as one that stalled."""
    async with rig(Emulator()) as run:
        await run.platform.wait_connected()
        run.platform.fault("slow", connection=1, chunk=1, every_s=5.0)
        run.platform.say("y" * 2000)
        await run.platform.wait_handshakes(2, within_s=16 * 60)
        await anyio.sleep(10)
        run.platform.say("over the new one")
        await run.hears("over the new one")
        assert run.heard.gaps == []


@pytest.mark.parametrize("count", [1000, 200_000])
async def test_c4_a_message_in_very_many_fragments(count: int) -> None:
    """Either it is read, or it costs its connection, and never the ones after it."""
    async with rig(Emulator()) as run:
        await run.platform.wait_connected()
        text = b'{"conversationId":"c","transcript":[{"text":"' + b"z" * count + b'"}]}'
        send(run.platform, wire.fragments(text, 1))
        await run.heard.until(lambda: run.heard.texts or run.heard.gaps)
        run.platform.say("next")
        await run.hears("next")
        assert (len(run.heard.gaps) == 0) is (run.heard.texts[0] == "z" * count)


async def test_c5_fragments_that_together_are_too_large_cost_the_connection() -> None:
    async with rig(Emulator()) as run:
        await run.platform.wait_connected()
        part = b"w" * (MIB // 2)
        send(run.platform, wire.frame(part, fin=False) + wire.frame(part, wire.CONTINUATION, fin=False))
        await anyio.sleep(1)
        assert run.heard.open_gap is None, "1 MiB is not too much"
        send(run.platform, wire.frame(b"w", wire.CONTINUATION))
        await run.heard.until(lambda: len(run.heard.gaps) == 1)
        assert run.platform.ledger.closures[0].code == 1009
        run.platform.say("next")
        await run.hears("next")


async def test_c5_what_waits_to_be_read_is_bounded_in_bytes() -> None:
    async with rig(Emulator()) as run:
        await run.platform.wait_connected()
        run.heard.full = True
        frame = wire.text(b'{"conversationId":"c","transcript":[{"text":"' + b"v" * (MIB - 100) + b'"}]}')
        for _ in range(64):
            send(run.platform, frame)
            await anyio.sleep(0.1)
        await anyio.sleep(5)
        connection = run.source._last.socket._connection  # type: ignore[union-attr]
        assert sum(map(len, connection.inbox)) <= 6 * MIB
        run.heard.full = False
        run.heard.hearing(heard_at=0)
        await run.heard.until(lambda: len(run.heard.texts) == 64)


async def test_c6_compression_is_not_offered() -> None:
    async with rig(Emulator()) as run:
        await run.platform.wait_connected()
        headers = {name.lower() for name in run.platform.ledger.handshakes[0].headers}
        assert "sec-websocket-extensions" not in headers


# C9 to C12: what frames say


@pytest.mark.parametrize("kind", sorted(MALFORMED))
async def test_c9_what_is_malformed_costs_only_itself(kind: str) -> None:
    async with rig(Emulator()) as run:
        await run.platform.wait_connected()
        run.platform.say("before")
        run.platform.fault("malformed", kind=kind)
        run.platform.say("within")
        run.platform.say("after")
        await run.hears("after")
        assert [text for text in run.heard.texts if text.isascii()] == ["before", "within", "after"]
        assert run.heard.gaps == []
        assert run.heard.open_gap is None


async def test_c10_ten_thousand_lines_in_one_frame() -> None:
    async with rig(Emulator()) as run:
        await run.platform.wait_connected()
        said = [f"line {number}" for number in range(10_000)]
        run.platform.emit([Line(text) for text in said])
        await run.hears(said[-1])
        assert run.heard.texts == said


async def test_c12_order_is_the_order_of_arrival_and_nothing_is_dropped() -> None:
    async with rig(Emulator()) as run:
        await run.platform.wait_connected()
        run.platform.fault("out-of-order", by=3)
        run.platform.fault("duplicate", copies=3)
        for number in range(6):
            run.platform.say(f"line {number}")
        await run.hears("line 5")
        assert run.heard.texts[:3] == ["line 1", "line 2", "line 3"]
        assert set(run.heard.texts) == {f"line {number}" for number in range(6)}


async def test_c12_a_burst_is_heard_whole() -> None:
    async with rig(Emulator()) as run:
        await run.platform.wait_connected()
        run.platform.fault("burst", times=2000)
        said = [f"line {number}" for number in range(2000)]
        for text in said:
            run.platform.say(text)
        await run.hears(said[-1])
        assert run.heard.texts == said
