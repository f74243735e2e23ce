from __future__ import annotations

from pathlib import Path

import pytest

from genscribe.events import Unreadable, encode
from genscribe.store.journal import Journal
from genscribe.telemetry import Telemetry
from tests.unit.web.serving import client, filled, serving

pytestmark = pytest.mark.anyio


async def test_a_store_that_nothing_writes(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    await filled(path, "a line that nobody may find here")
    async with await Journal.open(path, telemetry=Telemetry()) as journal:
        event = Unreadable[str](key="x", revision=1, received_at="2026-11-23T08:00:00.000Z", reason="not JSON")
        journal.append([("unreadable", encode(event), b"raw speech")])
        await journal.dead_letter("calls", 1, "too large")
        await journal.flush()
    async with serving(path) as page, client(page) as ask:
        answer = await ask.get("/api/status")
        ready = await ask.get("/readyz")
    assert ready.status_code == 200
    assert "nobody may find" not in answer.text
    assert "raw speech" not in answer.text
    found = answer.json()
    assert found["running"] is False
    assert found["ready"] == {"ok": True, "reason": None}
    assert found["status"] is None
    assert found["now"]["connected"] is False
    assert found["unreadable"] == [{"seq": 2, "received_at": "2026-11-23T08:00:00.000Z", "reason": "not JSON"}]
    assert [(one["sink"], one["seq"], one["reason"]) for one in found["rejected"]] == [("calls", 1, "too large")]
    assert found["store"]["utterances"] == 1
    assert found["store"]["rejected"] == 1
    assert found["store"]["disk_free_bytes"] > 0
    assert "oldest_at" in found["store"]
    assert set(found["history"]) == {"every_s", "until", "events_per_s", "commit_ms", "speech_s"}
