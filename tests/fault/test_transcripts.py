"""Rows N, H, C and the close codes of the fault matrix, against the emulator, in virtual time on real sockets."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from genscribe import clock
from genscribe.emulator import Emulator
from genscribe.errors import EndpointMissing, InvalidClient, NotPermitted
from genscribe.sources.transcripts import Filters
from tests.fault.rig import rig
from tests.virtual_time import VIRTUAL, move_wall_clock

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> Any:
    return VIRTUAL


@pytest.fixture(autouse=True)
def _wall_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    move_wall_clock(monkeypatch)


ENDINGS: list[tuple[str, dict[str, Any], float]] = [
    # fault, its settings, seconds within which the loss must be noticed
    ("drop", {}, 2),
    ("eof", {}, 2),
    ("torn", {}, 2),
    ("close-without-tcp-close", {}, 15),
    ("close-without-tcp-close", {"code": 1000}, 15),
    ("close-payload", {"payload": b"\x03"}, 15),
    ("close-payload", {"payload": b"\x03\xe8\xff\xfe"}, 15),
    ("silence", {}, 60),
    ("silence", {"read": False}, 60),
    *(
        ("violation", {"kind": kind}, 15)
        for kind in ("rsv", "masked", "opcode", "continuation", "long-ping", "declared")
    ),
    *((str(code), {}, 15) for code in (*range(1000, 1016), 3000, 4000, 4001, 4999) if code not in (1004, 1008)),
]


@pytest.mark.parametrize(("fault", "settings", "within_s"), ENDINGS, ids=lambda value: str(value)[:40])
async def test_every_end_of_a_connection_is_noticed_recorded_and_healed(
    fault: str, settings: dict[str, Any], within_s: float
) -> None:
    async with rig(Emulator()) as run:
        await run.platform.wait_connected()
        run.platform.say("before")
        await run.hears("before")
        struck = clock.wall_ms()
        run.platform.fault(fault, **settings)
        await run.heard.until(lambda: run.heard.open_gap is not None, within_s=within_s + 1)
        since, _ = run.heard.open_gap or (0, "")
        assert clock.wall_ms() - struck <= within_s * 1000
        assert struck - 21_000 <= since <= clock.wall_ms()
        await run.heard.until(lambda: run.heard.open_gap is None)
        run.platform.say("after")
        await run.hears("after")
        assert run.heard.texts == ["before", "after"]
        assert len(run.heard.gaps) == 1


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 408, 418])
async def test_a_refused_handshake_is_tried_again(status: int) -> None:
    platform = Emulator()
    platform.fault(str(status))
    async with rig(platform) as run:
        run.platform.lift()
        await run.platform.wait_connected(within_s=60)


@pytest.mark.parametrize(
    "fault", ["redirect", "html", "bad-accept", "bad-extension", "huge-headers", "reset-answer", "no-answer"]
)
async def test_an_answer_that_is_no_handshake_is_tried_again(fault: str) -> None:
    platform = Emulator()
    platform.fault(fault)
    async with rig(platform) as run:
        await run.platform.wait_connected(within_s=60)
        assert [asked.status for asked in run.platform.ledger.handshakes][-1] == 101
        assert len(run.platform.ledger.handshakes) == 2, "a redirect is not followed"
        assert run.ended is None


@pytest.mark.parametrize("header", [{"retry_after": 40}, {"retry_after_date_s": 40}])
@pytest.mark.parametrize("status", ["429", "503"])
async def test_retry_after_is_honoured(status: str, header: dict[str, Any]) -> None:
    platform = Emulator()
    platform.fault(status, **header)
    async with rig(platform) as run:
        began = anyio.current_time()
        await run.platform.wait_connected(within_s=100)
        assert 38 <= anyio.current_time() - began <= 50


async def test_403_stops_and_names_the_scope() -> None:
    platform = Emulator()
    platform.fault("403", times=None)
    async with rig(platform) as run:
        await run.done.wait()
        assert isinstance(run.ended, NotPermitted)
        assert run.ended.exit_code == 77
        assert "conversation:transcript:read" in str(run.ended)
        assert len(run.platform.ledger.handshakes) == 1


@pytest.mark.parametrize("status", ["404", "405", "410"])
async def test_a_missing_endpoint_stops_with_78(status: str) -> None:
    platform = Emulator()
    platform.fault(status, times=None)
    async with rig(platform) as run:
        await run.done.wait()
        assert isinstance(run.ended, EndpointMissing)
        assert run.ended.exit_code == 78


async def test_401_drops_the_token_once_and_comes_back_with_another_at_once() -> None:
    platform = Emulator()
    platform.fault("401")
    async with rig(platform) as run:
        await run.platform.wait_connected(within_s=5)
        assert len(run.platform.ledger.token_requests) == 2


async def test_401_for_ever_is_no_storm() -> None:
    platform = Emulator()
    platform.fault("401", times=None)
    async with rig(platform) as run:
        await anyio.sleep(600)
        assert len(run.platform.ledger.token_requests) <= 120
        assert len(run.platform.ledger.handshakes) <= 120
        assert run.ended is None


async def test_1008_takes_a_new_token_and_twice_at_once_is_fatal() -> None:
    async with rig(Emulator()) as run:
        await run.platform.wait_connected()
        run.platform.fault("1008", times=2)
        await run.done.wait()
        assert isinstance(run.ended, NotPermitted)
        assert len(run.platform.ledger.token_requests) == 2


async def test_a_server_that_closes_at_once_sees_at_most_8_attempts_in_20_s() -> None:
    platform = Emulator()
    platform.fault("flap")
    async with rig(platform) as run:
        await anyio.sleep(20)
        assert 3 <= len(run.platform.ledger.handshakes) <= 8


async def test_a_renewed_token_moves_the_connection_without_gap_or_duplicate() -> None:
    """Lives 600 s: renewed at 300 s left; `close_on_expiry` would end the old connection with its token."""
    async with rig(Emulator(expires_in=600, close_on_expiry=True)) as run:
        await run.platform.wait_connected()
        said = []
        for number in range(170):
            said.append(f"line {number}")
            run.platform.say(said[-1])
            await anyio.sleep(10)
        await run.hears(said[-1])
        assert len(run.platform.ledger.handshakes) >= 5
        assert run.heard.gaps == []
        assert run.heard.open_gap is None
        assert list(dict.fromkeys(run.heard.texts)) == said


async def test_short_lived_tokens_neither_spin_nor_leave_gaps() -> None:
    async with rig(Emulator(expires_in=60, close_on_expiry=True)) as run:
        await run.platform.wait_connected()
        await anyio.sleep(600)
        assert len(run.platform.ledger.token_requests) <= 22
        assert run.heard.gaps == []


async def test_a_stalled_stream_is_replaced_after_15_minutes_without_a_gap() -> None:
    async with rig(Emulator()) as run:
        await run.platform.wait_connected()
        run.platform.fault("stall")
        await anyio.sleep(15 * 60 + 5)
        run.platform.say("heard again")
        await run.hears("heard again")
        assert len(run.platform.ledger.handshakes) == 2
        assert run.heard.gaps == []


async def test_a_slow_line_on_which_bytes_flow_is_not_dead() -> None:
    async with rig(Emulator()) as run:
        await run.platform.wait_connected()
        run.platform.fault("slow", chunk=8, every_s=1.0)
        run.platform.say("x" * 1000)
        await run.hears("x" * 1000)
        assert run.heard.gaps == []
        assert run.heard.open_gap is None


async def test_an_oversized_frame_costs_the_connection_and_nothing_else() -> None:
    async with rig(Emulator()) as run:
        await run.platform.wait_connected()
        run.platform.fault("oversized")
        run.platform.say("behind the monster")
        await run.heard.until(lambda: len(run.heard.gaps) == 1)
        run.platform.say("next")
        await run.hears("next")


async def test_malformed_frames_cost_only_themselves() -> None:
    async with rig(Emulator()) as run:
        await run.platform.wait_connected()
        run.platform.fault("malformed", times=12)
        said = [f"good {number}" for number in range(14)]
        for text in said:
            run.platform.say(text)
        await run.hears(said[-1])
        assert set(said) <= set(run.heard.texts)
        assert run.heard.unreadable
        assert run.heard.gaps == []


async def test_text_that_is_no_utf8_costs_no_connection() -> None:
    async with rig(Emulator()) as run:
        await run.platform.wait_connected()
        run.platform.fault("violation", kind="utf8")
        run.platform.say("behind it")
        await run.hears("behind it")
        assert run.heard.gaps == []


async def test_a_message_in_a_thousand_fragments_is_one_message() -> None:
    async with rig(Emulator()) as run:
        await run.platform.wait_connected()
        run.platform.fault("fragmented", size=1)
        run.platform.say("in pieces")
        run.platform.say("in one")
        await run.hears("in one")
        assert run.heard.texts == ["in pieces", "in one"]


async def test_a_binary_frame_is_kept_as_unreadable() -> None:
    async with rig(Emulator()) as run:
        await run.platform.wait_connected()
        run.platform.send(b'{"transcript": []}')
        await run.heard.until(lambda: run.heard.unreadable)
        assert run.heard.unreadable[0].raw == b'{"transcript": []}'


async def test_the_url_is_the_missions_with_every_value_encoded() -> None:
    filters = Filters(media_types=("voice", "chat"), conversation_ids=("a b", "c&d=é", "#?/%"))
    async with rig(Emulator(), filters=filters) as run:
        await run.platform.wait_connected()
        asked = run.platform.ledger.handshakes[0]
        path, _, query = asked.target.partition("?")
        assert path == "/api/v2/interactions/conversations/transcripts"
        assert query.split("&")[1:] == [
            "mediaTypes=voice%2Cchat",
            "conversationIds=a%20b%2Cc%26d%3D%C3%A9%2C%23%3F%2F%25",
        ]
        assert query.startswith("access_token=")


async def test_no_filter_sends_none() -> None:
    async with rig(Emulator()) as run:
        await run.platform.wait_connected()
        assert run.platform.ledger.handshakes[0].query == {}


async def test_reading_waits_while_the_journal_has_no_room_and_nothing_is_lost() -> None:
    async with rig(Emulator()) as run:
        await run.platform.wait_connected()
        run.heard.full = True
        said = [f"{number} " + "x" * 10_000 for number in range(2000)]
        for text in said:
            run.platform.say(text)
        await anyio.sleep(50)
        held = len(run.heard.texts)
        assert held < 1000
        run.heard.full = False
        run.heard.tell()
        await run.hears(said[-1])
        assert run.heard.texts == said


async def test_credentials_refused_in_mid_run_end_it_with_their_own_error_once_the_old_token_has_ended() -> None:
    async with rig(Emulator(expires_in=1200)) as run:
        await run.platform.wait_connected()
        run.platform.fault("invalid_client", times=None)
        began = anyio.current_time()
        await run.done.wait()
        assert isinstance(run.ended, InvalidClient)
        assert 1190 <= anyio.current_time() - began <= 1300
