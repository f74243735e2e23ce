from __future__ import annotations

from pathlib import Path
from typing import cast

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from genscribe.assemble import open_pipeline
from genscribe.emulator.thread import running
from genscribe.settings import load
from genscribe.telemetry import Telemetry
from genscribe.web.metrics import SINK_STATES
from tests.unit.web.serving import client, filled, serving

pytestmark = pytest.mark.anyio

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def read(text: str) -> Samples:
    """As Prometheus reads it."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def one(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, frozenset(labels.items())]


async def test_what_the_contract_names(tmp_path: Path) -> None:
    import anyio

    with running() as cloud:
        given = {"store": str(tmp_path / "s.db"), "web": "127.0.0.1:0", "to": [f"calls=jsonl:{tmp_path / 'c.jsonl'}"]}
        settings = load(cast("dict[str, object]", given), environ=cloud.settings(), command_line=False)
        async with open_pipeline(settings, telemetry=Telemetry()) as pipeline, anyio.create_task_group() as tasks:
            tasks.start_soon(pipeline.run)
            assert pipeline.page is not None
            async with httpx2.AsyncClient(base_url=pipeline.page.url, trust_env=False) as ask:
                while (await ask.get("/readyz")).status_code != 200:
                    await anyio.sleep(0.05)
                await anyio.to_thread.run_sync(lambda: cloud.say("nobody may read this in a metric"))
                while pipeline.journal.head < 1 or pipeline.deliveries[0].state().lag_events:
                    await anyio.sleep(0.05)
                answer = await ask.get("/metrics")
            tasks.cancel_scope.cancel()
    assert answer.headers["content-type"].startswith("text/plain")
    assert "nobody may read" not in answer.text
    samples = read(answer.text)
    assert one(samples, "genscribe_utterances_total", source="transcripts") == 1
    assert one(samples, "genscribe_gaps_total") == 0
    assert one(samples, "genscribe_reconnects_total", reason="disconnected") == 0
    assert one(samples, "genscribe_unreadable_total") == 0
    assert one(samples, "genscribe_connected") == 1
    assert one(samples, "genscribe_ready") == 1
    assert one(samples, "genscribe_sink_lag_events", sink="calls") == 0
    assert one(samples, "genscribe_sink_lag_seconds", sink="calls") == 0
    assert one(samples, "genscribe_sink_delivered_total", sink="calls") == 1
    assert {one(samples, "genscribe_sink_state", sink="calls", state=word) for word in SINK_STATES} == {0, 1}
    assert one(samples, "genscribe_sink_state", sink="calls", state="running") == 1
    assert one(samples, "genscribe_commit_seconds_count") >= 1
    assert one(samples, "genscribe_commit_seconds_bucket", le="+Inf") == one(samples, "genscribe_commit_seconds_count")
    assert one(samples, "genscribe_speech_lag_seconds_count") == 1
    assert 0 < one(samples, "genscribe_token_expiry_seconds") <= 86400
    assert one(samples, "genscribe_disk_free_bytes") > 0
    assert ("genscribe_reconnects_total" in answer.text) is True
    assert one(samples, "process_resident_memory_bytes") > 0


async def test_a_store_that_is_only_shown_has_the_process_alone(tmp_path: Path) -> None:
    await filled(tmp_path / "s.db", "hello")
    async with serving(tmp_path / "s.db") as page, client(page) as ask:
        answer = await ask.get("/metrics")
    assert answer.status_code == 200
    assert "genscribe_" not in answer.text
    assert "python_info" in answer.text
