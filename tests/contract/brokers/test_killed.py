"""We are killed in the middle, again and again: nothing is lost, nothing is overtaken, JetStream has nothing twice."""

from __future__ import annotations

import heapq
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import pytest

from tests.contract.brokers import writer
from tests.contract.brokers.making import firsts, name
from tests.servers.kafka import Kafka
from tests.servers.nats import Nats
from tests.servers.redis import Redis

pytestmark = pytest.mark.slow

TOTAL = 20_000
KILLS = 5


def killed_again_and_again(url: str, cursor: Path) -> int:
    """Runs the writer to its end and kills it on the way; how often it was killed in the middle."""
    command = [sys.executable, "-m", "tests.contract.brokers.writer", url, str(cursor), str(TOTAL)]
    kills = 0
    for life in range(KILLS + 1):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "writing\n"
            if life < KILLS:
                time.sleep(0.02 * (life + 1))
                process.kill()
            said = process.stdout.read()
        kills += said != "done\n"
    assert said == "done\n"
    return kills


def merged(messages: list[tuple[object, int]]) -> list[int]:
    """By conversation, what came first counts; an order broken within one stays broken."""
    lanes = defaultdict(list)
    for lane, seq in messages:
        lanes[lane].append(seq)
    return list(heapq.merge(*(firsts(lane) for lane in lanes.values())))


def test_kafka(kafka: Kafka, tmp_path: Path) -> None:
    topic = name()
    kafka.make_topic(topic, 3)
    assert killed_again_and_again(f"kafka://{kafka.servers}/{topic}", tmp_path / "cursor") >= 2
    found = [(message.key, message.seq) for message in kafka.messages(topic)]
    assert merged(found) == list(range(1, TOTAL + 1))
    assert len(found) <= TOTAL + KILLS * writer.BATCH


def test_redis(redis_server: Redis, tmp_path: Path) -> None:
    stream = name()
    assert killed_again_and_again(f"redis://127.0.0.1:{redis_server.port}/{stream}", tmp_path / "cursor") >= 2
    found = redis_server.seqs(stream)
    assert firsts(found) == list(range(1, TOTAL + 1))
    assert len(found) <= TOTAL + KILLS * writer.BATCH


@pytest.mark.anyio
async def test_nats(nats_server: Nats, tmp_path: Path) -> None:
    stream = name()
    assert killed_again_and_again(f"nats://{nats_server.servers}/{stream}", tmp_path / "cursor") >= 2
    found = [(message.subject, message.seq) for message in await nats_server.messages(stream)]
    assert merged(found) == list(range(1, TOTAL + 1))
    assert len(found) == TOTAL, "the stream has something twice"
