"""The sink `nats://host/subject`: one JetStream message an event, under `SUBJECT.<conversation id>`.

Many publishes are under way at once, but of each conversation only one: the next leaves when the last is
acknowledged. So nothing is ever overtaken, whatever a server or a change of leaders loses on the way. What comes
again is told by `Nats-Msg-Id` and dropped by the stream, as long as its duplicate window has not passed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from genscribe.events import DELIVERED_KINDS, Record
from genscribe.settings import SinkSetting
from genscribe.sinks.base import Means, RowsRejected
from genscribe.sinks.envelope import envelope
from genscribe.sinks.nats_link import Link, Out
from genscribe.sinks.nats_settings import NatsSettings, nats_settings, printable, token
from genscribe.sinks.turns import in_turns


def make(setting: SinkSetting, means: Means) -> NatsSink:
    """The sink of a setting.

    Raises:
        SinkMisconfigured: No subject, or a parameter that is none.
    """
    return NatsSink(nats_settings(setting, means))


class NatsSink:
    """Writes events to a JetStream stream.

    Args:
        settings: Where to, as whom, and what stream.
    """

    guarantee: ClassVar[str] = "at-least-once"
    kinds: ClassVar[frozenset[str]] = frozenset(DELIVERED_KINDS)

    def __init__(self, settings: NatsSettings) -> None:
        self._settings = settings
        self._link: Link | None = None

    async def open(self) -> None:
        """Connects, finds the stream, makes it if there is none; raises as `Link.open` does."""
        await self.aclose()
        link = Link(self._settings)
        await link.open()
        self._link = link

    async def write(self, batch: Sequence[Record]) -> None:
        """Returns when the stream has acknowledged every message.

        Raises:
            RowsRejected: Messages larger than server or stream take; all others of the batch are delivered.
            SinkMisconfigured, SinkUnavailable: As `Link.open` and `Link.acks` do.
        """
        try:
            if self._link is None:
                await self.open()
            assert self._link is not None
            rejected = await self._deliver(
                self._link, [_out(self._settings.subject, record) async for record in in_turns(batch)]
            )
        except BaseException:
            await self.aclose()
            raise
        if rejected:
            raise RowsRejected(rejected)

    async def aclose(self) -> None:
        """Ends the connection; idempotent."""
        link, self._link = self._link, None
        if link is not None:
            await link.aclose()

    async def _deliver(self, link: Link, messages: Sequence[Out]) -> dict[int, str]:
        """Sends every message, of each subject one at a time; the reasons of those that are refused."""
        rejected: dict[int, str] = {}
        lanes: dict[str, list[Out]] = {}
        for message in reversed(messages):
            if message.size() > link.max_payload:
                rejected[message.seq] = f"larger than the server takes: {message.size()} bytes"
            else:
                lanes.setdefault(message.subject, []).append(message)
        free = sorted(lanes.values(), key=lambda lane: lane[-1].seq)
        flying: dict[int, list[Out]] = {}
        while free or flying:
            leaving = [lane.pop() for lane in free]
            flying.update((message.seq, lane) for message, lane in zip(leaving, free, strict=True))
            await link.send(leaving)
            free = []
            for ack in await link.acks():
                lane = flying.pop(ack.seq)
                if ack.reason is not None:
                    rejected[ack.seq] = ack.reason
                if lane:
                    free.append(lane)
        return rejected


def _out(subject: str, record: Record) -> Out:
    head = envelope(record)
    key = printable(head.key)
    headers = {"genscribe-key": key, "genscribe-kind": record.kind}
    if head.revision:  # interim results of one utterance share their identity, and each is to be heard
        headers["Nats-Msg-Id"] = f"{key}:{head.revision}"
    return Out(record.seq, f"{subject}.{token(head.conversation_id)}", record.json(), headers)
