"""Who may do what, and what is said to those who may not; TLS, logins, tables of the user's own."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import psycopg
import pytest
import trustme

from genscribe.secrets import Secret
from genscribe.settings import SinkSetting
from genscribe.sinks.base import Means, SinkMisconfigured, SinkUnavailable
from genscribe.sinks.conformance import utterances
from genscribe.sinks.postgresql import make
from genscribe.sinks.postgresql_schema import TABLES, ddl
from tests.contract.postgresql.making import at, sink
from tests.servers.postgres import Database, server, tls_front

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

GRANTS = "grant select, insert, update on all tables in schema {schema} to {guest}"


def as_guest(database: Database, query: str = "", user: str | None = None) -> str:
    return database.server.url(database.name, user or database.guest, query)


async def refusal(url: str, **more: Any) -> str:
    """Why the sink pauses."""
    made = sink(url, **more)
    with pytest.raises(SinkMisconfigured) as raised:
        await made.open()
    await made.aclose()
    assert "\n" not in str(raised.value)
    assert raised.value.__cause__ is None
    return str(raised.value)


async def works(url: str, **more: Any) -> None:
    made = sink(url, **more)
    await made.open()
    await made.write_at(utterances(0, 3), at(3))
    assert await made.position() == at(3)
    await made.aclose()


async def test_tables_and_schema_are_created_where_it_may(database: Database) -> None:
    await works(database.url, schema='Our "calls"')
    assert len(database.rows('select * from "Our ""calls""".utterances')) == 3


async def test_with_the_tables_there_no_right_to_create_is_needed(database: Database) -> None:
    database.run(f"revoke create on schema public from public; {ddl()}")
    database.run(GRANTS.format(schema="public", guest=database.guest))
    await works(as_guest(database))
    assert database.seqs() == [1, 2, 3]


async def test_one_table_that_is_missing_is_created(database: Database) -> None:
    database.run(f"{ddl()}; drop table gaps")
    await works(database.url)
    assert database.rows("select count(*) from gaps") == [(0,)]


async def test_without_the_right_to_create_it_says_how_others_can(database: Database) -> None:
    said = await refusal(as_guest(database))
    assert "permission denied for schema public (42501)" in said
    assert "genscribe schema postgresql" in said
    assert "permission denied for database" in await refusal(as_guest(database), schema="calls")


@pytest.mark.parametrize("table", [table.name for table in TABLES])
async def test_a_right_that_is_missing_is_told_before_the_first_row(database: Database, table: str) -> None:
    database.run(ddl() + GRANTS.format(schema="public", guest=database.guest))
    database.run(f"revoke insert on {table} from {database.guest}")
    assert f"permission denied for table {table}" in await refusal(as_guest(database))


async def test_the_right_to_temporary_tables_is_asked_for(database: Database) -> None:
    database.run(ddl() + GRANTS.format(schema="public", guest=database.guest))
    database.run(f"revoke temporary on database {database.name} from public")
    assert "permission denied to create temporary tables" in await refusal(as_guest(database))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ("alter table utterances drop column words", "utterances lacks words (jsonb)"),
        ("alter table gaps add tenant text not null", "gaps.tenant is not null and has no default"),
        ("alter table utterances drop constraint utterances_pkey", "no primary key or unique index on (key)"),
        ("alter table utterances alter column is_final type integer using 1", 'column "is_final" is of type integer'),
    ],
)
async def test_tables_that_cannot_take_rows_are_told_before_the_first_row(
    database: Database, change: str, complaint: str
) -> None:
    database.run(f"{ddl()}; {change}")
    assert complaint in await refusal(database.url)


async def test_columns_and_types_of_the_users_own_are_fine(database: Database) -> None:
    database.run(
        f"{ddl()}; alter table utterances add tenant text not null default 'us', add made timestamptz default now(), "
        "add number bigint generated always as identity, alter column words type json using null, "
        "alter column offset_ms type numeric, alter column speaker type varchar(80)"
    )
    await works(database.url)
    assert database.rows("select distinct tenant from utterances") == [("us",)]


@pytest.mark.parametrize(
    ("user", "query", "complaint"),
    [
        ("nobody_here", "", "no such user"),
        ("unwanted", "", "pg_hba.conf rejects us"),
        (None, "?sslmode=require", "the server has no TLS"),
        (None, "?sslmode=verify-full&sslrootcert=/nowhere", "cannot be"),
        (None, "?sslmode=sideways", "sslmode= is no such mode"),
    ],
)
async def test_a_login_that_cannot_work_pauses_the_sink(
    database: Database, user: str | None, query: str, complaint: str
) -> None:
    database.run("do $$ begin create role unwanted login; exception when duplicate_object then end $$")
    assert complaint in await refusal(as_guest(database, query, user))


async def test_a_database_that_is_not_there(database: Database) -> None:
    assert "no such database" in await refusal(database.server.url("no_such_database"))


async def test_a_database_of_another_encoding(database: Database) -> None:
    other = f"{database.name}_latin"
    database.run(f"create database {other} encoding latin1 locale 'C' template template0")
    assert "encoded in LATIN1" in await refusal(database.server.url(other))
    database.run(f"drop database {other}")


async def test_nothing_listens() -> None:
    made = sink("postgresql://postgres@127.0.0.1:1/calls")
    with pytest.raises(SinkUnavailable, match="nothing answers at that port"):
        await made.open()
    await made.aclose()


async def test_a_replica_is_tried_again_and_of_several_hosts_the_primary_is_taken(database: Database) -> None:
    read_only = f"alter database {database.name} set default_transaction_read_only = on"
    database.run(ddl())
    await works(database.url)
    database.run(read_only)
    made = sink(database.url)
    with pytest.raises(SinkUnavailable, match=r"25006.*target_session_attrs"):
        await made.open()
    several = sink(f"postgresql://postgres@127.0.0.1:{database.server.port},127.0.0.1:1/{database.name}")
    with pytest.raises(SinkUnavailable):
        await several.open()
    with psycopg.connect(database.server.url(), autocommit=True) as elsewhere:
        elsewhere.execute(f"alter database {database.name} reset all".encode())
    await works(f"postgresql://postgres@127.0.0.1:1,127.0.0.1:{database.server.port}/{database.name}")
    await made.aclose()


class Pki:
    """An authority, a server's context and a client's certificate."""

    def __init__(self, folder: Path, name: str = "127.0.0.1") -> None:
        self.ca = trustme.CA()
        self.ca_file = folder / "root.pem"
        self.ca.cert_pem.write_to_path(str(self.ca_file))
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ca.issue_cert(name).configure_cert(self.context)
        client = self.ca.issue_cert("genscribe@client.example")
        self.key, self.cert = folder / "client.key", folder / "client.pem"
        client.private_key_pem.write_to_path(str(self.key))
        client.cert_chain_pems[0].write_to_path(str(self.cert))
        self.key.chmod(0o600)


def with_password(database: Database, password: str = "pässword/1") -> None:
    database.run("do $$ begin create role with_password login; exception when duplicate_object then end $$")
    database.run(f"alter role with_password password '{password}'; {ddl()}")
    database.run(GRANTS.format(schema="public", guest="with_password"))
    database.run(f"do $$ begin execute 'grant all on database {database.name} to with_password'; end $$")


async def test_tls_with_a_private_authority_and_a_password(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_password(database)
    pki = Pki(tmp_path)
    async with tls_front(database.server.port, pki.context) as port:
        end = f"127.0.0.1:{port}/{database.name}?sslmode=verify-full"
        await works(f"postgresql://with_password:p%C3%A4ssword%2F1@{end}", ca_file=pki.ca_file)
        said = await refusal(f"postgresql://with_password:wrong@{end}", ca_file=pki.ca_file)
        assert "the password is wrong" in said
        assert "wrong@" not in said
        said = await refusal(f"postgresql://with_password@{end}", ca_file=pki.ca_file)
        assert "the server asks for a password" in said
        passwords = tmp_path / "pgpass"
        passwords.write_text(f"127.0.0.1:{port}:*:with_password:pässword/1\n")
        passwords.chmod(0o600)
        monkeypatch.setenv("PGPASSFILE", str(passwords))
        await works(f"postgresql://with_password@{end}", ca_file=pki.ca_file)
        assert "certificate is not trusted" in await refusal(f"postgresql://with_password@{end}")
        other = trustme.CA()
        other.cert_pem.write_to_path(str(tmp_path / "other.pem"))
        assert "not trusted" in await refusal(f"postgresql://with_password@{end}", ca_file=tmp_path / "other.pem")
        await works(f"postgresql://with_password@{end}&sslrootcert={pki.ca_file}", ca_file=tmp_path / "other.pem")
        assert "Check --ca-file" in await refusal(f"postgresql://with_password@{end}", ca_file=tmp_path / "none.pem")


async def test_a_certificate_for_another_host(database: Database, tmp_path: Path) -> None:
    pki = Pki(tmp_path, "elsewhere.example")
    async with tls_front(database.server.port, pki.context) as port:
        end = f"127.0.0.1:{port}/{database.name}"
        assert "another host name" in await refusal(
            f"postgresql://postgres@{end}?sslmode=verify-full", ca_file=pki.ca_file
        )
        await works(f"postgresql://postgres@{end}?sslmode=verify-ca", ca_file=pki.ca_file)


async def test_a_client_certificate(database: Database, tmp_path: Path) -> None:
    pki = Pki(tmp_path)
    pki.context.verify_mode = ssl.CERT_REQUIRED
    pki.ca.configure_trust(pki.context)
    async with tls_front(database.server.port, pki.context) as port:
        end = f"postgresql://postgres@127.0.0.1:{port}/{database.name}?sslmode=verify-full"
        await works(f"{end}&sslcert={pki.cert}&sslkey={pki.key}", ca_file=pki.ca_file)
        made = sink(end, ca_file=pki.ca_file)
        with pytest.raises((SinkUnavailable, SinkMisconfigured)):
            await made.open()
        await made.aclose()
        pki.key.chmod(0o644)
        said = await refusal(f"{end}&sslcert={pki.cert}&sslkey={pki.key}", ca_file=pki.ca_file)
        assert "sslkey" in said


async def test_far_from_here_the_answer_no_to_tls_is_no_for_us(database: Database, monkeypatch: Any) -> None:
    """Towards a server without TLS, on a host that is not this machine as far as we know."""
    monkeypatch.setattr("genscribe.sinks.postgresql_address._is_here", lambda host: False)
    assert "the server has no TLS, and TLS is demanded" in await refusal(database.url)
    await works(f"{database.url}?sslmode=disable")


async def test_made_from_a_setting_and_by_a_service_file(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    means = Means("calls", "store-9", ssl.create_default_context)
    made = make(SinkSetting("calls", "postgresql", url=Secret(database.url), params={"schema": "calls"}), means)
    await made.open()
    await made.write(utterances(0, 2))
    await made.aclose()
    assert database.seqs("calls.utterances") == [1, 2]
    services = tmp_path / "services"
    services.write_text(f"[here]\nhost=127.0.0.1\nport={database.server.port}\nuser=postgres\ndbname={database.name}\n")
    monkeypatch.setenv("PGSERVICEFILE", str(services))
    served = make(SinkSetting("calls", "postgresql", url=Secret("postgresql://?service=here")), means)
    await served.open()
    await served.write(utterances(0, 2))
    await served.aclose()
    assert database.seqs() == [1, 2]


async def test_a_server_with_no_connection_left_is_tried_again() -> None:
    with server("max_connections=5", "superuser_reserved_connections=0", "reserved_connections=0") as full:
        held: list[psycopg.Connection[Any]] = []
        made = sink(full.url())
        try:
            with pytest.raises(psycopg.OperationalError):
                while len(held) < 20:
                    held.append(psycopg.connect(full.url()))
            with pytest.raises(SinkUnavailable, match="no connection left"):
                await made.open()
        finally:
            for one in held:
                one.close()
        await made.aclose()
        await works(full.url())
