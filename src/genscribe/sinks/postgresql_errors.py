"""What a failure of PostgreSQL means, by SQLSTATE; while connecting, where libpq has none, by its words.

What the server says may quote the row that it refuses, so its text is never passed on: reasons are made of SQLSTATE
and of names of the user's schema.
"""

from __future__ import annotations

import enum
import re

import psycopg

from genscribe.sinks.base import SinkMisconfigured, SinkUnavailable


class Verdict(enum.Enum):
    """What a failed batch asks for."""

    ROWS = "some rows are refused for what they hold"
    SETTING = "we are refused for what we are"
    PASSING = "may heal by itself"


_BY_STATE = {
    "25006": Verdict.PASSING,  # a replica: another host, or a failover, heals it
    "40002": Verdict.ROWS,  # integrity constraint, found at commit
    "42P05": Verdict.PASSING,  # prepared statement, a pooler's mix-up
    "54000": Verdict.ROWS,  # too long for an index
    "55000": Verdict.PASSING,
    "P0000": Verdict.ROWS,
    "P0001": Verdict.ROWS,  # RAISE in somebody's trigger
    "P0002": Verdict.ROWS,
    "P0003": Verdict.ROWS,
    "P0004": Verdict.ROWS,
}

_BY_CLASS = {
    "09": Verdict.ROWS,
    "0A": Verdict.SETTING,
    "21": Verdict.ROWS,
    "22": Verdict.ROWS,
    "23": Verdict.ROWS,
    "27": Verdict.ROWS,
    "28": Verdict.SETTING,
    "38": Verdict.ROWS,
    "39": Verdict.ROWS,
    "3D": Verdict.SETTING,
    "3F": Verdict.SETTING,
    "42": Verdict.SETTING,
    "44": Verdict.ROWS,
    "F0": Verdict.SETTING,
}
"""All other classes are passing: connection (08), rollback (40), resources (53), intervention (57), system (58), …."""

_ADVICE = {
    "28": "Check user and password, in the URL or the PGPASSFILE.",
    "3D": "Create the database, or name another in the URL.",
    "3F": "Create the schema, or name another with ?schema=….",
    "42501": "Grant the sink's user what it lacks; `genscribe schema postgresql` prints the tables to create for it.",
    "42": "Compare the tables with what `genscribe schema postgresql` prints.",
    "25006": "This is a replica: name the primary, or all hosts with target_session_attrs=read-write.",
    "53100": "Free some disk on the database's machine.",
    "53300": "Raise max_connections, or close others.",
}

_REFUSED_BY_WORDS = (
    ("password authentication failed", "the password is wrong, or the user is unknown", _ADVICE["28"]),
    ("no password supplied", "the server asks for a password", _ADVICE["28"]),
    ("authentication failed", "the login is refused", _ADVICE["28"]),
    ("is not permitted to log in", "the user may not log in", "Give the role LOGIN, or use another."),
    ("certificate authentication failed", "the client certificate is refused", "Check sslcert and sslkey."),
    ("requires a valid client certificate", "the server asks for a client certificate", "Give sslcert and sslkey."),
    ("no pg_hba.conf entry", "pg_hba.conf has no entry for us", "Allow this host, user and database there."),
    ("pg_hba.conf rejects", "pg_hba.conf rejects us", "Allow this host, user and database there."),
    ("permission denied for database", "the user may not connect to the database", "Grant it CONNECT."),
    (
        "certificate verify failed",
        "the server's certificate is not trusted",
        "Give the root that signs it with --ca-file or sslrootcert=….",
    ),
    (
        "does not match host name",
        "the server's certificate is for another host name",
        "Use the name that it is for.",
    ),
    (
        "server does not support SSL",
        "the server has no TLS, and TLS is demanded",
        "Turn it on there, or add sslmode=disable to the URL if the network may be trusted.",
    ),
    ("root certificate file", "the file of sslrootcert= cannot be read", "Name a readable PEM file."),
    ("could not load private key file", "the file of sslkey= cannot be used", "Name a readable key, mode 0600."),
    ("private key file", "the file of sslkey= cannot be used", "Name a readable key, mode 0600."),
    ("certificate file", "the file of sslcert= cannot be read", "Name a readable PEM file."),
    ("invalid sslmode value", "sslmode= is no such mode", "Write sslmode=verify-full."),
    ("weak sslmode", "sslrootcert=system demands sslmode=verify-full", "Write sslmode=verify-full."),
    ("definition of service", "the service is not defined", "Check service= and PGSERVICEFILE."),
    ("invalid ", "a parameter of the connection is invalid", "Compare the URL with PostgreSQL's documentation."),
)
"""Words of libpq or the server, what they mean, what to do. They may be translated; then it is only tried again."""

_MISSING = re.compile(r"(role|database) \".*\" does not exist")

_PASSING_BY_WORDS = (
    ("Connection refused", "nothing answers at that port"),
    ("failed to resolve host", "the host name is not known"),
    ("could not translate host name", "the host name is not known"),
    ("No route to host", "there is no route to the host"),
    ("Network is unreachable", "the network is unreachable"),
    ("No such file or directory", "there is no such socket"),
    ("timeout expired", "it does not answer in time"),
    ("timed out", "it does not answer in time"),
    ("the database system is starting up", "the server is starting"),
    ("the database system is shutting down", "the server is stopping"),
    ("the database system is in recovery mode", "the server is recovering"),
    ("the database system is not yet accepting connections", "the server is recovering"),
    ("too many clients", "the server has no connection left"),
    ("remaining connection slots", "the server has no connection left"),
    ("too many connections", "the server has no connection left for this user or database"),
    ("session is read-only", "no host in the URL is a primary"),
    ("server is in hot standby mode", "no host in the URL is a primary"),
    ("server closed the connection", "it closed the connection"),
    ("Connection reset", "it closed the connection"),
    ("SSL SYSCALL", "TLS broke off"),
)


def judge(state: str | None) -> Verdict:
    """What a SQLSTATE asks for; none at all means that the connection is gone."""
    if state is None:
        return Verdict.PASSING
    return _BY_STATE.get(state) or _BY_CLASS.get(state[:2], Verdict.PASSING)


def reason(error: psycopg.Error) -> str:
    """An error in words, without a word of the row that it is about."""
    if error.sqlstate is None:
        return "the connection broke"
    said = f"{_name(error.sqlstate)} ({error.sqlstate})"
    for what, name in (("constraint", error.diag.constraint_name), ("column", error.diag.column_name)):
        if name:
            return f"{said}, {what} {_safe(name)}"
    return said


def refusal(error: psycopg.Error, where: str, *, in_words: bool = False) -> SinkMisconfigured | SinkUnavailable:
    """What to raise for an error that is no row's fault.

    Args:
        error: What psycopg raised.
        where: The server and database, without a login.
        in_words: Whether the server may be quoted, because no event has been sent yet.
    """
    state = error.sqlstate or ""
    advice = _ADVICE.get(state) or _ADVICE.get(state[:2], "")
    why = reason(error)
    if in_words and error.diag.message_primary:
        why = f"{_safe(error.diag.message_primary)} ({state})"
    if judge(error.sqlstate) is Verdict.SETTING:
        return SinkMisconfigured(f"PostgreSQL at {where} refuses us: {why}.", advice=advice)
    return SinkUnavailable(f"PostgreSQL at {where} failed: {why}.", advice=advice)


def no_connection(error: psycopg.Error, where: str) -> SinkMisconfigured | SinkUnavailable:
    """What to raise when there is no connection to begin with."""
    if error.sqlstate is not None:
        return refusal(error, where)
    said = str(error)
    several = "Multiple connection attempts failed" in said  # one that may heal is enough
    for words, meaning, advice in _REFUSED_BY_WORDS:
        if words in said and not (several and any(passing in said for passing, _ in _PASSING_BY_WORDS)):
            return SinkMisconfigured(f"PostgreSQL at {where} cannot be used: {meaning}.", advice=advice)
    missing = _MISSING.search(said)
    if missing is not None:
        advice = _ADVICE["3D"] if missing[1] == "database" else _ADVICE["28"]
        return SinkMisconfigured(f"PostgreSQL at {where} has no such {_NOUNS[missing[1]]}.", advice=advice)
    for words, meaning in _PASSING_BY_WORDS:
        if words in said:
            return SinkUnavailable(f"PostgreSQL at {where} cannot be reached: {meaning}.")
    return SinkUnavailable(f"PostgreSQL at {where} cannot be reached.", advice="Its own log says why.")


_NOUNS = {"role": "user", "database": "database"}


def _name(state: str) -> str:
    """`NumericValueOutOfRange` as words."""
    try:
        name = psycopg.errors.lookup(state).__name__
    except KeyError:
        return "an error"
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()


def _safe(name: str) -> str:
    """A name of the user's schema, or the server's words, fit for one line."""
    return "".join(sign if sign.isprintable() else "?" for sign in name[:200])
