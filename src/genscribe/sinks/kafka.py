"""The sink `kafka://broker:9092,broker2:9092/topic`: one message an event, keyed by conversation.

librdkafka does the work on threads of its own, and a worker thread waits for its reports, so the loop never blocks.
A batch goes out in chunks, each of which becomes one request a partition; the next goes out when the last is
acknowledged. So whatever the broker refuses, nothing of the same conversation can have overtaken it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import anyio.from_thread
import anyio.to_thread

from genscribe.events import DELIVERED_KINDS, Record
from genscribe.settings import SinkSetting
from genscribe.sinks.base import Means, RowsRejected
from genscribe.sinks.envelope import envelope
from genscribe.sinks.kafka_settings import configuration, topic_of
from genscribe.sinks.kafka_verdicts import (
    Verdict,
    broker_trouble,
    misconfigured,
    refused_settings,
    refuses,
    verdict,
)

if TYPE_CHECKING:
    from confluent_kafka import KafkaError, Message, Producer

CHUNK_BYTES = 512 * 1024
"""Of messages that go out at once: less than librdkafka's `batch.size` and a broker's `max.message.bytes`."""

PATIENCE_S = 60.0
"""Without any acknowledgement for so long the rest of a batch is taken back, to come again."""

BROKERS_DOWN_S = 5.0
"""The same while no broker can be reached at all."""

OPENING_S = 10.0
"""For the first answer about the topic; a topic that the broker makes by itself may take some seconds."""

_STEP_S = 0.1
"""How often a waiting thread looks up: whether it is cancelled, or has waited for too long."""

_quiet = logging.getLogger("genscribe.librdkafka")
_quiet.addHandler(logging.NullHandler())
_quiet.propagate = False  # what its lines say comes as errors, too, and those are translated


class _Out(NamedTuple):
    """A message that is ready to go."""

    seq: int
    value: bytes
    key: bytes | None
    headers: list[tuple[str, str | bytes | None]]

    def size(self) -> int:
        return len(self.value) + len(self.key or b"") + _HEADERS_BYTES


_HEADERS_BYTES = 150
"""About what headers and framing add to a message."""


def make(setting: SinkSetting, means: Means) -> KafkaSink:
    """The sink of a setting.

    Raises:
        SinkMisconfigured: No topic, or an option that breaks a promise.
    """
    return KafkaSink(topic_of(setting), configuration(setting, means))


class KafkaSink:
    """Writes events to a topic.

    Args:
        topic: Its name; made by the broker if that is set up to make topics.
        settings: Of librdkafka.
        chunk_bytes: Of messages that go out at once.
    """

    guarantee: ClassVar[str] = "at-least-once"
    kinds: ClassVar[frozenset[str]] = frozenset(DELIVERED_KINDS)

    def __init__(self, topic: str, settings: Mapping[str, object], *, chunk_bytes: int = CHUNK_BYTES) -> None:
        self._topic = topic
        self._settings = dict(settings)
        self._chunk_bytes = self._size = chunk_bytes
        self._producer: Producer | None = None
        self._trouble: KafkaError | None = None
        self._all_down = False
        self._settled: set[int] = set()

    async def open(self) -> None:
        """Reaches a broker and asks for the topic.

        Raises:
            SinkMisconfigured: No such topic, no right to it, a login or certificate refused, a wrong option.
            SinkUnavailable: No broker answers.
        """
        self._settled, self._size = set(), self._chunk_bytes
        await anyio.to_thread.run_sync(self._open)

    async def write(self, batch: Sequence[Record]) -> None:
        """Returns when the broker has acknowledged every message, by all replicas in sync.

        Raises:
            RowsRejected: The broker refuses messages, each with its reason; all others of the batch are delivered.
            SinkMisconfigured, SinkUnavailable: As `open` does.
        """
        await anyio.to_thread.run_sync(self._write, batch)

    async def aclose(self) -> None:
        """Gives up what is under way; idempotent."""
        await anyio.to_thread.run_sync(self._drop)

    def _open(self) -> None:
        if self._producer is None:
            self._trouble, self._all_down = None, False
            self._producer = _make_producer({**self._settings, "error_cb": self._heard})
        try:
            self._find_topic(self._producer)
        except BaseException:
            self._drop()
            raise

    def _find_topic(self, producer: Producer) -> None:
        """Waits until the topic has partitions: one that the broker has just made is not there at once."""
        from confluent_kafka import KafkaException

        found: KafkaError | None = None
        until = time.monotonic() + OPENING_S
        while time.monotonic() < until:
            anyio.from_thread.check_cancelled()
            try:
                topic = producer.list_topics(self._topic, timeout=5 * _STEP_S).topics[self._topic]
            except KafkaException as error:
                found = error.args[0]
                producer.poll(0)
            else:
                found = topic.error
                if found is None and topic.partitions:
                    return
                producer.poll(_STEP_S)
            self._raise_if_refused(found)
        if found is not None and verdict(found) is Verdict.PAUSE:
            raise misconfigured(found, self._topic)
        raise broker_trouble(self._trouble or found)

    def _raise_if_refused(self, found: KafkaError | None) -> None:
        for error in (self._trouble, found):
            if error is not None and refuses(error):
                raise misconfigured(error, self._topic)

    def _write(self, batch: Sequence[Record]) -> None:
        try:
            rejected = self._deliver([_out(record) for record in batch if record.seq not in self._settled])
        except BaseException:
            self._drop()
            raise
        if rejected:
            # The rest of this batch comes again and need not go out again.
            self._settled = {record.seq for record in batch}.difference(rejected)
            raise RowsRejected(rejected)
        self._settled = set()

    def _deliver(self, messages: list[_Out]) -> dict[int, str]:
        """Sends all but what is refused, in order; the reasons of what is."""
        rejected: dict[int, str] = {}
        waiting = list(reversed(messages))
        while waiting:
            chunk = _taken(waiting, self._size)
            failed, unsent = self._send(chunk)
            waiting.extend(reversed(unsent))
            if not failed:
                continue
            guilty = self._judge(failed)
            if len(failed) == 1:
                rejected |= guilty
                continue
            # One request stands or falls as a whole: who of it is to blame shows when they go in smaller ones.
            again = [message for message in chunk if message.seq in failed]
            waiting.extend(reversed(again))
            self._size = max(sum(message.size() for message in again) // 2, 1)
        return rejected

    def _send(self, chunk: Sequence[_Out]) -> tuple[dict[int, KafkaError], Sequence[_Out]]:
        """Sends a chunk and waits for all its reports.

        Returns:
            What failed, by `seq`, and what found no room in librdkafka's queue: it goes out next, or it were overtaken.
        """
        from confluent_kafka import KafkaError, KafkaException

        failed: dict[int, KafkaError] = {}
        refused: dict[int, KafkaError] = {}
        unsent: Sequence[_Out] = ()
        left = 0

        def report(seq: int, error: KafkaError | None, message: Message) -> None:
            nonlocal left
            left -= 1
            if error is not None:
                refused[seq] = error

        producer = self._living()
        for place, (seq, value, key, headers) in enumerate(chunk):
            try:
                producer.produce(self._topic, value, key=key, headers=headers, on_delivery=partial(report, seq))
            except KafkaException as error:  # noqa: PERF203  # each message has a fate of its own
                failed[seq] = error.args[0]
            except BufferError:
                if not left:
                    raise broker_trouble(KafkaError(KafkaError._QUEUE_FULL)) from None
                unsent = chunk[place:]
                break
            else:
                left += 1
        self._wait(producer, lambda: left)
        if refused:
            self._drop()  # its count of messages and the broker's disagree from now on
        return failed | refused, unsent

    def _wait(self, producer: Producer, left: Callable[[], int]) -> None:
        """Until every report is in, as long as any come in."""
        from confluent_kafka import KafkaException

        since, before = time.monotonic(), left()
        self._trouble, self._all_down = None, False
        while left():
            try:
                producer.flush(_STEP_S)
            except KafkaException as error:  # a fatal error comes out of any call, once
                self._raise_if_refused(error.args[0])
                raise broker_trouble(error.args[0]) from None
            anyio.from_thread.check_cancelled()
            now = time.monotonic()
            if left() != before:
                since, before = now, left()
                self._trouble, self._all_down = None, False
            elif now - since > (BROKERS_DOWN_S if self._all_down or refuses(self._trouble) else PATIENCE_S):
                self._raise_if_refused(None)
                raise broker_trouble(self._trouble)

    def _judge(self, failed: Mapping[int, KafkaError]) -> dict[int, str]:
        """The reasons of what is refused for what it holds. Raises what concerns the sink as a whole."""
        for error in failed.values():
            if verdict(error) is Verdict.PAUSE:
                raise misconfigured(error, self._topic)
        for error in failed.values():
            if verdict(error) is Verdict.RETRY:
                self._raise_if_refused(None)  # a fatal error's cause comes on this way
                raise broker_trouble(error)
        return {seq: f"Kafka refuses it: {error.name()}" for seq, error in failed.items()}

    def _living(self) -> Producer:
        if self._producer is None:
            self._producer = _make_producer({**self._settings, "error_cb": self._heard})
        return self._producer

    def _heard(self, error: KafkaError) -> None:
        """What librdkafka says of its connections, while a thread of ours waits."""
        from confluent_kafka import KafkaError

        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            self._all_down = True
        else:
            self._trouble = error

    def _drop(self) -> None:
        """Takes back what was not acknowledged and ends librdkafka's threads."""
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.purge()
            producer.flush(0)
            producer.close()


def _taken(waiting: list[_Out], size: int) -> list[_Out]:
    """Takes the next messages from the end of `waiting`: up to `size` bytes of them, and one at least."""
    chunk: list[_Out] = []
    while waiting:
        size -= waiting[-1].size()
        if chunk and size < 0:
            break
        chunk.append(waiting.pop())
    return chunk


def _out(record: Record) -> _Out:
    head = envelope(record)
    return _Out(
        record.seq,
        record.json(),
        head.conversation_id.encode() if head.conversation_id else None,
        [("genscribe-key", head.key.encode()), ("genscribe-kind", record.kind)],
    )


def _make_producer(settings: Mapping[str, object]) -> Producer:
    from confluent_kafka import KafkaException, Producer

    try:
        return Producer(dict(settings), logger=_quiet)
    except (KafkaException, TypeError, ValueError) as error:
        raise refused_settings(error) from None
