"""`auto` from the first question to what is heard: which source it takes, why, and what it says of it."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from genscribe.assemble import open_pipeline
from genscribe.emulator import Emulator
from genscribe.errors import GenscribeError, NotPermitted
from genscribe.events import Utterance
from genscribe.telemetry import Telemetry
from tests.fault.recording import Recording, chosen, recording

pytestmark = pytest.mark.anyio


async def hears_a_call(run: Recording) -> str:
    """Has a line said in a call; returns the source that heard it."""
    run.platform.begin("c")
    await run.platform.wait_until(
        lambda: (
            run.platform.channels.holds("v2.conversations.c.transcription")
            or any(one.channel is None for one in run.platform.connections)
        )
    )
    run.platform.say("hello", conversation="c")
    while True:
        said = [event for event in await run.events() if isinstance(event, Utterance)]
        if said:
            return str(said[0].source)
        await anyio.sleep(0.01)


async def verdict(platform: Emulator, store: Path, **given: object) -> tuple[GenscribeError | None, str]:
    """How a run ends by itself, and what was said before."""
    telemetry = Telemetry()
    async with open_pipeline(chosen(platform, store, **given), telemetry=telemetry) as pipeline:
        try:
            with anyio.fail_after(20):
                await pipeline.run()
        except GenscribeError as error:
            return error, "\n".join(line for _, line in telemetry.recent)
    return None, ""


@pytest.mark.parametrize("fault", ["404", "405", "410", "401", "403"])
async def test_notifications_are_taken_where_the_endpoint_is_not_there_or_is_refused(
    tmp_path: Path, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with Emulator() as platform:
        platform.fault(fault, at="probe", times=None)
        async with recording(platform, tmp_path / "s.db", source="auto") as run:
            assert await hears_a_call(run) == "notifications"
    (line,) = [each.getMessage() for each in caplog.records if each.getMessage().startswith("source ")]
    assert "notifications" in line, "one line says which"
    assert fault in line, "and why"


async def test_notifications_are_taken_when_the_handshake_says_404(tmp_path: Path) -> None:
    async with Emulator() as platform:
        platform.fault("404", at="handshake", times=1)
        async with recording(platform, tmp_path / "s.db", source="auto") as run:
            assert await hears_a_call(run) == "notifications"


async def test_the_transcripts_endpoint_is_taken_where_it_is_there(tmp_path: Path) -> None:
    async with Emulator() as platform, recording(platform, tmp_path / "s.db", source="auto") as run:
        assert await hears_a_call(run) == "transcripts"
        assert platform.channels.made == 0


async def test_queues_to_hear_are_a_choice_of_notifications(tmp_path: Path) -> None:
    async with (
        Emulator() as platform,
        recording(platform, tmp_path / "s.db", source="auto", queues=("Support",)) as run,
    ):
        assert await hears_a_call(run) == "notifications"


async def test_a_client_that_both_refuse_ends_with_77_and_is_told_of_both(tmp_path: Path) -> None:
    async with Emulator() as platform:
        platform.fault("403", at="probe", times=None)
        platform.permissions.clear()
        platform.fault("403", at="api", times=None)
        error, _ = await verdict(platform, tmp_path / "s.db", source="auto")
    assert isinstance(error, NotPermitted)
    assert error.exit_code == 77
    assert str(error).count("\n") == 0
    assert "notifications" in str(error)
    assert "conversation:transcript:read" in str(error)


async def test_every_topic_forbidden_ends_with_77_once_a_call_is_there(tmp_path: Path) -> None:
    async with Emulator() as platform:
        platform.permissions.discard("conversation:transcription:view")
        platform.begin("c")
        error, _ = await verdict(platform, tmp_path / "s.db", source="notifications")
    assert isinstance(error, NotPermitted)
    assert "conversation:transcription:view" in str(error)


async def test_neither_queues_nor_calls_to_be_read_ends_with_77(tmp_path: Path) -> None:
    async with Emulator() as platform:
        for place in ("queues", "analytics"):
            platform.fault("403", at=place, times=None)
        error, told = await verdict(platform, tmp_path / "s.db", source="notifications")
    assert isinstance(error, NotPermitted)
    assert "queues" in told
