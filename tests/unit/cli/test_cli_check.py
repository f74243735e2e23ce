from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest

from genscribe.cli import check, findings
from genscribe.cli.finding import Finding
from genscribe.cli.main import main
from genscribe.emulator.thread import GenesysCloud
from genscribe.events import Record
from genscribe.genesys.permissions import PERMISSIONS
from genscribe.settings import load
from genscribe.sinks.base import SinkMisconfigured, SinkUnavailable
from genscribe.terminal import Screen
from genscribe.testing import genesys_cloud  # noqa: F401
from tests.fakes import MemorySink


@pytest.fixture(autouse=True)
def quiet_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    for name in ("GENESYS_CLIENT_ID", "GENESYS_CLIENT_SECRET", "GENESYS_ENV", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("GENSCRIBE_STORE", str(tmp_path / "genscribe.db"))
    before = logging.getLogger().handlers[:]
    yield
    logging.getLogger().handlers[:] = before
    logging.captureWarnings(False)


@pytest.fixture
def cloud(genesys_cloud: GenesysCloud, monkeypatch: pytest.MonkeyPatch) -> GenesysCloud:  # noqa: F811
    for name, value in genesys_cloud.settings().items():
        monkeypatch.setenv(name, value)
    return genesys_cloud


def marks(out: str) -> dict[str, str]:
    return {line[2:24].strip(): line[0] for line in out.splitlines() if line[0] in "✓✗!-"}


def test_all_is_well(cloud: GenesysCloud, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["check", "--to", f"file=jsonl:{tmp_path}/out.jsonl"]) == 0
    out = capsys.readouterr().out
    assert marks(out) == {
        "settings": "✓",
        "credentials": "✓",
        "login host": "✓",
        "API host": "✓",
        "clock": "✓",
        "token": "✓",
        "permissions": "✓",
        "source transcripts": "✓",
        "source notifications": "-",
        "store": "✓",
        "sink file": "✓",
    }
    assert list(tmp_path.iterdir()) == [], "check writes nothing"
    assert cloud.settings()["GENESYS_CLIENT_SECRET"] not in out.replace("client demo", "")


def test_wrong_credentials(
    cloud: GenesysCloud, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENESYS_CLIENT_SECRET", "canary-secret")
    assert main(["check"]) == 78
    out = capsys.readouterr().out
    assert marks(out)["token"] == "✗"
    assert marks(out)["permissions"] == "-"
    assert "Check GENESYS_CLIENT_ID" in out
    assert "canary" not in out


def test_no_credentials(
    cloud: GenesysCloud, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GENESYS_CLIENT_SECRET")
    assert main(["check"]) == 78
    found = marks(capsys.readouterr().out)
    assert (found["credentials"], found["login host"], found["token"]) == ("✗", "✓", "-")


@pytest.mark.parametrize(
    ("status", "code", "permissions", "source"), [(403, 77, "✗", "-"), (404, 78, "-", "✗"), (503, 1, "-", "✗")]
)
def test_a_refused_endpoint(
    status: int, code: int, permissions: str, source: str, cloud: GenesysCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    cloud.fault(str(status), at="probe")
    assert main(["check", "--source", "transcripts"]) == code
    found = marks(capsys.readouterr().out)
    assert (found["permissions"], found["source transcripts"]) == (permissions, source)


def test_a_host_that_is_not_there(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GENESYS_LOGIN_URL", "GENESYS_API_URL"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("GENESYS_CLIENT_ID", "id")
    monkeypatch.setenv("GENESYS_CLIENT_SECRET", "canary-secret")
    monkeypatch.setattr(findings, "TOKEN_DEADLINE_S", 0.05)
    assert main(["check"]) == 1
    out = capsys.readouterr().out
    found = marks(out)
    assert (found["login host"], found["API host"], found["clock"], found["token"]) == ("✗", "✗", "-", "✗")
    assert "connection refused" in out


def test_an_unknown_region(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--region", "atlantis"]) == 78
    assert marks(capsys.readouterr().out)["platform"] == "✗"


@pytest.mark.parametrize(
    ("date", "ok"),
    [
        ("Sat, 21 Mar 2026 01:09:55 GMT", True),
        ("Sat, 21 Mar 2026 01:09:30 GMT", True),
        ("Sat, 21 Mar 2026 01:11:30 GMT", False),
        ("Sat, 21 Mar 2026 01:08:30 GMT", False),
        ("yesterday", None),
        (None, None),
    ],
)
def test_the_clock(date: str | None, ok: bool | None) -> None:
    assert findings.of_clock(date, 1774055395_000).ok is ok


def test_the_clock_says_which_way() -> None:
    assert "75 s ahead of" in findings.of_clock("Sat, 21 Mar 2026 01:08:40 GMT", 1774055395_000).text
    assert "75 s behind" in findings.of_clock("Sat, 21 Mar 2026 01:11:10 GMT", 1774055395_000).text


@pytest.mark.parametrize("status", [403, 404])
def test_where_auto_takes_notifications_the_endpoint_is_not_missed(
    status: int, cloud: GenesysCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    cloud.fault(str(status), at="probe")
    assert main(["check"]) == 0
    found = marks(capsys.readouterr().out)
    assert (found["source transcripts"], found["source notifications"]) == ("-", "✓")
    assert "permissions" not in found


def test_an_answer_that_decides_nothing(cloud: GenesysCloud, capsys: pytest.CaptureFixture[str]) -> None:
    cloud.fault("503", at="probe")
    assert main(["check"]) == 1
    found = marks(capsys.readouterr().out)
    assert (found["source transcripts"], found["source notifications"]) == ("✗", "-")


def test_the_permissions_are_listed_without_network_or_credentials(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("genscribe.settings.load", None)
    assert main(["check", "--permissions"]) == 0
    out = capsys.readouterr().out
    for permission in PERMISSIONS:
        assert permission.name in out
        assert permission.in_admin in out
    assert max(map(len, out.splitlines())) <= 100


def of_store(path: Path) -> Finding:
    return findings.of_store(load({"store": str(path)}, environ={}))


def test_stores(tmp_path: Path) -> None:
    assert of_store(tmp_path / "new.db").ok
    assert of_store(tmp_path / "a" / "b" / "new.db").ok
    assert not (tmp_path / "a").exists()
    foreign = tmp_path / "foreign.db"
    foreign.write_bytes(b"not a store" * 20)
    assert (of_store(foreign).ok, of_store(foreign).exit_code) == (False, 78)
    (tmp_path / "link.db").symlink_to(foreign)
    assert not of_store(tmp_path / "link.db").ok


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Usage:
        free = 1_000_000

    monkeypatch.setattr(findings.shutil, "disk_usage", lambda folder: Usage)  # type: ignore[attr-defined]
    assert of_store(tmp_path / "new.db").ok is False


def of_sinks(*texts: str) -> list[Any]:
    return [finding.ok for finding in looked_at(*texts)]


def looked_at(*texts: str) -> list[Finding]:
    found: list[Finding] = []
    anyio.run(findings.of_sinks, load({"to": texts}, environ={}), found.append)
    return found


def test_sinks(tmp_path: Path) -> None:
    assert of_sinks() == [None]
    assert of_sinks("console", "jsonl:-") == [True, True]
    assert of_sinks(f"jsonl:{tmp_path}/new.jsonl") == [True]
    assert of_sinks(f"jsonl:{tmp_path}/nowhere/new.jsonl") == [False]
    (tmp_path / "link").symlink_to(tmp_path / "x")
    assert of_sinks(f"jsonl:{tmp_path}/link", f"jsonl:{tmp_path}") == [False, False]


def test_a_folder_of_parquet_is_looked_at_and_not_made(tmp_path: Path) -> None:
    pytest.importorskip("duckdb")
    assert of_sinks(f"parquet:{tmp_path}/new/folder", f"parquet:{tmp_path}") == [True, True]
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    assert of_sinks(f"parquet:{tmp_path}/file/folder") == [False]


class Opened(MemorySink):
    """A sink in a network, as far as `check` sees."""

    async def write(self, batch: Sequence[Record]) -> None:
        raise AssertionError("check writes nothing")


class Silent(Opened):
    async def open(self) -> None:
        await anyio.sleep_forever()


class Asked(Opened):
    """A sink that answers, or does not, only when asked."""

    def __init__(self, fault: Exception | None = None) -> None:
        super().__init__()
        self._fault = fault

    async def reach(self) -> None:
        if self._fault is not None:
            raise self._fault


@pytest.mark.parametrize(
    ("sink", "code", "says"),
    [
        (Opened(), 0, "can be written to; at-least-once"),
        (Opened(open_faults=[SinkUnavailable("The broker does not answer.")]), 1, "does not answer"),
        (Opened(open_faults=[SinkMisconfigured("The login is wrong.", advice="Log in.")]), 78, "login is wrong"),
        (Opened(open_faults=[ValueError("secret text")]), 1, "ValueError in its code"),
        (Silent(), 1, "does not answer within"),
        (Asked(), 0, "answers; at-least-once"),
        (Asked(SinkUnavailable("Nobody is there.")), 1, "Nobody is there"),
    ],
)
def test_sinks_in_a_network_are_opened(sink: MemorySink, code: int, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(findings, "make_sink", lambda setting, means: sink)
    monkeypatch.setattr(findings, "SINK_DEADLINE_S", 0.05)
    (finding,) = looked_at("k=kafka://broker/topic")
    assert (finding.what, finding.exit_code) == ("sink k", code)
    assert says in finding.text
    assert "secret text" not in finding.text
    assert sink.closed == 1


def test_sinks_are_asked_at_once_and_shown_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    last_is_open = anyio.Event()

    class First(Opened):
        async def open(self) -> None:
            await last_is_open.wait()

    class Last(Opened):
        async def open(self) -> None:
            last_is_open.set()

    sinks = {"a": First(), "b": Opened(), "c": Last()}
    monkeypatch.setattr(findings, "make_sink", lambda setting, means: sinks[setting.name])
    found = looked_at("a=kafka://broker/1", "b=kafka://broker/2", "c=kafka://broker/3", "console")
    assert [finding.what for finding in found] == ["sink a", "sink b", "sink c", "sink console"]
    assert all(finding.ok for finding in found)


def test_a_sink_that_cannot_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(setting: object, means: object) -> None:
        raise SinkMisconfigured("the kafka sink needs a library.", advice="pip install it")

    monkeypatch.setattr(findings, "make_sink", refuse)
    (finding,) = looked_at("k=kafka://broker/topic")
    assert (finding.ok, finding.exit_code, finding.advice) == (False, 78, "pip install it")


def test_the_hosts_that_are_dialled(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(["check", "--hosts", "--region", "eu-central-1"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [
        "login.mypurecloud.de:443",
        "api.mypurecloud.de:443",
        "streaming.mypurecloud.de:443",
    ]
    assert main(["check", "--hosts", "--source", "transcripts"]) == 0
    assert "streaming" not in capsys.readouterr().out
    assert main(["check", "--hosts", "--proxy", "http://me:canary-pw@proxy:3128"]) == 0
    out = capsys.readouterr().out
    assert "proxy:3128  the proxy for api.mypurecloud.com" in out
    assert "canary" not in out
    monkeypatch.setenv("https_proxy", "http://env:8080")
    monkeypatch.setenv("no_proxy", "login.mypurecloud.com")
    assert check.dialled(load({}, environ={}))[3:] == ["env:8080  the proxy for api.mypurecloud.com"]
    elsewhere = load(
        {}, environ={"GENESYS_API_URL": "https://gateway.example", "GENESYS_LOGIN_URL": "https://a.example"}
    )
    assert not any("streaming" in line for line in check.dialled(elsewhere))


def test_a_finding_is_drawn_with_what_to_do() -> None:
    bad = Finding("store", False, "is\x1b[31m gone.", "Put it back.", 1)
    assert check.drawn(bad, Screen()) == f"✗ {'store':22} is␛[31m gone.\n  {'':22} Put it back."
    assert "Put it back" not in check.drawn(Finding("store", True, "is there.", "Put it back."), Screen())
    assert check.drawn(bad, Screen(80, 16)).startswith("\x1b[31m✗\x1b[0m")


def test_what_works_and_could_work_better_has_a_mark_of_its_own() -> None:
    line = check.drawn(Finding("low latency", False, "is off.", "Switch it on."), Screen())
    assert line.startswith("! low latency")
    assert "Switch it on." in line
