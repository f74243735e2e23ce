"""What the steps of `check_sink` share: counting what was sent, deadlines, and writing as delivery does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import anyio
import anyio.lowlevel
import msgspec

from genscribe.errors import Passing
from genscribe.events import Record
from genscribe.sinks import conformance_events as samples
from genscribe.sinks.base import RowsRejected, Sink

MakeSink = Callable[[], Sink]
Act = Callable[[], Awaitable[None]]

_AGAIN_S = 0.05


class _Said(msgspec.Struct):
    conversation_id: str | None = None
    text: str | None = None


_said = msgspec.json.Decoder(_Said).decode


@dataclass
class Trial:
    """One run of the check.

    Attributes:
        make: Makes a sink, not yet opened.
        within_s: Seconds that one call of a sink may take.
        seq: The last one given out.
        sent: What the destination must have in the end.
        tries: How often each `seq` may be there where nothing absorbs repeats.
    """

    make: MakeSink
    within_s: float
    seq: int = 0
    sent: dict[int, Record] = field(default_factory=dict)
    tries: Counter[int] = field(default_factory=Counter)

    def utterances(self, count: int) -> list[Record]:
        """The next so many plain utterances."""
        return self.numbered(samples.utterances(self.seq, count))

    def numbered(self, batch: list[Record]) -> list[Record]:
        """Takes note that these have their numbers."""
        self.seq = batch[-1].seq
        return batch

    async def opened(self) -> Sink:
        """A new sink, open."""
        sink = self.make()
        await self.within("open", sink.open)
        return sink

    async def write(self, sink: Sink, batch: Sequence[Record]) -> None:
        """Writes; the batch has to be at the destination from then on."""
        await self.attempt(sink, batch)
        self.count(batch)

    async def attempt(self, sink: Sink, batch: Sequence[Record]) -> None:
        """Writes; whether it arrives is not known when that raises."""
        self.tries.update(record.seq for record in batch)
        await self.within("write", lambda: sink.write(batch))

    def count(self, batch: Sequence[Record]) -> None:
        """The batch has to be at the destination from now on."""
        self.sent.update((record.seq, record) for record in batch)

    async def within(self, what: str, act: Act) -> None:
        """Acts; it must end, well or badly, within the time given."""
        with anyio.move_on_after(self.within_s):
            await act()
            return
        raise AssertionError(f"{what} hangs: it took longer than {self.within_s:g} s")

    async def cancelled(self, act: Act, wait: Act) -> None:
        """Begins something, waits, and gives it up."""
        failed: list[Exception] = []

        async def run() -> None:
            try:
                await act()
            except Exception as error:  # noqa: BLE001  # raised below, outside the group that would wrap it
                failed.append(error)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
            await wait()
            tasks.cancel_scope.cancel()
        for error in failed:
            if not isinstance(error, Passing):
                raise error

    async def insist(self, sink: Sink, batch: Sequence[Record]) -> dict[int, str]:
        """Opens and writes as delivery does, until all is written or refused; the reasons of what is refused."""
        refused: dict[int, str] = {}
        parts = [list(batch)]
        ready = False
        with anyio.move_on_after(self.within_s) as scope:
            while parts:
                part = parts.pop()
                try:
                    if not ready:
                        await sink.open()
                        ready = True
                    await self.write(sink, part)
                except Passing as error:
                    sober(str(error), part)
                    ready = False
                    parts.append(part)
                    await anyio.sleep(_AGAIN_S)
                except RowsRejected as refusal:
                    parts += reversed(_rest(part, refusal, refused))
        assert not scope.cancelled_caught, f"it does not work again within {self.within_s:g} s"
        return refused

    async def is_retryable(self, when: str, sink: Sink, batch: Sequence[Record]) -> None:
        """Opens nothing, writes, and must be told to come again."""
        await self.is_refused_for_now(when, lambda: self.attempt(sink, batch), batch)

    async def is_refused_for_now(self, when: str, act: Act, batch: Sequence[Record]) -> None:
        """Acts, and must be told to come again."""
        try:
            await self.within(when, act)
        except Passing as error:
            sober(str(error), batch)
        except AssertionError:
            raise
        except Exception as error:
            kind = type(error).__name__
            raise AssertionError(f"{when}: it raises {kind}, not SinkUnavailable: {error}") from error
        else:
            raise AssertionError(f"{when}: it says that it has written the batch")


async def turns(count: int) -> None:
    """Lets the other tasks go on by so many steps."""
    for _ in range(count):
        await anyio.lowlevel.checkpoint()


def sober(message: str, batch: Sequence[Record]) -> None:
    """An error is one line, and never says what was said."""
    assert "\n" not in message, f"an error is one line, not {message!r}"
    for record in batch:
        text = _said(record.body).text
        assert not text or len(text) < 8 or text not in message, "an error holds what was said"


def conversation(record: Record) -> str | None:
    """The conversation of a record."""
    return _said(record.body).conversation_id


def _rest(part: list[Record], refusal: RowsRejected, refused: dict[int, str]) -> list[list[Record]]:
    """What is left to write of a part, in parts; what is refused is put down."""
    sober(refusal.message, part)
    reasons = {record.seq: refusal.reasons[record.seq] for record in part if record.seq in refusal.reasons}
    if not reasons and len(part) > 1:
        return [part[: len(part) // 2], part[len(part) // 2 :]]
    reasons = reasons or {part[0].seq: refusal.message}
    for reason in reasons.values():
        assert reason, "a row is refused without a reason"
        sober(reason, part)
    refused.update(reasons)
    rest = [record for record in part if record.seq not in reasons]
    return [rest] if rest else []
