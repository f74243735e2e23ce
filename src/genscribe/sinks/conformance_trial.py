"""What the steps of `check_sink` share: counting what was sent, deadlines, and writing as delivery does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import anyio
import anyio.lowlevel
import msgspec

from genscribe.errors import GenscribeError, Passing
from genscribe.events import Record
from genscribe.sinks import conformance_events as samples
from genscribe.sinks.base import RowsRejected, Sink

MakeSink = Callable[[], Sink]
Act = Callable[[], Awaitable[None]]

_AGAIN_S = 0.05


class _Hangs(AssertionError):
    """It does not end."""


class _Said(msgspec.Struct):
    conversation_id: str | None = None
    text: str | None = None


_said = msgspec.json.Decoder(_Said).decode


@dataclass(frozen=True)
class Scenario:
    """One thing that is checked.

    Attributes:
        name: What happens.
        promise: What the contract has a sink do then.
        act: Makes it happen; raises `AssertionError`, or what the sink raised.
    """

    name: str
    promise: str
    act: Act

    async def check(self, trial: Trial) -> None:
        """Acts, and says of what goes wrong in which scenario it did and what was expected.

        Raises:
            AssertionError: The promise is broken. What a hook raises stays what it is.
        """
        trial.scenario = self.name
        try:
            await self.act()
        except AssertionError as error:
            raise AssertionError(f"{self.name}: {error}\nExpected: {self.promise}") from error.__cause__
        except (GenscribeError, RowsRejected) as error:
            found = f"it raises {type(error).__name__}: {error}"
            raise AssertionError(f"{self.name}: {found}\nExpected: {self.promise}") from error


@dataclass
class Trial:
    """One run of the check.

    Attributes:
        make: Makes a sink, not yet opened.
        within_s: Seconds that one call of a sink may take.
        spools: Whether a sink may have written what the destination does not have yet.
        seq: The last one given out.
        sent: What the destination must have in the end.
        tries: How often each `seq` may be there where nothing absorbs repeats.
        scenario: What is checked now.
        where: In which scenario each `seq` was given out.
    """

    make: MakeSink
    within_s: float
    spools: bool = False
    seq: int = 0
    sent: dict[int, Record] = field(default_factory=dict)
    tries: Counter[int] = field(default_factory=Counter)
    scenario: str = ""
    where: dict[int, str] = field(default_factory=dict)

    def utterances(self, count: int) -> list[Record]:
        """The next so many plain utterances."""
        return self.numbered(samples.utterances(self.seq, count))

    def numbered(self, batch: list[Record]) -> list[Record]:
        """Takes note that these have their numbers."""
        self.seq = batch[-1].seq
        self.where.update((record.seq, self.scenario) for record in batch)
        return batch

    async def opened(self) -> Sink:
        """A new sink, open."""
        sink = self.make()
        await self.open(sink)
        return sink

    async def open(self, sink: Sink) -> None:
        """Opens."""
        await self.called("open", sink.open)

    async def aclose(self, sink: Sink, when: str = "") -> None:
        """Closes, which never fails."""
        try:
            await self.called(f"aclose {when}".rstrip(), sink.aclose)
        except (GenscribeError, RowsRejected) as error:
            raise AssertionError(f"aclose raises {type(error).__name__}: {error}") from error

    async def write(self, sink: Sink, batch: Sequence[Record]) -> None:
        """Writes; the batch has to be at the destination from then on."""
        await self.attempt(sink, batch)
        self.count(batch)

    async def attempt(self, sink: Sink, batch: Sequence[Record]) -> None:
        """Writes; whether it arrives is not known when that raises."""
        self.tries.update(record.seq for record in batch)
        await self.called("write", lambda: sink.write(batch))

    def count(self, batch: Sequence[Record]) -> None:
        """The batch has to be at the destination from now on."""
        self.sent.update((record.seq, record) for record in batch)

    async def called(self, what: str, act: Act) -> None:
        """Calls the sink, which must end within the time given, and raises errors of the contract only."""
        try:
            await self.within(what, act)
        except (GenscribeError, RowsRejected, _Hangs):
            raise
        except Exception as error:
            raise AssertionError(
                f"{what} raises {type(error).__name__}, which is none of SinkUnavailable, RowsRejected and "
                f"SinkMisconfigured: {error}"
            ) from error

    async def within(self, what: str, act: Act) -> None:
        """Acts; it must end, well or badly, within the time given."""
        with anyio.move_on_after(self.within_s):
            await act()
            return
        raise _Hangs(f"{what} hangs: it took longer than {self.within_s:g} s")

    async def tried(self, sink: Sink, batch: Sequence[Record]) -> None:
        """Writes in trouble: it succeeds, or raises what makes the batch come again."""
        try:
            await self.write(sink, batch)
        except Passing as error:
            sober(str(error), batch)

    def claims(self, batch: Sequence[Record]) -> bool:
        """Whether a sink says that it has written the batch."""
        return all(record.seq in self.sent for record in batch)

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
                        await self.open(sink)
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

    async def finish(self, sink: Sink, batch: Sequence[Record]) -> None:
        """Writes what is not already said to be written: a claim has to be true by itself."""
        if not self.claims(batch):
            refused = await self.insist(sink, batch)
            assert not refused, f"a batch that came again is refused: {next(iter(refused.values()))}"

    async def is_refused_for_now(self, act: Act, batch: Sequence[Record]) -> None:
        """Acts, which writes the batch, and must be told to come again."""
        try:
            await act()
        except Passing as error:
            sober(str(error), batch)
        except (GenscribeError, RowsRejected) as error:
            kind = type(error).__name__
            raise AssertionError(f"it raises {kind}, not SinkUnavailable: {error}") from error
        else:
            assert self.spools, "it says that it has written the batch"
            self.count(batch)


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
