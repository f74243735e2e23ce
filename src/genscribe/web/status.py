"""How the run is doing: the short form for every page's strip, the long one for the health view. No transcript text."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import apsw
from starlette.requests import Request
from starlette.responses import Response

from genscribe import clock
from genscribe.store.reader import Reader
from genscribe.telemetry.status import Status
from genscribe.web import wire
from genscribe.web.history import EVERY_S, History
from genscribe.web.probes import not_ready
from genscribe.web.watched import Watched

STORED_S = 5.0
"""So old may be what is said of the store: counting a million rows takes a tenth of a second."""
LISTED = 50
"""Of what was not recorded, not readable, rejected."""


class StatusView:
    """Looks at what is watched every few seconds, and answers `/api/status`."""

    def __init__(self, watched: Watched, reader: Reader) -> None:
        self._watched = watched
        self._reader = reader
        counters = None if watched.telemetry is None else watched.telemetry.counters
        self._history = History(watched.feed.head, counters)
        self._status: Status | None = None
        self._stored: dict[str, Any] = {}
        self._stored_at = float("-inf")
        self._one_looks = anyio.Lock()

    async def run(self) -> None:
        """Samples until cancelled."""
        while True:
            await self._look()
            await anyio.sleep(EVERY_S)
            self._history.take(self._watched.feed.head)

    async def _look(self) -> None:
        if self._watched.pipeline is None:  # another process writes it into the store
            self._status = await anyio.to_thread.run_sync(self._watched.status)

    def _now(self) -> Status | None:
        return self._status if self._watched.pipeline is None else self._watched.status()

    def pulse(self) -> bytes:
        """The short form, as JSON."""
        return wire.encode(self._pulse(self._now()))

    def _pulse(self, status: Status | None) -> dict[str, Any]:
        hearing = None if status is None else status.hearing
        return {
            "running": status is not None,
            "connected": status is not None and status.connected,
            "since": None if status is None else status.since,
            "why": None if status is None else status.why,
            "missing_since": None if status is None else status.missing_since,
            "store_full_since": None if status is None else status.store_full_since,
            "events_per_s": self._history.events_per_s,
            "speech_s": self._history.speech_s,
            "live": None if hearing is None else hearing.conversations,
            "unheard": 0 if hearing is None else hearing.unheard,
            "silent": 0 if hearing is None else hearing.silent,
            "rejected": 0 if status is None else sum(sink.dead_letters for sink in status.sinks),
            "warnings": 0 if status is None else len(status.warnings),
            "sinks": []
            if status is None
            else [
                {
                    "name": sink.name,
                    "state": sink.state,
                    "lag_events": sink.lag_events,
                    "lag_seconds": round(sink.lag_seconds, 1),
                }
                for sink in status.sinks
            ],
        }

    async def status(self, request: Request) -> Response:
        """`GET /api/status`."""
        status = self._now()
        reason = None if self._watched.pipeline is None else not_ready(status)
        found = {
            "running": status is not None,
            "ready": {"ok": reason is None, "reason": reason},
            "status": status,
            "now": self._pulse(status),
            "history": {"every_s": EVERY_S, "until": clock.now(), **self._history.series()},
            **await self._of_store(),
        }
        return Response(wire.encode(found), media_type="application/json")

    async def _of_store(self) -> dict[str, Any]:
        async with self._one_looks:
            if anyio.current_time() - self._stored_at > STORED_S:
                self._stored = await anyio.to_thread.run_sync(self._look_into_store)
                self._stored_at = anyio.current_time()
        return self._stored

    def _look_into_store(self) -> dict[str, Any]:
        stats = self._reader.stats()
        return {
            "gaps": self._reader.gaps(limit=LISTED),
            "unreadable": [
                {"seq": seq, "received_at": received_at, "reason": reason}
                for seq, received_at, reason in self._reader.ask(_unreadable)
            ],
            "rejected": [
                {"sink": one.sink, "seq": one.seq, "reason": one.reason, "at": one.at}
                for one in self._reader.dead_letters(limit=LISTED)
            ],
            "store": {
                "path": str(self._reader.path),
                "bytes": stats.bytes,
                "oldest_at": self._reader.ask(_oldest),
                "disk_free_bytes": _free(self._reader.path),
                "utterances": stats.utterances,
                "conversations": stats.conversations,
                "gaps": stats.gaps,
                "unreadable": stats.unreadable,
                "rejected": stats.dead_letters,
            },
        }


def _unreadable(db: apsw.Connection) -> list[tuple[Any, ...]]:
    sql = "select seq, received_at, reason from unreadable order by seq desc limit ?"
    return db.execute(sql, (LISTED,)).fetchall()


def _oldest(db: apsw.Connection) -> str | None:
    """When the first event that is still kept was received, or happened; `None` in an empty store."""
    sql = "select coalesce(body ->> '$.received_at', body ->> '$.at') from journal order by seq limit 1"
    found = db.execute(sql).fetchone()
    return None if found is None else found[0]


def _free(path: Path) -> int | None:
    try:
        return shutil.disk_usage(path.parent).free
    except OSError:
        return None
