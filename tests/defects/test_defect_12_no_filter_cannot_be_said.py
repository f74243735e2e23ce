"""Defect 12 of the tutorial: `media_types or [...]` takes an empty list for "not given", so nobody can ask for every
kind of conversation.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from genscribe.emulator import Emulator
from tests.fault.recording import recording
from tests.virtual_time import VIRTUAL, move_wall_clock

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return VIRTUAL


@pytest.fixture(autouse=True)
def _clock(monkeypatch):
    move_wall_clock(monkeypatch)


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({"media_types": "all"}, {}),
        ({}, {"mediaTypes": "voice,chat"}),
        ({"media_types": "video"}, {"mediaTypes": "video"}),
        ({"media_types": "all", "conversation_ids": ("a", "b")}, {"conversationIds": "a,b"}),
    ],
    ids=["all", "not given", "one", "all of two calls"],
)
async def test_what_is_asked_for_is_what_is_sent(tmp_path: Path, given: dict[str, object], sent: dict[str, str]):
    async with Emulator() as platform, recording(platform, tmp_path / "s.db", **given):
        (asked,) = platform.ledger.handshakes
        filters = {name: value.replace(",message", "") for name, value in asked.query.items()}
        assert filters == sent


async def test_without_a_filter_every_kind_is_heard(tmp_path: Path):
    async with Emulator() as platform, recording(platform, tmp_path / "s.db", media_types="all") as made:
        for kind in ("voice", "chat", "video", "of a kind to come"):
            platform.say(f"by {kind}", media_type=kind)
        await made.committed(4)
