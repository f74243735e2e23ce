"""The Kafka sink against a broker that speaks the protocol: what arrives, in whose order, whatever happens."""

from __future__ import annotations

import heapq
import threading
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from ssl import SSLContext

import anyio
import pytest

from genscribe.events import Record, Utterance, encode
from genscribe.sinks import kafka as module
from genscribe.sinks.base import RowsRejected, Sink, SinkMisconfigured, SinkUnavailable
from genscribe.testing import check_sink
from tests.contract.brokers.making import firsts, gap, insist, name, sink, talk
from tests.fault.certificates import Authority
from tests.servers.kafka import Front, Kafka, read_topic, running_kafka, s3_server
from tests.servers.processes import free_port
from tests.toxics import listening

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


MSG_SIZE_TOO_LARGE = 10


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BROKERS_DOWN_S", 0.3)
    monkeypatch.setattr(module, "OPENING_S", 2.0)


@asynccontextmanager
async def fronted(folder: Path, tls: SSLContext | None = None) -> AsyncIterator[tuple[Front, Kafka, int]]:
    """A broker that can be reached only through what stands before it."""
    front = Front(lambda: broker.port)
    async with listening(front.serve, tls=tls) as port:
        with running_kafka(folder, public=port) as broker:
            yield front, broker, port


async def seqs(broker: Kafka, topic: str, **login: str) -> list[int]:
    """What the topic holds, partitions merged; an order broken within one stays broken."""
    messages = await anyio.to_thread.run_sync(lambda: broker.messages(topic, **login))
    by_partition = defaultdict(list)
    for message in messages:
        by_partition[message.partition].append(message.seq)
    return list(heapq.merge(*by_partition.values()))


def expected(batch: list[Record]) -> list[int]:
    return [record.seq for record in batch]


async def test_it_keeps_the_contract_of_a_sink(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what stands before the broker going down, for a broker that keeps much and dies is slow."""
    monkeypatch.setattr(module, "OPENING_S", 0.5)
    async with fronted(tmp_path) as (front, broker, port):
        await anyio.to_thread.run_sync(broker.make_topic, "calls", 3)
        front.refuse = lambda frame: MSG_SIZE_TOO_LARGE if b"this is poison" in frame else 0

        async def delivered() -> list[int]:
            # Partitions have no common order; what is promised is that of each conversation.
            by_key = defaultdict(list)
            for message in await anyio.to_thread.run_sync(broker.messages, "calls"):
                by_key[message.key].append(message.seq)
            return list(heapq.merge(*(firsts(found) for key, found in by_key.items() if key), sorted(by_key[None])))

        def poison(seq: int) -> Record:
            return Record(seq, "utterance", encode(Utterance[str](key=f"p{seq}", revision=1, text="this is poison")))

        await check_sink(
            lambda: sink(f"kafka://127.0.0.1:{port}/calls"),
            delivered=delivered,
            poison=poison,
            **front.hooks(broker.process),
        )
        assert front.lose == front.cut == 0


async def test_what_a_message_is_made_of(kafka: Kafka) -> None:
    topic = name()
    batch = [*talk(1), gap(2)]
    await insist(sink(f"kafka://{kafka.servers}/{topic}"), batch)
    said, silence = sorted(await anyio.to_thread.run_sync(kafka.messages, topic), key=lambda message: message.seq)
    assert said.key == b"conversation-1"
    assert said.headers == {"genscribe-key": b"key-1", "genscribe-kind": b"utterance"}
    assert said.value == batch[0].json()
    assert silence.key is None
    assert silence.headers == {"genscribe-key": b"gap-2", "genscribe-kind": b"gap"}


async def test_a_conversation_stays_in_one_partition(kafka: Kafka) -> None:
    topic = name()
    kafka.make_topic(topic, 4)
    made = sink(f"kafka://{kafka.servers}/{topic}")
    await insist(made, talk(300, conversations=20))
    await made.aclose()
    found = await anyio.to_thread.run_sync(kafka.messages, topic)
    partitions = defaultdict(set)
    for message in found:
        partitions[message.key].add(message.partition)
    assert len(found) == 300
    assert all(len(where) == 1 for where in partitions.values())
    assert len(set.union(*partitions.values())) > 1


async def test_nobody_there_at_start(kafka: Kafka) -> None:
    topic = name()
    nobody = free_port()
    made = sink(f"kafka://127.0.0.1:{nobody}/{topic}")
    with pytest.raises(SinkUnavailable, match="no broker can be reached"):
        await made.open()
    await made.aclose()
    made = sink(f"kafka://127.0.0.1:{nobody},{kafka.servers}/{topic}")  # one of several is enough
    await insist(made, talk(5))
    await made.aclose()
    assert await seqs(kafka, topic) == [1, 2, 3, 4, 5]


async def test_it_dies_and_returns_in_the_middle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 1.0)
    async with fronted(tmp_path) as (front, broker, port):
        await anyio.to_thread.run_sync(broker.make_topic, "calls", 2)
        made = sink(f"kafka://127.0.0.1:{port}/calls")
        trouble: list[str] = []
        for part in range(6):
            front.close_after = part  # answers, from now
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(insist, made, talk(200, after=200 * part, size=8_000, large=range(2000)), trouble)
                while len(trouble) <= part:
                    await anyio.sleep(0.01)
                front.reopen()
        await made.aclose()
        assert firsts(await seqs(broker, "calls")) == list(range(1, 1201))


async def test_the_broker_itself_dies_and_returns(tmp_path: Path) -> None:
    with s3_server() as url, running_kafka(tmp_path, s3=url) as broker:
        await anyio.to_thread.run_sync(broker.make_topic, "calls")
        made = sink(f"kafka://{broker.servers}/calls")
        await insist(made, talk(50))
        broker.process.stop()
        trouble: list[str] = []
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(insist, made, talk(50, after=50), trouble)
            while not trouble:
                await anyio.sleep(0.01)
            await anyio.to_thread.run_sync(broker.process.start)
        await made.aclose()
        assert firsts(await seqs(broker, "calls")) == list(range(1, 101))
        assert "no broker can be reached" in trouble[0]


async def test_the_acknowledgement_is_lost(tmp_path: Path) -> None:
    async with fronted(tmp_path) as (front, broker, port):
        await anyio.to_thread.run_sync(broker.make_topic, "calls")
        made = sink(f"kafka://127.0.0.1:{port}/calls")
        await insist(made, talk(5))
        front.lose = 1
        await insist(made, talk(5, after=5))
        await insist(made, talk(5, after=10))
        await made.aclose()
        assert front.lose == 0
        assert front.produced == 4, "it was not sent again"
        assert await seqs(broker, "calls") == list(range(1, 16)), "the broker took for new what it had"


async def test_a_stop_does_not_wait_for_a_dead_broker(tmp_path: Path) -> None:
    async with fronted(tmp_path) as (front, broker, port):
        await anyio.to_thread.run_sync(broker.make_topic, "calls")
        made = sink(f"kafka://127.0.0.1:{port}/calls")
        await made.open()
        before = threading.active_count()
        front.close()
        with anyio.move_on_after(0.1) as scope:
            await made.write(talk(10))
        await made.aclose()
        assert scope.cancelled_caught
        assert threading.active_count() <= before + 1
        front.open = True
        await insist(made, talk(10))
        await made.aclose()
        assert firsts(await seqs(broker, "calls")) == list(range(1, 11))


def larger_than(limit: int) -> Callable[[bytes], int]:
    return lambda frame: MSG_SIZE_TOO_LARGE if len(frame) > limit else 0


async def test_whole_requests_are_refused_and_who_is_to_blame_is_found(tmp_path: Path) -> None:
    async with fronted(tmp_path) as (front, broker, port):
        await anyio.to_thread.run_sync(broker.make_topic, "calls")
        front.refuse = larger_than(9_000)
        batch = talk(7, large={3}, size=10_000)
        made = sink(f"kafka://127.0.0.1:{port}/calls")
        await made.open()
        with pytest.raises(RowsRejected) as refused:
            await made.write(batch)
        assert refused.value.reasons == {3: "Kafka refuses it: MSG_SIZE_TOO_LARGE"}
        rest = [record for record in batch if record.seq != 3]
        await made.write(rest)
        await made.write(talk(3, after=7))
        await made.aclose()
        assert await seqs(broker, "calls") == [seq for seq in range(1, 11) if seq != 3], "once, and in order"


async def test_a_low_limit_of_the_topic_costs_nothing_but_time(tmp_path: Path) -> None:
    async with fronted(tmp_path) as (front, broker, port):
        await anyio.to_thread.run_sync(broker.make_topic, "calls")
        front.refuse = larger_than(9_000)
        made = sink(f"kafka://127.0.0.1:{port}/calls")
        await insist(made, talk(500))
        await made.aclose()
        assert await seqs(broker, "calls") == list(range(1, 501))


async def test_partial_success_keeps_what_is_there_and_the_order(tmp_path: Path) -> None:
    async with fronted(tmp_path) as (front, broker, port):
        await anyio.to_thread.run_sync(broker.make_topic, "calls", 3)
        front.refuse = larger_than(9_000)
        bad = {3, 4, 50, 99}
        batch = talk(100, conversations=9, large=bad, size=10_000)
        made = sink(f"kafka://127.0.0.1:{port}/calls")
        await made.open()
        refused, tries = await rejected(made, batch)
        assert set(refused.reasons) == bad
        await made.write([record for record in batch if record.seq not in bad])
        await made.aclose()
        found = sorted(await seqs(broker, "calls"))
        good = [seq for seq in range(1, 101) if seq not in bad]
        assert (found if tries == 1 else sorted(set(found))) == good


async def rejected(made: Sink, batch: list[Record]) -> tuple[RowsRejected, int]:
    """What it rejects, and after how many tries: this broker now and then fences a producer that it refused much."""
    for tries in range(1, 20):
        try:
            await made.write(batch)
        except RowsRejected as refused:
            return refused, tries
        except SinkUnavailable:
            await made.open()
    raise AssertionError("it rejects nothing")


async def test_too_large_for_the_client_library(kafka: Kafka) -> None:
    topic = name()
    made = sink(f"kafka://{kafka.servers}/{topic}", options={"message.max.bytes": 20_000})
    await made.open()
    with pytest.raises(RowsRejected) as refused:
        await made.write(talk(9, large={1, 5, 9}))
    assert set(refused.value.reasons) == {1, 5, 9}
    await made.write([record for record in talk(9) if record.seq not in (1, 5, 9)])
    await made.aclose()
    assert await seqs(kafka, topic) == [2, 3, 4, 6, 7, 8]


async def test_a_queue_that_is_full_is_waited_for(kafka: Kafka) -> None:
    topic = name()
    made = sink(f"kafka://{kafka.servers}/{topic}", options={"queue.buffering.max.messages": 3})
    await insist(made, talk(20))
    await made.aclose()
    assert await seqs(kafka, topic) == list(range(1, 21)), "once, and in order"


async def test_a_huge_batch(kafka: Kafka) -> None:
    topic = name()
    made = sink(f"kafka://{kafka.servers}/{topic}")
    await insist(made, talk(20_000, conversations=50, large={7, 9_000}, size=900_000))
    await made.aclose()
    assert await seqs(kafka, topic) == list(range(1, 20_001))


@pytest.mark.parametrize(
    ("code", "error", "words"),
    [
        (29, SinkMisconfigured, "may not write to topic calls"),
        (87, RowsRejected, "rejected"),
    ],
)
async def test_what_a_broker_answers(tmp_path: Path, code: int, error: type[Exception], words: str) -> None:
    async with fronted(tmp_path) as (front, broker, port):
        await anyio.to_thread.run_sync(broker.make_topic, "calls")
        made = sink(f"kafka://127.0.0.1:{port}/calls", options={"topic.metadata.propagation.max.ms": 200})
        await made.open()
        front.refuse = lambda frame: code
        with pytest.raises(error, match=words):
            await made.write(talk(1))
        front.refuse = lambda frame: 0
        await insist(made, talk(2))
        await made.aclose()
        assert firsts(await seqs(broker, "calls"))[-1] == 2


@pytest.mark.parametrize("code", [45, 47, 59, 67, 90, 6, 19, 56])
async def test_whatever_passes_is_got_over(tmp_path: Path, code: int) -> None:
    """Lost sequences, fenced producers, moved leaders, too few replicas: some are fatal to a producer, none to us."""
    async with fronted(tmp_path) as (front, broker, port):
        await anyio.to_thread.run_sync(broker.make_topic, "calls")
        made = sink(f"kafka://127.0.0.1:{port}/calls")
        await insist(made, talk(20))
        left = [3]

        def refuse(frame: bytes) -> int:
            left[0] -= 1
            return code if left[0] >= 0 else 0

        front.refuse = refuse
        await insist(made, talk(20, after=20))
        await made.aclose()
        assert left[0] < 3
        assert firsts(await seqs(broker, "calls")) == list(range(1, 41))


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def reader(user: str, password: str, authority: Authority) -> dict[str, str]:
    """What the tests' own reader logs in with."""
    login = {"sasl.mechanism": "PLAIN", "sasl.username": user, "sasl.password": password}
    return {**login, "security.protocol": "SASL_SSL", "ssl.ca.location": str(authority.ca_file)}


async def test_tls_with_a_private_root_and_a_login(tmp_path: Path, authority: Authority) -> None:
    async with fronted(tmp_path, tls=authority.server()) as (front, broker, port):
        front.login = ("me", "s3cr%t")
        login = reader("me", "s3cr%t", authority)
        made = sink(f"kafka://me:s3cr%25t@127.0.0.1:{port}/calls", ca_file=authority.ca_file)
        await insist(made, talk(5))
        await made.aclose()
        assert await seqs(broker, "calls", **login) == [1, 2, 3, 4, 5]

        made = sink(f"kafka://me:wrong@127.0.0.1:{port}/calls", ca_file=authority.ca_file)
        with pytest.raises(SinkMisconfigured, match="login is refused") as refused:
            await made.open()
        assert "wrong" not in str(refused.value)
        assert front.logins
        await made.aclose()

        made = sink(f"kafka://me:s3cr%25t@127.0.0.1:{port}/calls")
        with pytest.raises(SinkMisconfigured, match="certificate is not trusted"):
            await made.open()
        await made.aclose()


async def test_the_options_of_the_file_say_the_same(tmp_path: Path, authority: Authority) -> None:
    async with fronted(tmp_path, tls=authority.server()) as (front, broker, port):
        front.login = ("me", "secret")
        login = reader("me", "secret", authority)
        options = {
            "security": {"protocol": "SASL_SSL"},  # what TOML makes of an unquoted security.protocol
            "sasl.mechanism": "PLAIN",
            "sasl.username": "me",
            "sasl.password": "secret",
            "ssl.ca.location": str(authority.ca_file),
            "compression.type": "gzip",
        }
        made = sink(f"kafka://127.0.0.1:{port}/calls", options=options)
        await insist(made, talk(5))
        await made.aclose()
        assert await seqs(broker, "calls", **login) == [1, 2, 3, 4, 5]


async def test_the_mock_of_librdkafka_agrees() -> None:
    """A second opinion: another implementation of the broker's side, three brokers, a partition each."""
    from confluent_kafka import Producer

    cluster = Producer({"test.mock.num.brokers": 3, "bootstrap.servers": "made.up"})
    there = await anyio.to_thread.run_sync(lambda: cluster.list_topics(timeout=10))
    servers = ",".join(f"{broker.host}:{broker.port}" for broker in there.brokers.values())
    made = sink(f"kafka://{servers}/calls")
    await insist(made, talk(100, conversations=10))
    await made.aclose()
    by_key = defaultdict(list)
    for message in await anyio.to_thread.run_sync(read_topic, servers, "calls"):
        by_key[message.key].append(message.seq)
    cluster.close()
    assert sorted(seq for found in by_key.values() for seq in found) == list(range(1, 101))
    assert all(found == sorted(found) for found in by_key.values())
