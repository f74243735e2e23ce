"""What `check`, `open_stream` and a start say of the live page that cannot be."""

from __future__ import annotations

import logging
import re
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
import trustme

import genscribe
from genscribe.cli import demo, findings_page, logs
from genscribe.cli.finding import Finding
from genscribe.cli.main import main
from genscribe.errors import ConfigError
from genscribe.settings import WebAddress, load
from genscribe.store.lock import StoreLock
from genscribe.telemetry import Telemetry
from tests.unit.web.serving import filled

TOKEN = "a-token-of-many-letters"


@pytest.fixture
def undisturbed() -> Iterator[None]:
    """What a command does to the process that it runs in is undone."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = logging.getLogger().handlers[:], [signal.getsignal(number) for number in numbers]
    loggers = [logging.getLogger(name) for name in (None, "genscribe", *logs.CHATTY)]
    levels = [logger.level for logger in loggers]
    yield
    logging.getLogger().handlers[:] = before[0]
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)
    logging.captureWarnings(False)
    for number, handler in zip(numbers, before[1], strict=True):
        signal.signal(number, handler)


@pytest.fixture
def taken() -> Iterator[str]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield f"127.0.0.1:{other.getsockname()[1]}"


def found(store: Path, web: str, **given: object) -> Finding:
    return anyio.run(findings_page.of_page, load({"store": store, "web": web, **given}, environ={}))


def test_what_check_says_of_the_page(tmp_path: Path, taken: str) -> None:
    store = tmp_path / "s.db"
    assert found(store, "127.0.0.1:0") == Finding(
        "live page", True, "can be served at 127.0.0.1:0, for this machine alone."
    )
    assert "with the token given" in found(store, "127.0.0.1:0", web_token=TOKEN).text
    proxied = found(store, "127.0.0.1:0", web_behind_proxy="10.0.0.0/8")
    assert "behind a proxy, with a token that is made at start" in proxied.text
    issued = trustme.CA().issue_cert("127.0.0.1")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    issued.cert_chain_pems[0].write_to_path(str(cert))
    issued.private_key_pem.write_to_path(str(key))
    assert "over TLS" in found(store, "0.0.0.0:0", web_cert=str(cert), web_key=str(key)).text
    for web, given, said in (
        ("127.0.0.1:0", {"web_cert": str(cert), "web_key": str(cert)}, "cannot be used"),
        ("127.0.0.1:0", {"web_cert": str(cert)}, "one is missing"),
        ("0.0.0.0:0", {}, "in the clear"),
        ("192.0.2.1:0", {"web_behind_proxy": "10.0.0.0/8"}, "cannot listen on"),
        (taken, {}, "already in use"),
    ):
        wrong = found(store, web, **given)
        assert (wrong.ok, wrong.exit_code) == (False, 78), web
        assert said in wrong.text
        assert wrong.advice


def test_an_address_that_the_running_genscribe_has_is_no_fault(tmp_path: Path, taken: str) -> None:
    from genscribe.store.journal import Journal

    async def while_it_runs() -> Finding:
        async with await Journal.open(tmp_path / "s.db", telemetry=Telemetry()):
            return await findings_page.of_page(load({"store": tmp_path / "s.db", "web": taken}, environ={}))

    said = anyio.run(while_it_runs)
    assert (said.ok, said.exit_code) == (None, 0)


@pytest.mark.usefixtures("undisturbed")
def test_an_address_that_is_taken_is_one_line_and_78(
    tmp_path: Path, taken: str, capsys: pytest.CaptureFixture[str]
) -> None:
    anyio.run(filled, tmp_path / "s.db", "hello")
    assert main(["serve", "--store", str(tmp_path / "s.db"), "--web", taken]) == 78
    said = capsys.readouterr().err.strip()
    assert len(said.splitlines()) == 1
    assert f"cannot listen on {taken}" in said
    assert "--web" in said


@pytest.mark.usefixtures("undisturbed")
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--web", "0.0.0.0:0"], "in the clear"),
        (
            ["--web", "127.0.0.1:0", "--web-cert", "/nowhere/cert.pem", "--web-key", "/nowhere/key.pem"],
            "cannot be used",
        ),
        (["--web", "127.0.0.1:0", "--web-cert", "/nowhere/cert.pem"], "one is missing"),
        (["--web", "127.0.0.1:0", "--web-token-file", "/nowhere/token"], "/nowhere/token"),
        (["--web", "127.0.0.1:0", "--web-behind-proxy", "10.0.0.0/33"], "is not a network"),
        (["--web", "TAKEN"], "cannot listen on"),
    ],
)
@pytest.mark.parametrize("command", ["stream", "demo"])
def test_a_page_that_cannot_be_is_refused_before_anything_is_made(
    command: str,
    options: list[str],
    said: str,
    taken: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("GENESYS_CLIENT_ID", "x")
    monkeypatch.setenv("GENESYS_CLIENT_SECRET", "y")
    store = ["--store", str(tmp_path / "new" / "s.db")] if command == "stream" else []
    chosen = [taken if option == "TAKEN" else option for option in options]
    assert main([command, *store, *chosen]) in (2, 78)
    told = capsys.readouterr().err.strip().splitlines()
    assert said in told[-1]
    assert not any("Traceback" in line for line in told)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("undisturbed")
def test_a_store_that_is_held_is_said_before_an_address_that_is_taken(
    taken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GENESYS_CLIENT_ID", "x")
    monkeypatch.setenv("GENESYS_CLIENT_SECRET", "y")
    lock = StoreLock.acquire(tmp_path / "s.db")
    try:
        assert main(["stream", "--store", str(tmp_path / "s.db"), "--web", taken]) == 75
    finally:
        lock.release()
    assert "holds the store" in capsys.readouterr().err


@pytest.mark.usefixtures("undisturbed")
def test_the_demo_takes_another_port_where_its_own_is_taken(
    tmp_path: Path, taken: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    host, _, port = taken.partition(":")
    monkeypatch.setattr(demo, "DEFAULT", WebAddress(host, int(port)))
    assert main(["demo", "--for", "0.1", "--store", str(tmp_path / "s.db")]) == 0
    said = re.search(r"live page is at http://127\.0\.0\.1:(\d+)/", capsys.readouterr().err)
    assert said is not None
    assert said[1] not in (port, "0")


@pytest.mark.anyio
async def test_open_stream_makes_no_token_that_nobody_would_see(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="web_token"):
        async with genscribe.open_stream(
            store=tmp_path / "s.db", client_id="x", client_secret="y", web="127.0.0.1:0", web_behind_proxy="127.0.0.1"
        ):
            pass
    assert not (tmp_path / "s.db").exists()
