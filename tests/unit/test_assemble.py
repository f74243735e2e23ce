"""What only shows when all parts are put together."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import cast

import anyio
import apsw
import pytest

from genscribe import clock
from genscribe.assemble import open_pipeline
from genscribe.events import Utterance, encode
from genscribe.settings import load
from genscribe.store.journal import Journal
from genscribe.telemetry import Telemetry

pytestmark = pytest.mark.anyio

CLIENT = {"GENESYS_CLIENT_ID": "id", "GENESYS_CLIENT_SECRET": "secret", "GENESYS_REGION": "mypurecloud.ie"}


@pytest.mark.parametrize("reader", [None, "app"])
async def test_what_a_sink_or_a_reader_of_this_run_lacks_is_there_however_long_it_was_away(
    tmp_path: Path, reader: str | None
) -> None:
    path = tmp_path / "s.db"
    async with await Journal.open(path, telemetry=Telemetry()) as journal:
        journal.append([("utterance", encode(Utterance(f"k{n}", 1, conversation_id="c")), None) for n in range(6)])
        await journal.save_cursor(reader or "calls", 2)
        await journal.flush()
    yesterday = clock.wall_ms() - 24 * 3600_000
    with closing(apsw.Connection(str(path))) as db:
        db.execute("delete from marks; insert into marks values (6, ?)", (yesterday,))
        db.execute("update cursors set saved_at = ?", (clock.iso(yesterday),))
    given = {"store": str(path), "keep": "12h", "to": [] if reader else [f"calls=jsonl:{tmp_path / 'c.jsonl'}"]}
    settings = load(cast("dict[str, object]", given), environ=CLIENT, command_line=False)
    async with open_pipeline(settings, telemetry=Telemetry(), reader=reader) as pipeline:
        with anyio.fail_after(10):
            while not pipeline.journal._thread.resting:
                await anyio.sleep(0.01)
        assert [record.seq for record in await pipeline.journal.read(0, 10)] == [3, 4, 5, 6]
