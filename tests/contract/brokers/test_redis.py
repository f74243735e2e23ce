"""The Redis sink against a real server: what is in the stream, in which order, whatever happens."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from genscribe.sinks import redis_client
from genscribe.sinks.base import RowsRejected, SinkMisconfigured, SinkUnavailable
from genscribe.testing import check_sink
from tests.contract.brokers.making import firsts, gap, insist, name, poison_of, sink, talk
from tests.fault.certificates import Authority
from tests.servers.processes import free_port
from tests.servers.redis import Redis, running_redis
from tests.servers.trouble import trouble
from tests.toxics import Relay, listening

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


async def test_it_keeps_the_contract_of_a_sink(tmp_path: Path) -> None:
    with running_redis(tmp_path, "--proto-max-bulk-len", "1mb") as server:

        async def delivered() -> list[int]:
            return server.seqs("calls")

        asks, answers = b"\r\nEXEC\r\n", b"\r\n*"
        async with trouble(server.port, asks=asks, answers=answers, torn=b"XADD", process=server.process) as there:
            url = f"redis://127.0.0.1:{there.port}/calls"
            await check_sink(lambda: sink(url), delivered=delivered, poison=poison_of(1_100_000), **there.hooks)
        assert (there.lost, there.tears) == (2, 2)


async def test_what_an_entry_is_made_of(redis_server: Redis) -> None:
    stream = name()
    batch = [*talk(1), gap(2)]
    made = sink(f"redis://127.0.0.1:{redis_server.port}/{stream}")
    await insist(made, batch)
    await made.aclose()
    said, silence = redis_server.entries(stream)
    assert said == {
        "key": "key-1",
        "kind": "utterance",
        "conversation_id": "conversation-1",
        "revision": "1",
        "json": batch[0].json().decode(),
    }
    assert (silence["key"], silence["kind"], silence["conversation_id"]) == ("gap-2", "gap", "")


async def test_a_batch_is_one_round_trip(redis_server: Redis) -> None:
    stream = name()
    relay = Counting(lambda: redis_server.port)
    async with listening(relay.serve) as port:
        made = sink(f"redis://127.0.0.1:{port}/{stream}")
        await made.open()
        before = relay.turns
        await made.write(talk(200))
        await made.aclose()
    assert relay.turns == before + 1
    assert len(redis_server.seqs(stream)) == 200


class Counting(Relay):
    """Counts how often the talk turns from the client to the server."""

    turns = 0
    asked = False

    async def _pass(self, reader, writer, chunk, every_s):  # type: ignore[no-untyped-def]  # Relay's
        while data := await reader.read(1 << 16):
            if chunk is not None and not self.asked:
                self.turns += 1
            self.asked = chunk is not None
            writer.write(data)


async def test_nobody_there_at_start(redis_server: Redis) -> None:
    stream = name()
    nobody = free_port()
    made = sink(f"redis://127.0.0.1:{nobody}/{stream}")
    with pytest.raises(SinkUnavailable, match=f"no connection to 127.0.0.1:{nobody}"):
        await made.open()
    await made.aclose()
    made = sink(f"redis://127.0.0.1:{nobody},127.0.0.1:{redis_server.port}/{stream}")  # one of several is enough
    await insist(made, talk(5))
    await made.aclose()
    assert redis_server.seqs(stream) == [1, 2, 3, 4, 5]


async def test_a_dead_server_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_client, "ANSWER_S", 0.2)
    with running_redis(tmp_path) as server:
        made = sink(f"redis://127.0.0.1:{server.port}/calls")
        await made.open()
        server.process.freeze()
        with pytest.raises(SinkUnavailable, match="no connection"):
            await made.write(talk(5000, large=range(10_000), size=5_000))  # more than the system buffers
        await made.aclose()
        server.process.thaw()


async def test_what_is_too_large_is_named(tmp_path: Path) -> None:
    with running_redis(tmp_path, "--proto-max-bulk-len", "1mb") as server:
        made = sink(f"redis://127.0.0.1:{server.port}/calls")
        await made.open()
        with pytest.raises(RowsRejected) as refused:
            await made.write(talk(5, large={2}, size=1_100_000))
        await made.aclose()
        assert list(refused.value.reasons) == [2]
        assert "larger than the server takes" in refused.value.reasons[2]
        assert server.seqs("calls") == []


async def test_a_huge_batch(redis_server: Redis) -> None:
    stream = name()
    made = sink(f"redis://127.0.0.1:{redis_server.port}/{stream}")
    await insist(made, talk(20_000, large={7, 9_000}, size=5_000_000))
    await made.aclose()
    assert redis_server.seqs(stream) == list(range(1, 20_001))


async def test_a_full_memory_takes_the_batch_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    with running_redis(tmp_path, "--maxmemory", "3mb", "--maxmemory-policy", "noeviction") as server:
        made = sink(f"redis://127.0.0.1:{server.port}/calls")
        await made.open()
        sent = 0
        with pytest.raises(SinkUnavailable, match="memory is full"):
            for part in range(1000):
                await made.write(talk(50, after=50 * part))
                sent += 50
        assert len(server.seqs("calls")) == sent > 0
        server.command("CONFIG", "SET", "maxmemory", "100mb")
        await insist(made, talk(50, after=sent))
        await made.aclose()
        assert server.seqs("calls") == list(range(1, sent + 51))


async def test_what_was_said_is_in_no_error(tmp_path: Path) -> None:
    with running_redis(tmp_path) as server:
        server.command("CONFIG", "SET", "maxmemory", "1")
        made = sink(f"redis://127.0.0.1:{server.port}/calls")
        with pytest.raises(SinkUnavailable) as failed:
            await made.write(talk(3))
        await made.aclose()
        assert "line" not in str(failed.value)
        assert failed.value.__cause__ is None
        assert failed.value.__suppress_context__


async def test_it_is_a_replica(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with running_redis(tmp_path) as primary, running_redis(tmp_path / "other") as replica:
        replica.command("REPLICAOF", "127.0.0.1", primary.port)
        made = sink(f"redis://127.0.0.1:{replica.port}/calls")
        with pytest.raises(SinkUnavailable, match=r"replica.*Name the primary"):
            await made.write(talk(3))
        await made.aclose()
        made = sink(f"redis://127.0.0.1:{replica.port},127.0.0.1:{primary.port}/calls")
        trouble: list[str] = []
        await insist(made, talk(3), trouble)
        await made.aclose()
        assert len(trouble) == 1
        assert primary.seqs("calls") == [1, 2, 3]


async def test_a_cluster_sends_us_to_the_right_node(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    on = ("--cluster-enabled", "yes")
    with running_redis(tmp_path, *on) as first, running_redis(tmp_path / "other", *on) as second:
        second.command("CLUSTER", "ADDSLOTS", *range(16384))
        first.command("CLUSTER", "MEET", "127.0.0.1", second.port)
        while b"cluster_state:ok" not in first.command("CLUSTER", "INFO"):  # type: ignore[operator]
            await anyio.sleep(0.05)
        made = sink(f"redis://127.0.0.1:{first.port}/calls")
        trouble: list[str] = []
        await insist(made, talk(3), trouble)
        await made.write(talk(3, after=3))
        await made.aclose()
        assert trouble == [f"Redis: the stream is on another node, 127.0.0.1:{second.port}."]
        assert second.seqs("calls") == [1, 2, 3, 4, 5, 6]


async def test_something_else_under_that_key(redis_server: Redis) -> None:
    key = name()
    redis_server.command("SET", key, "text")
    made = sink(f"redis://127.0.0.1:{redis_server.port}/{key}")
    with pytest.raises(SinkMisconfigured, match=f"{key} is there, and is no stream"):
        await made.open()
    with pytest.raises(SinkMisconfigured, match=f"{key} is there, and is no stream"):
        await made.write(talk(2))
    await made.aclose()


async def test_database_and_length(redis_server: Redis) -> None:
    stream = name()
    made = sink(f"redis://127.0.0.1:{redis_server.port}/{stream}?db=3&maxlen=1000")
    await made.open()
    for part in range(10):
        await made.write(talk(500, after=500 * part))
    await made.aclose()
    left = redis_server.entries(stream, db=3)
    assert 1000 <= len(left) < 1500
    assert '"seq":5000,' in left[-1]["json"]
    assert redis_server.entries(stream) == []

    made = sink(f"redis://127.0.0.1:{redis_server.port}/{stream}?db=99")
    with pytest.raises(SinkMisconfigured, match="no such database"):
        await made.open()
    await made.aclose()


async def test_a_user_who_may_only_add(tmp_path: Path) -> None:
    with running_redis(tmp_path) as server:
        server.command(
            "ACL", "SETUSER", "writer", "on", ">s3cr%t", "~calls", "+xadd", "+multi", "+exec", "-@connection"
        )
        server.command("ACL", "SETUSER", "writer", "+auth")
        made = sink(f"redis://writer:s3cr%25t@127.0.0.1:{server.port}/calls")
        await made.open()
        await made.write(talk(3))
        await made.aclose()
        assert server.seqs("calls") == [1, 2, 3]

        made = sink(f"redis://writer:s3cr%25t@127.0.0.1:{server.port}/others")
        with pytest.raises(SinkMisconfigured, match="may not add to others"):
            await made.write(talk(3))
        await made.aclose()

        made = sink(f"redis://writer:wrong@127.0.0.1:{server.port}/calls")
        with pytest.raises(SinkMisconfigured, match="login is refused") as refused:
            await made.open()
        await made.aclose()
        assert "wrong" not in str(refused.value)


async def test_tls_with_a_private_root_and_a_password(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with running_redis(tmp_path, "--requirepass", "secret") as server:
        relay = Relay(lambda: server.port)
        async with listening(relay.serve, tls=authority.server()) as port:
            url = f"rediss://:secret@127.0.0.1:{port}/calls"
            made = sink(url, ca_file=authority.ca_file)
            await insist(made, talk(3))
            await made.aclose()

            made = sink(url)
            with pytest.raises(SinkMisconfigured, match="certificate is not trusted"):
                await made.open()
            await made.aclose()

            made = sink(f"rediss://127.0.0.1:{port}/calls", ca_file=authority.ca_file)
            with pytest.raises(SinkMisconfigured, match="login"):
                await made.open()
            await made.aclose()
        reader = sink(f"redis://:secret@127.0.0.1:{server.port}/calls")
        await reader.write(talk(1, after=3))
        await reader.aclose()


async def test_a_stop_does_not_wait_for_a_dead_server(tmp_path: Path) -> None:
    with running_redis(tmp_path) as server:
        made = sink(f"redis://127.0.0.1:{server.port}/calls")
        await made.open()
        server.process.freeze()
        with anyio.move_on_after(0.1) as scope:
            await made.write(talk(5000, large=range(10_000), size=5_000))
        with anyio.fail_after(1):
            await made.aclose()
        assert scope.cancelled_caught
        server.process.thaw()
        await insist(made, talk(5))
        await made.aclose()
        assert firsts(server.seqs("calls"))[:5] == [1, 2, 3, 4, 5]
