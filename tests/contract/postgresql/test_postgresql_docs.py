"""What docs/sinks/postgresql.md says can be done is done here."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import psycopg
import pytest

from genscribe.settings.sinks import sink_setting
from genscribe.sinks import postgresql_address
from genscribe.sinks.base import Means
from genscribe.sinks.conformance import events, utterances
from genscribe.sinks.postgresql import make
from genscribe.sinks.postgresql_schema import TABLES, ddl
from tests.contract.postgresql.making import at, sink
from tests.contract.postgresql.test_postgresql_rights import Pki
from tests.servers.postgres import Database, PostgresServer, server, tls_front

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

PAGE = (Path(__file__).parents[3] / "docs" / "sinks" / "postgresql.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^(<!-- run: setup -->\n)?```postgresql\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
SETUP = [text for setup, text in BLOCKS if setup]
RECIPES = [text for setup, text in BLOCKS if not setup]
PASSWORD = "pässword/1@"


@pytest.mark.parametrize("recipe", RECIPES)
async def test_recipes_run(database: Database, recipe: str) -> None:
    made = sink(database.url)
    await made.open()
    batch = [*events(0), *utterances(100, 5)]
    await made.write_at(batch, at(105))
    await made.aclose()
    database.run("update utterances set spoken_at = now() where key like 'key-%'")
    database.run('update utterances set words = \'[{"word": "how", "confidence": 0.4}]\' where key = \'full\'')
    assert database.rows(recipe)


def test_every_table_is_described() -> None:
    for table in TABLES:
        assert f"| `{table.name}` | " in PAGE
    for column in TABLES[-1].names:
        assert f"`{column}`" in PAGE


async def test_the_example_with_a_private_authority_and_a_login_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it stands on the page, but for host and files."""
    (line,) = [line for line in PAGE.splitlines() if "--ca-file company-root.pem" in line]
    words = shlex.split(line)
    url = words[words.index("--to") + 1]
    pki = Pki(tmp_path)
    with server(logins="host all genscribe 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n") as own:
        prepare(own)
        async with tls_front(own.port, pki.context) as port:
            setting = sink_setting(
                url.replace("db.example.com", f"127.0.0.1:{port}"),
                {"file:/run/secrets/pg": PASSWORD}.__getitem__,
            )
            monkeypatch.setattr(postgresql_address, "_is_here", lambda host: False)
            for name in ("PGSSLMODE", "PGSSLROOTCERT", "PGSERVICE"):
                monkeypatch.delenv(name, raising=False)
            made = make(setting, Means(setting.name, "store", pki.context.__class__, ca_file=pki.ca_file))
            await made.open()
            await made.write(utterances(0, 3))
            await made.aclose()
        assert Database(own, "calls").seqs() == [1, 2, 3]


def prepare(own: PostgresServer) -> None:
    with psycopg.connect(own.url(), autocommit=True) as connection:
        connection.execute("create database calls")
    calls = Database(own, "calls")
    calls.run(ddl())
    (setup,) = SETUP
    calls.run(setup)
    calls.run(f"alter role genscribe password '{PASSWORD}'")
