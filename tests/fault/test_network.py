"""Rows N1 to N5 and N9 of the fault matrix: names, routes, TLS, proxies and slow lines under the source."""

from __future__ import annotations

import asyncio
import errno
import gc
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from websockets.asyncio.server import ServerConnection, serve

from genscribe import clock
from genscribe.emulator import Emulator
from genscribe.errors import ConfigError, UntrustedCertificate
from genscribe.genesys.tls import tls_context
from genscribe.secrets import Secret
from genscribe.sources.websocket import QUIET_S, Dialer, _Connection
from tests.fault.certificates import Authority
from tests.fault.rig import Rig, rig
from tests.toxics import ConnectProxy, Reader, Relay, Writer, listening
from tests.virtual_time import VIRTUAL, move_wall_clock

pytestmark = pytest.mark.anyio

NOWHERE = "http://api.example.invalid"
PASSWORD = "canary-proxy-77aa"


@pytest.fixture
def anyio_backend() -> Any:
    return VIRTUAL


@pytest.fixture(autouse=True)
def _no_surprises(monkeypatch: pytest.MonkeyPatch) -> None:
    move_wall_clock(monkeypatch)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "SOCKS_PROXY", "WSS_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def why(run: Rig) -> str:
    """The last warning, as a person reads it."""
    return run.telemetry.recent[-1][1]


def port_of(platform: Emulator) -> int:
    return int(platform.url.rpartition(":")[2])


async def told(run: Rig, times: int = 1) -> None:
    """Waits for as many warnings."""
    with anyio.fail_after(300):
        while len(run.telemetry.recent) < times:
            await anyio.sleep(0.1)


# N1: names


def address(port: int, family: int = socket.AF_INET, host: str = "127.0.0.1") -> Any:
    return (family, socket.SOCK_STREAM, 6, "", (host, port))


class Names:
    """A resolver that answers as written down; the last answer is given for ever."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def getaddrinfo(self, host: Any, port: Any, **hints: Any) -> Any:
        self.asked.append(host)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer == "slow":
            await anyio.sleep(1000)
        if isinstance(answer, Exception):
            raise answer
        return answer() if callable(answer) else answer


async def test_n1_a_name_is_looked_up_anew_for_each_try(monkeypatch: pytest.MonkeyPatch) -> None:
    gone, broken = socket.gaierror(socket.EAI_NONAME, "gone"), socket.gaierror(socket.EAI_AGAIN, "later")
    platform = Emulator()
    async with listening(lambda reader, writer: reader.read(0)) as dead:
        names = Names(gone, broken, "slow", [address(dead)], lambda: [address(port_of(platform))])
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", names.getaddrinfo)
        async with rig(platform, api_url=NOWHERE) as run:
            await platform.wait_connected(within_s=120)
            assert names.asked == ["api.example.invalid"] * 5
            assert "api.example.invalid" in why(run)
            platform.fault("drop")
            await platform.wait_disconnected()
            await platform.wait_connected(within_s=60)
            assert len(names.asked) == 6


async def test_n1_a_resolver_that_does_not_answer_is_given_up_after_ten_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", Names("slow").getaddrinfo)
    async with rig(Emulator(), api_url=NOWHERE) as run:
        with anyio.fail_after(10.5):
            await told(run)
        assert "within 10 s" in why(run)


# N2: routes


@pytest.mark.parametrize("code", [errno.ECONNREFUSED, errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ETIMEDOUT])
async def test_n2_no_route_is_tried_again_until_there_is_one(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    platform = Emulator()
    loop = asyncio.get_running_loop()
    left, connect = [3], loop.sock_connect

    async def sock_connect(sock: socket.socket, to: Any) -> None:
        if platform.ledger.token_count and left[0]:
            left[0] -= 1
            raise OSError(code, "no way")
        await connect(sock, to)

    monkeypatch.setattr(loop, "sock_connect", sock_connect)
    async with rig(platform) as run:
        await platform.wait_connected(within_s=60)
        assert left == [0]
        assert len(run.telemetry.recent) == 3


async def test_n2_a_v6_address_that_swallows_everything_costs_less_than_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    platform = Emulator()
    loop = asyncio.get_running_loop()
    connect = loop.sock_connect

    async def sock_connect(sock: socket.socket, to: Any) -> None:
        if sock.family == socket.AF_INET6:
            await anyio.sleep_forever()
        await connect(sock, to)

    monkeypatch.setattr(loop, "sock_connect", sock_connect)
    monkeypatch.setattr(
        loop,
        "getaddrinfo",
        Names(lambda: [address(443, socket.AF_INET6, "100::1"), address(port_of(platform))]).getaddrinfo,
    )
    async with rig(platform, api_url=NOWHERE):
        await platform.wait_connected(within_s=1)


async def test_n2_an_address_that_swallows_everything_is_given_up_after_ten_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    platform = Emulator()
    loop = asyncio.get_running_loop()
    connect = loop.sock_connect

    async def sock_connect(sock: socket.socket, to: Any) -> None:
        if platform.ledger.token_count:
            await anyio.sleep_forever()
        await connect(sock, to)

    monkeypatch.setattr(loop, "sock_connect", sock_connect)
    async with rig(platform) as run:
        with anyio.fail_after(11):
            await told(run)


# N3: certificates


@pytest.mark.parametrize("flaw", ["expired", "wrong host", "self-signed", "unknown root"])
async def test_n3_a_bad_certificate_is_refused_and_is_a_setting_after_three_times(
    authority: Authority, flaw: str
) -> None:
    got: list[bytes] = []

    async def serve(reader: Reader, writer: Writer) -> None:
        got.append(await reader.read(1))

    async with listening(serve, tls=authority.server(flaw)) as port:
        trusted = tls_context(authority.ca_file)
        async with rig(Emulator(), tls=trusted, api_url=f"https://127.0.0.1:{port}") as run:
            await run.done.wait()
            assert isinstance(run.ended, UntrustedCertificate)
            assert run.ended.exit_code == 78
            assert "--ca-file" in str(run.ended)
            assert len(run.telemetry.recent) == 2, "two warnings, then the end"
    assert b"G" not in got, "no request, and no token, went to it"


async def test_n3_with_its_root_a_private_authority_is_trusted(authority: Authority) -> None:
    async with rig(Emulator(tls=authority.server()), tls=tls_context(authority.ca_file)) as run:
        await run.platform.wait_connected()
        run.platform.say("by TLS")
        await run.hears("by TLS")


async def test_n3_two_bad_certificates_and_a_good_one_are_a_hiccup(authority: Authority) -> None:
    """A proxy that is being restarted, say. The count begins anew with each connection that is made."""
    platform = Emulator(tls=authority.server())
    relay = Relay(lambda: port_of(platform))
    async with listening(_silence, tls=authority.server("expired")) as bad:
        ports = [bad, bad, 0, bad, bad, 0]
        relay.port = lambda: ports.pop(0) or port_of(platform)
        async with listening(relay.serve) as port:
            trusted = tls_context(authority.ca_file)
            async with rig(platform, tls=trusted, api_url=f"https://127.0.0.1:{port}") as run:
                for _ in range(2):
                    await platform.wait_connected(within_s=60)
                    platform.fault("drop")
                    await platform.wait_disconnected()
                    ports = ports or [0]
                assert run.ended is None


async def test_n3_an_old_protocol_is_refused_however_often(authority: Authority) -> None:
    async with listening(lambda reader, writer: reader.read(), tls=authority.server("tls 1.1")) as port:
        trusted = tls_context(authority.ca_file)
        async with rig(Emulator(), tls=trusted, api_url=f"https://127.0.0.1:{port}") as run:
            await told(run, 5)
            assert run.ended is None
            assert "within" not in why(run), "it was not spoken"


HELLO = bytes.fromhex("160303007a0200007603037f")


@pytest.mark.parametrize("says", [HELLO, b"", b"HTTP/1.1 400 Bad\r\n\r\n"])
async def test_n3_what_is_no_tls_is_tried_again(says: bytes) -> None:
    async def serve(reader: Reader, writer: Writer) -> None:
        await reader.read(1)
        writer.write(says)
        await writer.drain()

    async with listening(serve) as port, rig(Emulator(), api_url=f"https://127.0.0.1:{port}") as run:
        await told(run, 5)
        assert run.ended is None


async def test_n3_a_refused_connection_leaves_nothing_behind(authority: Authority) -> None:
    """Where TLS fails asyncio tells a protocol nothing: what it had begun would go on for ever."""
    async with listening(lambda reader, writer: reader.read(), tls=authority.server("expired")) as port:
        dialer = Dialer(tls_context(authority.ca_file), None, "test")
        for _ in range(5):
            with pytest.raises(Exception, match="not trusted"):
                await dialer.dial(Secret(f"wss://127.0.0.1:{port}/"))
        await anyio.sleep(60)
        gc.collect()
        assert [one for one in gc.get_objects() if isinstance(one, _Connection)] == []


async def test_until_when_we_heard_does_not_pass_what_nobody_has_read_yet() -> None:
    async def talk(server: ServerConnection) -> None:
        for _ in range(3):
            await asyncio.sleep(10)
            await server.send("{}")
        await server.wait_closed()

    async with serve(talk, "127.0.0.1", 0, ping_interval=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        link = await Dialer(tls_context(), None, "test").dial(Secret(f"ws://127.0.0.1:{port}/"))
        opened = clock.wall_ms()
        await anyio.sleep(35)
        assert opened + 10_000 - 2 * QUIET_S * 1000 <= link.heard_at < opened + 10_000
        assert len(await link.receive()) == 3
        assert link.heard_at >= opened + 25_000
        await link.aclose()


async def test_on_a_quiet_line_a_sign_of_life_is_asked_for_every_few_seconds() -> None:
    """A crash begins its gap at the last one, and that may be at most ten seconds too early."""

    async def listen(server: ServerConnection) -> None:
        await server.wait_closed()

    async with serve(listen, "127.0.0.1", 0, ping_interval=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        link = await Dialer(tls_context(), None, "test").dial(Secret(f"ws://127.0.0.1:{port}/"))
        for _ in range(60):
            await anyio.sleep(1)
            assert clock.wall_ms() - link.heard_at <= (QUIET_S + 1.5) * 1000
        await link.aclose()


# N4: stalls


async def _silence(reader: Reader, writer: Writer) -> None:
    await reader.read(1 << 16)
    await reader.read()


async def _half_a_hello(reader: Reader, writer: Writer) -> None:
    writer.write(HELLO)
    await reader.read(1 << 16)
    await reader.read()


async def _slow_headers(reader: Reader, writer: Writer) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 101 Switching Protocols\r\nX-Slow: ")
    while not reader.at_eof():
        writer.write(b"a")
        with anyio.move_on_after(1):
            await reader.read(1)


@pytest.mark.parametrize(
    ("scheme", "serve"),
    [("http", _silence), ("https", _silence), ("https", _half_a_hello), ("http", _slow_headers)],
    ids=["no answer", "no TLS", "half a TLS hello", "a header byte a second"],
)
async def test_n4_a_handshake_that_stalls_is_given_up_after_ten_seconds(
    scheme: str, serve: Callable[[Reader, Writer], Any]
) -> None:
    lasted: list[float] = []

    async def timed(reader: Reader, writer: Writer) -> None:
        began = anyio.current_time()
        try:
            await serve(reader, writer)
        finally:
            lasted.append(anyio.current_time() - began)

    async with listening(timed) as port, rig(Emulator(), api_url=f"{scheme}://127.0.0.1:{port}") as run:
        await told(run, 3)
        assert run.ended is None
    assert all(9.5 <= seconds <= 11.5 for seconds in lasted[:3]), lasted


# N5: proxies


async def test_n5_a_tunnel_carries_the_websocket(authority: Authority) -> None:
    proxy = ConnectProxy()
    async with listening(proxy.serve) as port:
        trusted = tls_context(authority.ca_file)
        url = f"http://user:{PASSWORD}@127.0.0.1:{port}"
        async with rig(Emulator(tls=authority.server()), tls=trusted, proxy=url) as run:
            await run.platform.wait_connected()
            run.platform.say("through the tunnel")
            await run.hears("through the tunnel")
            assert proxy.asked == [run.platform.url.removeprefix("https://")]
            assert "Proxy-Authorization: Basic " in proxy.heads[0]
            assert "access_token" not in proxy.heads[0], "the token is inside"


@pytest.mark.parametrize("spelled", ["http://127.0.0.1:{}", "127.0.0.1:{}", "http://user@127.0.0.1:{}"])
@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
async def test_n5_a_proxy_of_the_environment_in_any_spelling(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, variable: str, spelled: str
) -> None:
    proxy = ConnectProxy()
    async with listening(proxy.serve) as port:
        monkeypatch.setenv(variable, spelled.format(port))
        async with rig(Emulator(tls=authority.server()), tls=tls_context(authority.ca_file)) as run:
            await run.platform.wait_connected()
            assert len(proxy.asked) == 1


@pytest.mark.skipif(sys.version_info >= (3, 11), reason="asyncio puts TLS into TLS from Python 3.11 on")
async def test_n5_a_proxy_that_is_spoken_to_by_tls_is_refused_where_python_cannot(authority: Authority) -> None:
    async with rig(
        Emulator(tls=authority.server()), tls=tls_context(authority.ca_file), proxy="https://[::1]:9"
    ) as run:
        await run.done.wait()
        assert isinstance(run.ended, ConfigError)
        assert "3.11" in str(run.ended)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio puts TLS into TLS from Python 3.11 on")
async def test_n5_a_proxy_that_is_spoken_to_by_tls_is_checked_by_the_same_roots(authority: Authority) -> None:
    proxy = ConnectProxy()
    async with listening(proxy.serve, tls=authority.server()) as port:
        trusted = tls_context(authority.ca_file)
        url = f"https://127.0.0.1:{port}"
        async with rig(Emulator(tls=authority.server()), tls=trusted, proxy=url) as run:
            await run.platform.wait_connected()
            assert len(proxy.asked) == 1


@pytest.mark.parametrize(
    ("variable", "value"),
    [("NO_PROXY", "127.0.0.1"), ("NO_PROXY", "*"), ("SOCKS_PROXY", "socks5://127.0.0.1:9"), ("HTTP_PROXY", "x:9")],
)
async def test_n5_what_is_not_meant_for_us_is_left_alone(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    if variable == "NO_PROXY":
        monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    async with rig(Emulator(tls=authority.server()), tls=tls_context(authority.ca_file)) as run:
        await run.platform.wait_connected()


async def test_n5_loopback_without_tls_is_reached_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    async with rig(Emulator()) as run:
        await run.platform.wait_connected()


@pytest.mark.parametrize("answer", [407, 502, 403, "stall", "die", "tunnel-dies"])
async def test_n5_a_proxy_that_fails_is_tried_again_and_its_password_is_not_shown(
    authority: Authority, answer: Any
) -> None:
    proxy = ConnectProxy(answer)
    async with listening(proxy.serve) as port:
        url = f"http://user:{PASSWORD}@127.0.0.1:{port}"
        trusted = tls_context(authority.ca_file)
        async with rig(Emulator(tls=authority.server()), tls=trusted, proxy=url) as run:
            await told(run, 2)
            assert run.ended is None
            assert PASSWORD not in str(run.telemetry.recent)
            if isinstance(answer, int):
                assert f"proxy refused to connect us (status {answer})" in why(run)
            proxy.answer = 200
            await run.platform.wait_connected(within_s=60)


@pytest.mark.parametrize("proxy", [f"ftp://u:{PASSWORD}@x:1", f"http://u:{PASSWORD}@[::1", "socks5://127.0.0.1:9"])
async def test_n5_a_proxy_that_is_none_is_a_setting(proxy: str) -> None:
    async with rig(Emulator(), proxy=proxy) as run:
        await run.done.wait()
        assert isinstance(run.ended, ConfigError)
        assert PASSWORD not in str(run.ended)


# N9: slow lines


@pytest.mark.parametrize(
    ("lines", "toxic"),
    [(200, {"chunk": 100, "every_s": 0.1}), (200, {"delay_s": 2.5}), (2, {"chunk": 1, "every_s": 0.05})],
    ids=["1 kB a second", "5 s of latency", "a byte a packet"],
)
async def test_n9_a_line_on_which_bytes_flow_is_not_dead(lines: int, toxic: dict[str, Any]) -> None:
    platform = Emulator()
    relay = Relay(lambda: port_of(platform), **toxic)
    async with listening(relay.serve) as port, rig(platform, api_url=f"http://127.0.0.1:{port}") as run:
        await platform.wait_connected()
        said = [f"line {number} " + "x" * 300 for number in range(lines)]
        for text in said:
            platform.say(text)
        await run.hears(said[-1])
        await anyio.sleep(120)
        assert run.heard.texts == said
        assert run.heard.gaps == []
        assert run.heard.open_gap is None


@pytest.mark.parametrize(("how", "within_s"), [("half_open", 60), ("reset", 2)])
async def test_n9_a_line_that_dies_is_noticed(how: str, within_s: float) -> None:
    platform = Emulator()
    relay = Relay(lambda: port_of(platform))
    async with listening(relay.serve) as port, rig(platform, api_url=f"http://127.0.0.1:{port}") as run:
        await platform.wait_connected()
        platform.say("before")
        await run.hears("before")
        if how == "reset":
            relay.reset()
        else:
            relay.half_open = True
        await run.heard.until(lambda: run.heard.open_gap is not None, within_s=within_s)
        relay.half_open = False
        await run.heard.until(lambda: run.heard.open_gap is None)
        platform.say("after")
        await run.hears("after")
        assert len(run.heard.gaps) == 1
