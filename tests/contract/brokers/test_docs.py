"""The examples with TLS, a private root and a login on the pages of the broker sinks work as they stand there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from genscribe.genesys.tls import tls_context
from genscribe.settings.sinks import sink_setting
from genscribe.sinks.base import Means, Sink
from genscribe.sinks.registry import make_sink
from tests.contract.brokers.making import insist, talk
from tests.contract.brokers.test_kafka import fronted, reader, seqs
from tests.contract.brokers.test_nats import tls_lines
from tests.fault.certificates import Authority
from tests.servers.nats import running_nats
from tests.servers.redis import running_redis
from tests.toxics import Relay, listening

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

PAGES = Path(__file__).parents[3] / "docs" / "sinks"


def example(page: str, port: int, authority: Authority) -> Sink:
    """The sink of a page's example with TLS, pointed at a server of ours."""
    (line,) = re.findall(r"^genscribe stream --ca-file.*$", (PAGES / page).read_text(encoding="utf-8"), re.MULTILINE)
    words = shlex.split(line)
    assert words[2:4] == ["--ca-file", "company-root.pem"]
    url, replaced = re.subn(r"@[a-z]+\.example\.com(:\d+)?/", f"@127.0.0.1:{port}/", words[words.index("--to") + 1])
    assert replaced == 1
    setting = sink_setting(url, lambda variable: {"PASSWORD": "secret"}[variable.partition("_")[2]])
    root = authority.ca_file
    return make_sink(setting, Means("calls", "store", lambda: tls_context(root), root))


async def test_kafka(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with fronted(tmp_path, tls=authority.server()) as (front, broker, port):
        front.login = ("genscribe", "secret")
        made = example("kafka.md", port, authority)
        await insist(made, talk(3))
        await made.aclose()
        login = reader("genscribe", "secret", authority)
        assert await seqs(broker, "genscribe.calls", **login) == [1, 2, 3]


async def test_nats(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    config = tls_lines(authority, tmp_path) + '\nauthorization { user: genscribe, password: "secret" }'
    with running_nats(tmp_path, config) as server:
        made = example("nats.md", server.port, authority)
        await insist(made, talk(3))
        await made.aclose()
        server.login = "genscribe:secret@"
        found = await server.messages("genscribe_calls", tls_context(authority.ca_file))
        assert [message.subject for message in found] == [f"genscribe.calls.conversation-{n}" for n in (1, 2, 0)]


async def test_redis(tmp_path: Path) -> None:
    """With the user of the page, who may do no more than it says."""
    authority = Authority(tmp_path)
    (line,) = re.findall(r"^ACL SETUSER.*$", (PAGES / "redis.md").read_text(encoding="utf-8"), re.MULTILINE)
    with running_redis(tmp_path) as server:
        server.command(*line.replace(">PASSWORD", ">secret").split())
        relay = Relay(lambda: server.port)
        async with listening(relay.serve, tls=authority.server()) as port:
            made = example("redis.md", port, authority)
            await insist(made, talk(3))
            await made.aclose()
        assert server.seqs("genscribe:calls") == [1, 2, 3]
