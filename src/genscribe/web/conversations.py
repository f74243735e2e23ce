"""Conversations as the page gets them: those that go on, those that were, and one of them whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from genscribe.events import Record
from genscribe.store.reader import Reader
from genscribe.store.views import Conversation
from genscribe.web import wire


class Conversations:
    """Answers from the store at `path`."""

    def __init__(self, path: Path) -> None:
        self._reader = Reader.open(path)

    async def newest(self, request: Request) -> Response:
        """`GET /api/conversations`."""
        live = request.query_params.get("live") == "yes"
        limit = 2000 if live else 100

        def look() -> dict[str, Any]:
            head = self._reader.head
            found = self._reader.conversations(live=live, limit=limit)
            return {"head": head, "conversations": [self._card(one) for one in found], "next": None}

        return JSONResponse(await anyio.to_thread.run_sync(look))

    async def one(self, request: Request) -> Response:
        """`GET /api/conversations/{id}`."""
        conversation_id = request.path_params["conversation_id"]

        def look() -> bytes | None:
            head = self._reader.head
            found = self._reader.conversation(conversation_id)
            if found is None:
                return None
            return wire.encode(
                {
                    "head": head,
                    "conversation": self._card(found),
                    "participants": [_raw(each) for each in self._reader.participants(conversation_id)],
                    "lines": [wire.line(each) for each in self._reader.lines(conversation_id)],
                    "gaps": [],
                }
            )

        body = await anyio.to_thread.run_sync(look)
        if body is None:
            return JSONResponse({"error": {"what": "There is no such conversation."}}, 404)
        return Response(body, media_type="application/json")

    def _card(self, one: Conversation) -> dict[str, Any]:
        lines = [wire.line(each) for each in self._reader.lines(one.conversation_id)]
        last = max(lines, key=lambda each: each.spoken_at or "", default=None)
        return {
            "id": one.conversation_id,
            "media_type": one.media_type,
            "direction": one.direction,
            "queue_id": one.queue_id,
            "queue_name": one.queue_name,
            "started_at": one.started_at,
            "ended_at": one.ended_at,
            "first_spoken_at": one.first_spoken_at,
            "last_spoken_at": one.last_spoken_at,
            "lines": one.utterance_count,
            "agents": [],
            "last": None
            if last is None
            else {
                "seq": last.seq,
                "key": last.key,
                "speaker": last.speaker,
                "text": last.text,
                "spoken_at": last.spoken_at,
                "is_final": last.is_final,
            },
        }


def _raw(record: Record) -> Any:
    import msgspec

    return msgspec.json.decode(record.json())
