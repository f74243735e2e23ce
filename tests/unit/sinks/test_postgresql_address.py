"""What libpq is told, above all of TLS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from genscribe.errors import ConfigError
from genscribe.secrets import Secret
from genscribe.sinks.postgresql_address import Address, address, system_roots

FAR = "postgresql://u@db.example/calls"


def told(url: str, environ: dict[str, str] | None = None, home: Path = Path("/nowhere"), **options: Any) -> Address:
    return address(Secret(url), options, environ or {}, home)


def test_far_away_the_server_must_prove_who_it_is() -> None:
    far = told(FAR)
    assert far.params["sslmode"] == "verify-full"
    assert far.needs_roots
    assert far.where == "db.example/calls"


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("postgresql://u@127.0.0.1:5598/d", "127.0.0.1:5598/d"),
        ("postgresql://u@[::1]:5598/d", "[::1]:5598/d"),
        ("postgresql://u@a:1,b:2/d", "a:1,b:2/d"),
        ("postgresql://u@a,b:7/d", "a,b:7/d"),
        ("postgresql://u@a,b/d?port=7", "a:7,b:7/d"),
        ("postgresql:///d?port=99", "this machine, port 99/d"),
    ],
)
def test_messages_name_the_port_that_was_named(url: str, where: str) -> None:
    assert told(url).where == where


@pytest.mark.parametrize("mode", ["disable", "prefer", "require"])
def test_a_url_may_ask_for_less_and_then_no_roots_are_added(mode: str) -> None:
    asked = told(f"{FAR}?sslmode={mode}")
    assert asked.params["sslmode"] == mode
    assert not asked.needs_roots


@pytest.mark.parametrize("mode", ["verify-ca", "verify-full"])
def test_a_url_that_names_its_roots_keeps_them(mode: str) -> None:
    assert told(f"{FAR}?sslmode={mode}").needs_roots
    assert not told(f"{FAR}?sslmode={mode}&sslrootcert=/mine.pem").needs_roots
    assert not told(FAR, {"PGSSLROOTCERT": "/mine.pem"}).needs_roots


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://localhost/calls",
        "postgresql://127.0.0.1:5433/calls",
        "postgresql://[::1]/calls",
        "postgresql:///calls",
        "postgresql:///calls?host=/run/postgresql",
        "postgres://localhost,127.0.0.1/calls",
    ],
)
def test_on_this_machine_libpq_has_its_own_default(url: str) -> None:
    here = told(url)
    assert "sslmode" not in here.params
    assert not here.needs_roots


@pytest.mark.parametrize("url", ["postgresql://localhost,db.example/calls", "postgresql:///calls?hostaddr=10.0.0.7"])
def test_one_host_elsewhere_is_enough_to_be_careful(url: str) -> None:
    assert told(url).params["sslmode"] == "verify-full"


def test_variables_and_the_service_file_count_as_said(tmp_path: Path) -> None:
    assert "sslmode" not in told(FAR, {"PGSSLMODE": "require"}).params
    (tmp_path / ".pg_service.conf").write_text(
        "# ours\n[calls]\nhost=db.example\nsslmode=verify-ca\nconnect_timeout=3\n"
    )
    served = told("postgresql://?service=calls", home=tmp_path)
    assert "sslmode" not in served.params, "what we say would override the file"
    assert "connect_timeout" not in served.params
    assert served.needs_roots
    assert served.where == "db.example"
    (tmp_path / ".pg_service.conf").write_text("[calls]\nhost=db.example\n")
    assert told("postgresql:///calls", {"PGSERVICE": "calls"}, tmp_path).params["sslmode"] == "verify-full"


def test_libpqs_own_root_file_is_left_to_it(tmp_path: Path) -> None:
    (tmp_path / ".postgresql").mkdir()
    (tmp_path / ".postgresql" / "root.crt").write_text("pem")
    assert not told(FAR, home=tmp_path).needs_roots


def test_of_several_hosts_the_one_that_takes_writes() -> None:
    several = told("postgresql://u@a.example:5432,b.example:5433/calls")
    assert several.params["host"] == "a.example,b.example"
    assert several.params["port"] == "5432,5433"
    assert several.params["target_session_attrs"] == "read-write"
    assert told("postgresql://a,b/calls?target_session_attrs=any").params["target_session_attrs"] == "any"
    assert "target_session_attrs" not in told(FAR).params


def test_names_itself_and_notices_a_dead_line_unless_told_otherwise() -> None:
    params = told(FAR).params
    assert params["fallback_application_name"] == "genscribe"
    assert int(params["connect_timeout"]) == 10
    assert int(params["tcp_user_timeout"]) == 30_000
    assert told(f"{FAR}?connect_timeout=3&client_encoding=LATIN1").params["connect_timeout"] == "3"
    assert told(f"{FAR}?client_encoding=LATIN1").params["client_encoding"] == "UTF8"


def test_options_of_the_file_fill_what_the_url_does_not_say() -> None:
    made = told(f"{FAR}?connect_timeout=3", connect_timeout=9, password=Secret("s3cret"), sslmode="require")
    assert made.params["connect_timeout"] == "3"
    assert made.params["password"] == "s3cret"
    assert made.params["sslmode"] == "require"


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("postgresql://u:s3cret@db/calls?sslmod=x", "no parameter 'sslmod'"),
        ("postgresql://u:s3cret@[db/calls", "cannot be read"),
        ("postgresql://u:s3@cret@db/calls", "no host"),
        ("postgresql://u:s3cret@db/calls?sslmode=%zz", "cannot be read"),
    ],
)
def test_what_cannot_be_read_is_said_without_the_url(url: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as raised:
        told(url)
    assert complaint in str(raised.value)
    assert "cret" not in str(raised.value)
    assert raised.value.__cause__ is None


def test_a_password_shows_nowhere() -> None:
    made = told("postgresql://u:s3cret@db.example/calls")
    assert made.params["password"] == "s3cret"
    assert "s3cret" not in repr(made)
    assert "s3cret" not in made.where


def test_the_systems_roots_can_be_replaced(tmp_path: Path) -> None:
    file = tmp_path / "roots.pem"
    file.write_text("pem")
    assert system_roots({"SSL_CERT_FILE": str(file)}) == file
    assert system_roots({"SSL_CERT_FILE": str(tmp_path / "none")}) != file
