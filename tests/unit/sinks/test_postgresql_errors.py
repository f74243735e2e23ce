"""What PostgreSQL's failures mean, and that nothing of a row is passed on."""

from __future__ import annotations

import psycopg
import pytest

from genscribe.sinks.base import SinkMisconfigured, SinkUnavailable
from genscribe.sinks.postgresql_errors import Verdict, judge, no_connection, reason, refusal

FAILED = 'connection failed: connection to server at "db", port 5432 failed: '


@pytest.mark.parametrize(
    ("states", "verdict"),
    [
        ("22001 22003 22007 22008 22P02 22P05 22021 23502 23503 23505 23514 44000 54000 P0001 40002", Verdict.ROWS),
        ("28000 28P01 3D000 3F000 42501 42P01 42703 42804 42P10 0A000", Verdict.SETTING),
        ("08006 25006 25P03 40001 40P01 53100 53200 53300 55P03 57014 57P01 57P02 57P03 58030 XX000", Verdict.PASSING),
    ],
)
def test_a_sqlstate_says_whose_fault_it_is(states: str, verdict: Verdict) -> None:
    assert {judge(state) for state in states.split()} == {verdict}


def test_without_a_sqlstate_the_connection_is_gone() -> None:
    assert judge(None) is Verdict.PASSING
    assert judge("ZZZZZ") is Verdict.PASSING


def test_a_reason_has_the_state_in_words_and_nothing_of_the_row() -> None:
    error = psycopg.errors.NumericValueOutOfRange('"my card number" is out of range')
    assert reason(error) == "numeric value out of range (22003)"
    assert "card" not in str(refusal(psycopg.errors.InsufficientPrivilege("card"), "db/calls"))


def test_the_sink_pauses_or_tries_again() -> None:
    assert isinstance(refusal(psycopg.errors.UndefinedTable(), "db/calls"), SinkMisconfigured)
    again = refusal(psycopg.errors.ReadOnlySqlTransaction(), "db/calls")
    assert isinstance(again, SinkUnavailable)
    assert "target_session_attrs" in str(again)


@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        ('FATAL:  password authentication failed for user "x"', "password is wrong"),
        ("fe_sendauth: no password supplied", "asks for a password"),
        ('FATAL:  role "x" does not exist', "no such user"),
        ('FATAL:  database "x" does not exist', "no such database"),
        ('FATAL:  no pg_hba.conf entry for host "1.2.3.4"', "no entry for us"),
        ("SSL error: certificate verify failed", "not trusted"),
        ('server certificate for "a" does not match host name "b"', "another host name"),
        ("server does not support SSL, but SSL was required", "has no TLS"),
        ('definition of service "x" not found', "not defined"),
    ],
)
def test_what_waiting_does_not_heal_while_connecting(said: str, meaning: str) -> None:
    error = no_connection(psycopg.OperationalError(FAILED + said), "db/calls")
    assert isinstance(error, SinkMisconfigured)
    assert meaning in str(error)
    assert error.advice


@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        ("Connection refused", "nothing answers"),
        ("FATAL:  the database system is starting up", "starting"),
        ("FATAL:  sorry, too many clients already", "no connection left"),
        ("session is read-only", "no host in the URL is a primary"),
        ("etwas ganz anderes", "cannot be reached"),
    ],
)
def test_what_waiting_may_heal_while_connecting(said: str, meaning: str) -> None:
    error = no_connection(psycopg.OperationalError(FAILED + said), "db/calls")
    assert isinstance(error, SinkUnavailable)
    assert meaning in str(error)


def test_of_several_hosts_one_that_may_heal_is_enough() -> None:
    said = f"{FAILED}FATAL:  password authentication failed\nMultiple connection attempts failed. Connection refused"
    assert isinstance(no_connection(psycopg.OperationalError(said), "a,b/calls"), SinkUnavailable)
