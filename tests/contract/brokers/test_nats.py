"""The NATS sink against a real server with JetStream: once, in order, whatever happens."""

from __future__ import annotations

import base64
import binascii
import heapq
import sys
from collections import defaultdict
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import anyio
import nats
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from genscribe.events import Record, Utterance, encode
from genscribe.sinks import nats_link
from genscribe.sinks.base import RowsRejected, SinkMisconfigured, SinkUnavailable
from genscribe.sinks.nats_link import Out
from genscribe.testing import check_sink
from tests.contract.brokers.making import gap, insist, name, poison_of, sink, talk
from tests.fault.certificates import Authority
from tests.servers.nats import Nats, running_nats
from tests.servers.processes import free_port
from tests.servers.trouble import trouble

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


async def seqs(server: Nats, stream: str) -> list[int]:
    """What the stream holds, subjects merged; an order broken within one stays broken."""
    by_subject = defaultdict(list)
    for message in await server.messages(stream):
        by_subject[message.subject].append(message.seq)
    return list(heapq.merge(*by_subject.values()))


async def make_stream(server: Nats, stream: str, **settings: Any) -> None:
    client = await nats.connect(f"nats://{server.servers}")
    await client.jetstream().add_stream(name=stream, subjects=[f"{stream}.>"], **settings)
    await client.close()


async def info(server: Nats, stream: str) -> Any:
    client = await nats.connect(f"nats://{server.servers}")
    try:
        return await client.jetstream().stream_info(stream)
    finally:
        await client.close()


async def test_it_keeps_the_contract_of_a_sink(tmp_path: Path) -> None:
    """And what comes again is dropped by the stream: nothing is there twice."""
    with running_nats(tmp_path) as server:
        await make_stream(server, "calls", max_msg_size=1_020_000)

        async def delivered() -> list[int]:
            found = await seqs(server, "calls")
            assert len(found) == len(set(found)), "an event is there twice"
            return found

        asks, answers = b"HPUB calls.", b'"stream":"calls"'
        async with trouble(server.port, asks=asks, answers=answers, process=server.process) as there:
            url = f"nats://127.0.0.1:{there.port}/calls"
            await check_sink(lambda: sink(url), delivered=delivered, poison=poison_of(1_030_000), **there.hooks)
        assert (there.lost, there.tears) == (2, 2)


async def test_what_a_message_is_made_of(nats_server: Nats) -> None:
    subject = name("org.calls")
    batch = [*talk(1), gap(2)]
    made = sink(f"nats://{nats_server.servers}/{subject}")
    await insist(made, batch)
    await made.aclose()
    said, silence = await nats_server.messages(subject.replace(".", "_"))
    assert said.subject == f"{subject}.conversation-1"
    assert said.value == batch[0].json()
    assert said.headers == {"Nats-Msg-Id": "key-1:1", "genscribe-key": "key-1", "genscribe-kind": "utterance"}
    assert silence.subject == f"{subject}._"
    assert silence.headers["genscribe-kind"] == "gap"


async def test_hostile_ids_and_keys(nats_server: Nats) -> None:
    stream = name()
    ids = ["a.b", "*", ">", "a b\r\nPUB x 1\r\n", "_", "", "%2E", "é" * 300, "\x00", "x" * 5000, "{}|~"]
    batch = [
        Record(seq, "utterance", encode(Utterance[str](key=f" {id_}\r\nX: y", revision=1, conversation_id=id_)))
        for seq, id_ in enumerate(ids, start=1)
    ]
    made = sink(f"nats://{nats_server.servers}/{stream}")
    await insist(made, batch)
    await made.write(batch)
    await made.aclose()
    found = await nats_server.messages(stream)
    assert sorted(message.seq for message in found) == list(range(1, len(ids) + 1)), "each is there once"
    assert len({message.subject for message in found}) == len(ids)
    assert all("X" not in message.headers for message in found)


async def test_interim_results_are_no_duplicates_of_each_other(nats_server: Nats) -> None:
    stream = name()
    batch = [
        Record(seq, "utterance", encode(Utterance[str](key="k", revision=int(seq == 3), text="how can i"[: seq * 3])))
        for seq in (1, 2, 3)
    ]
    made = sink(f"nats://{nats_server.servers}/{stream}")
    await insist(made, batch)
    await insist(made, batch[2:])
    await made.aclose()
    assert await seqs(nats_server, stream) == [1, 2, 3]


async def test_the_stream_that_is_made(nats_server: Nats) -> None:
    stream = name()
    made = sink(f"nats://{nats_server.servers}/{stream}?max_age=7d&window=5m&stream=Named")
    await made.open()
    await made.aclose()
    config = (await info(nats_server, "Named")).config
    assert config.subjects == [f"{stream}.>"]
    assert config.duplicate_window == 300
    assert config.max_age == 7 * 86400


async def test_a_stream_that_is_there_is_used(nats_server: Nats) -> None:
    stream = name()
    await make_stream(nats_server, stream)
    made = sink(f"nats://{nats_server.servers}/{stream}.deeper")
    await insist(made, talk(3))
    await made.aclose()
    assert await seqs(nats_server, stream) == [1, 2, 3]
    made = sink(f"nats://{nats_server.servers}/elsewhere?stream={stream}")
    with pytest.raises(SinkMisconfigured, match=f"{stream} does not take elsewhere"):
        await made.open()
    await made.aclose()


async def test_a_stream_that_vanishes_is_made_again(nats_server: Nats) -> None:
    stream = name()
    made = sink(f"nats://{nats_server.servers}/{stream}")
    await insist(made, talk(3))
    client = await nats.connect(f"nats://{nats_server.servers}")
    await client.jetstream().delete_stream(stream)
    await client.close()
    with pytest.raises(SinkUnavailable, match="does not answer"):
        await made.write(talk(3, after=3))
    await insist(made, talk(3, after=3))
    await made.aclose()
    assert await seqs(nats_server, stream) == [4, 5, 6]


async def test_nobody_there_at_start(nats_server: Nats) -> None:
    stream = name()
    nobody = free_port()
    made = sink(f"nats://127.0.0.1:{nobody}/{stream}")
    with pytest.raises(SinkUnavailable, match=f"no connection to 127.0.0.1:{nobody}"):
        await made.open()
    await made.aclose()
    made = sink(f"nats://127.0.0.1:{nobody},{nats_server.servers}/{stream}")  # one of several is enough
    await insist(made, talk(5))
    await made.aclose()
    assert await seqs(nats_server, stream) == [1, 2, 3, 4, 5]


async def test_what_is_lost_on_the_way_is_not_overtaken(nats_server: Nats) -> None:
    """Whatever a server swallows, the rest of that conversation waits for it."""
    stream = name()
    made = sink(f"nats://{nats_server.servers}/{stream}")
    await made.open()
    link = made._link  # type: ignore[attr-defined]
    send = link.send

    async def lossy(messages: list[Out]) -> None:
        await send([message for message in messages if message.seq != 4])

    link.send = lossy
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(made.write, talk(30))
        while len(await seqs(nats_server, stream)) < 21:
            await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()
    assert 7 not in await seqs(nats_server, stream)
    await insist(made, talk(30))
    await made.aclose()
    assert await seqs(nats_server, stream) == list(range(1, 31))


async def test_a_dead_server_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running_nats(tmp_path) as server:
        made = sink(f"nats://{server.servers}/calls")
        await made.open()
        monkeypatch.setattr(nats_link, "PATIENCE_S", 0.3)
        server.process.freeze()
        with pytest.raises(SinkUnavailable, match="does not read"):
            await made.write(talk(1000, conversations=1000, large=range(2000)))
        with anyio.fail_after(1):
            await made.aclose()
        server.process.thaw()


async def test_larger_than_the_stream_takes(nats_server: Nats) -> None:
    stream = name()
    await make_stream(nats_server, stream, max_msg_size=10_000)
    made = sink(f"nats://{nats_server.servers}/{stream}")
    await made.open()
    with pytest.raises(RowsRejected) as refused:
        await made.write(talk(7, large={3}))
    assert refused.value.reasons == {3: "larger than the stream takes"}
    assert await seqs(nats_server, stream) == [1, 2, 4, 5, 6, 7], "all others are there"
    await made.aclose()


async def test_larger_than_the_server_takes(nats_server: Nats) -> None:
    """Headers count; a server that gets more than it takes hangs up."""
    stream = name()
    made = sink(f"nats://{nats_server.servers}/{stream}")
    await made.open()
    exact = len(talk(1, large={1}, size=0)[0].json()) + 120
    batch = talk(9, large=range(1, 10), size=1_048_576 - exact)
    batch = [*batch, *talk(1, after=9, large={10}, size=1_048_576)]
    with pytest.raises(RowsRejected) as refused:
        await made.write(batch)
    assert set(refused.value.reasons) == {10}
    await made.write(batch[:9])
    await made.aclose()
    assert await seqs(nats_server, stream) == list(range(1, 10))


async def test_a_full_stream_keeps_the_order(nats_server: Nats) -> None:
    stream = name()
    await make_stream(nats_server, stream, max_msgs=10, discard=nats.js.api.DiscardPolicy.NEW)
    made = sink(f"nats://{nats_server.servers}/{stream}")
    await made.open()
    with pytest.raises(SinkUnavailable, match="the stream is full"):
        await made.write(talk(30))
    client = await nats.connect(f"nats://{nats_server.servers}")
    config = (await client.jetstream().stream_info(stream)).config
    await client.jetstream().update_stream(config.evolve(max_msgs=100))
    await client.close()
    await insist(made, talk(30))
    await made.aclose()
    assert await seqs(nats_server, stream) == list(range(1, 31))


async def test_a_huge_batch(nats_server: Nats) -> None:
    stream = name()
    made = sink(f"nats://{nats_server.servers}/{stream}")
    await insist(made, talk(5_000, conversations=200, large={7, 900}, size=1_000_000))
    await made.aclose()
    state = (await info(nats_server, stream)).state
    assert state.messages == 5_000


async def test_a_server_without_jetstream(tmp_path: Path) -> None:
    with running_nats(tmp_path, jetstream=False) as server:
        made = sink(f"nats://{server.servers}/calls")
        with pytest.raises(SinkMisconfigured, match="no JetStream"):
            await made.open()
        await made.aclose()


USERS = """
authorization {
  users = [
    { user: admin, password: "s3cr%t" }
    { user: writer, password: "pw",
      permissions: { publish: ["calls.>"], subscribe: ["_INBOX.>"] } }
    { user: deaf, password: "pw", permissions: { publish: [">"], subscribe: ["nothing"] } }
    { user: mute, password: "pw", permissions: { publish: ["$JS.API.>"], subscribe: [">"] } }
  ]
}
"""


async def test_logins_and_rights(tmp_path: Path) -> None:
    with running_nats(tmp_path, USERS) as server:
        server.login = "admin:s3cr%25t@"
        writer = sink(f"nats://writer:pw@{server.servers}/calls")
        await writer.open()
        with pytest.raises(SinkMisconfigured, match=r"no stream takes calls\.>, and we may not make one"):
            await writer.write(talk(3))

        admin = sink(f"nats://admin:s3cr%25t@{server.servers}/calls")
        await admin.open()
        await admin.aclose()
        await insist(writer, talk(3))  # who may only publish need not see the stream
        await writer.aclose()

        for user, words in (("deaf", "may not read acknowledgements"), ("mute", r"may not publish to calls\.>")):
            made = sink(f"nats://{user}:pw@{server.servers}/calls")
            with pytest.raises(SinkMisconfigured, match=words):
                await insist(made, talk(3))
            await made.aclose()

        for login in ("admin:wrong@", "", "sometoken@"):
            made = sink(f"nats://{login}{server.servers}/calls")
            with pytest.raises(SinkMisconfigured, match="login is refused") as refused:
                await made.open()
            assert "wrong" not in str(refused.value)
            await made.aclose()


async def test_a_token(tmp_path: Path) -> None:
    with running_nats(tmp_path, 'authorization { token: "t0ken" }') as server:
        made = sink(f"nats://t0ken@{server.servers}/calls")
        await insist(made, talk(3))
        await made.aclose()


class KeyPair:
    """What nats-py needs of the package nkeys, which the server checks for us."""

    def __init__(self, seed: bytes) -> None:
        raw = base64.b32decode(bytes(seed) + b"=" * (-len(seed) % 8))
        self._key = Ed25519PrivateKey.from_private_bytes(raw[2:34])

    @property
    def public_key(self) -> bytes:
        return nkey_text(bytes([20 << 3]) + self._key.public_key().public_bytes_raw())

    def sign(self, nonce: bytes) -> bytes:
        return self._key.sign(nonce)

    def wipe(self) -> None:
        pass


def nkey_text(raw: bytes) -> bytes:
    return base64.b32encode(raw + binascii.crc_hqx(raw, 0).to_bytes(2, "little")).rstrip(b"=")


async def test_a_login_by_signature(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nkeys = ModuleType("nkeys")
    nkeys.from_seed = KeyPair  # type: ignore[attr-defined]
    nkeys.__spec__ = ModuleSpec("nkeys", None)
    monkeypatch.setitem(sys.modules, "nkeys", nkeys)
    user = 20 << 3
    seed = nkey_text(bytes([(18 << 3) | (user >> 5), (user & 31) << 3]) + bytes(range(32)))
    file = tmp_path / "user.nk"
    file.write_bytes(seed + b"\n")
    public = KeyPair(seed).public_key.decode()
    with running_nats(tmp_path, f"authorization {{ users: [{{ nkey: {public} }}] }}") as server:
        made = sink(f"nats://{server.servers}/calls?nkey={file}")
        await insist(made, talk(3))
        await made.aclose()
        file.write_bytes(b"SUNONSENSE")
        with pytest.raises(SinkMisconfigured, match="holds no login"):
            await made.open()
        file.write_bytes(nkey_text(bytes([(18 << 3) | (user >> 5), (user & 31) << 3]) + bytes(32)))
        with pytest.raises(SinkMisconfigured, match="login is refused"):
            await made.open()


@pytest.mark.parametrize("param", ["creds", "nkey"])
async def test_a_file_that_is_no_login(tmp_path: Path, nats_server: Nats, param: str) -> None:
    file = tmp_path / "login"
    made = sink(f"nats://{nats_server.servers}/calls?{param}={file}")
    with pytest.raises(SinkMisconfigured, match="No such file"):
        await made.open()
    file.write_text("hello")
    with pytest.raises(SinkMisconfigured, match="holds no login"):
        await made.open()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def tls_lines(authority: Authority, folder: Path) -> str:
    issued = authority.ca.issue_cert("127.0.0.1")
    issued.private_key_pem.write_to_path(str(folder / "key.pem"))
    issued.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
    return f'tls {{ cert_file: "{folder}/cert.pem", key_file: "{folder}/key.pem" }}'


async def test_tls_with_a_private_root_and_a_login(tmp_path: Path, authority: Authority) -> None:
    config = tls_lines(authority, tmp_path) + '\nauthorization { user: me, password: "secret" }'
    with running_nats(tmp_path, config) as server:
        url = f"nats://me:secret@{server.servers}/calls?tls=yes"
        made = sink(url, ca_file=authority.ca_file)
        await insist(made, talk(3))
        await insist(made, talk(3))
        await made.aclose()

        made = sink(url)
        with pytest.raises(SinkMisconfigured, match="certificate is not trusted"):
            await made.open()
        await made.aclose()


async def test_a_password_is_not_told_to_a_server_without_tls(tmp_path: Path) -> None:
    with running_nats(tmp_path, "debug: true\ntrace: true\n" + USERS) as server:
        made = sink(f"nats://admin:s3cr%25t@{server.servers}/calls?tls=yes")
        with pytest.raises(SinkMisconfigured, match="does not offer TLS"):
            await made.open()
        await made.aclose()
        assert "CONNECT" not in (tmp_path / "nats.log").read_text()


async def test_a_stop_does_not_wait_for_a_dead_server(tmp_path: Path) -> None:
    with running_nats(tmp_path) as server:
        made = sink(f"nats://{server.servers}/calls")
        await made.open()
        server.process.freeze()
        with anyio.move_on_after(0.2) as scope:
            await made.write(talk(1000, conversations=1000, large=range(2000)))
        with anyio.fail_after(1):
            await made.aclose()
        assert scope.cancelled_caught
        server.process.thaw()
        await insist(made, talk(5, after=1000))
        await made.aclose()
