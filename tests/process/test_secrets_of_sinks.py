"""A password in a sink's URL is taken with a warning, and stands in nothing that we write or say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from genscribe.emulator.thread import GenesysCloud, running
from tests.process.runner import hears, run, stop, streaming, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

SECRET = "canary+sink/9f&2c%41#e"
WRITTEN = quote(SECRET, safe="")
NOBODY = "127.0.0.1:1"
URLS = [
    f"a=postgresql://me:{WRITTEN}@{NOBODY}/db",
    f"postgresql://{NOBODY}/db?password={WRITTEN}",
    f"kafka://me:{WRITTEN}@{NOBODY}/t",
    f"c=kafka://me:{WRITTEN}@{NOBODY}/t?tls=no",
    f"nats://{WRITTEN}@{NOBODY}/s",
    f"d=nats://me:{WRITTEN}@{NOBODY}/s",
    f"rediss://:{WRITTEN}@{NOBODY}/s",
    f"https://{NOBODY}/signed?secret={WRITTEN}",
    f"https://{NOBODY}/borne?bearer={WRITTEN}",
    f"https://me:{WRITTEN}@{NOBODY}/login",
    f"http://{NOBODY}/token?token={WRITTEN}",
    f"http://{NOBODY}/key?key={WRITTEN}",
]
TABLES = f"""
[sinks.t1]
url = "https://{NOBODY}/table"
secret = '{SECRET}'
[sinks.t1.options.headers]
X-Api-Key = '{SECRET}'
[sinks.t2]
url = "kafka://{NOBODY}/t2"
[sinks.t2.options]
"sasl.password" = '{SECRET}'
"sasl.username" = "me"
"sasl.mechanism" = "PLAIN"
"security.protocol" = "sasl_plaintext"
[sinks.t3]
url = "parquet:s3://bucket/calls?endpoint=http://{NOBODY}"
[sinks.t3.options]
access_key_id = "id"
secret_access_key = '{SECRET}'
"""


@pytest.fixture
def cloud() -> Iterator[GenesysCloud]:
    with running() as made:
        yield made


def assert_clean(folder: Path, *, but: tuple[str, ...] = ()) -> None:
    files = [file for file in folder.rglob("*") if file.is_file() and file.name not in but]
    assert files
    for file in files:
        content = file.read_bytes()
        for spelling in (SECRET, WRITTEN, quote(SECRET), repr(SECRET)[1:-1]):
            assert spelling.encode() not in content, f"{file.name} shows a secret"


@pytest.mark.parametrize(("given", "log_format"), [("arguments", "json"), ("file", "text")])
def test_no_command_shows_one(cloud: GenesysCloud, tmp_path: Path, given: str, log_format: str) -> None:
    store, log = tmp_path / "s.db", tmp_path / "log"
    if given == "arguments":
        chosen = [part for url in URLS for part in ("--to", url)]
    else:
        file = tmp_path / "genscribe.toml"
        file.write_text(TABLES)
        file.chmod(0o600)
        chosen = ["--config", str(file)]
    more = ("--log-level", "debug", "--log-format", log_format)
    with streaming(store, cloud.settings(), *chosen, *more, log=log) as process:
        until(lambda: hears(store, process))
        cloud.say("hello")
        until(lambda: log.read_text().count("alarm") or log.read_text().count("retry") or "sink" in log.read_text())
        for number, command in enumerate((["sinks"], ["sinks", "--json"], ["status"], ["status", "--json"])):
            done = run(*command, "--store", str(store))
            (tmp_path / f"said-{number}").write_text(done.stdout + done.stderr)
        for number, url in enumerate(URLS[1::4]):
            for ask in (
                ["sinks", "pause", url],
                ["replay", "--since", "1h", "--to", url],
                ["dead-letters", "--sink", url],
            ):
                done = run(*ask, "--store", str(store))
                (tmp_path / f"asked-{number}-{ask[0]}").write_text(done.stdout + done.stderr)
                assert done.returncode == 78
        assert stop(process) == 0
    assert ("holds a password" in log.read_text()) is (given == "arguments")
    assert_clean(tmp_path, but=("genscribe.toml",))


def test_check_shows_none(cloud: GenesysCloud, tmp_path: Path) -> None:
    done = run("check", "--store", str(tmp_path / "s.db"), env={**cloud.settings(), "GENSCRIBE_TO": " ".join(URLS)})
    (tmp_path / "checked").write_text(done.stdout + done.stderr)
    assert "postgresql" in done.stdout
    assert_clean(tmp_path)
