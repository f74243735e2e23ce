"""Which sinks there are, and what each may be told: one table, from which messages, checks and docs come."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from genscribe.errors import ConfigError
from genscribe.settings.nearest import nearest

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "genscribe.sinks"
"""The entry-point group of sinks that others publish: the name is the scheme, the object a `make(setting, means)`."""


@dataclass(frozen=True)
class Scheme:
    """One kind of sink.

    Attributes:
        name: What stands before the colon.
        example: A URL for messages.
        params: The parameters of its own, besides those that every sink has; in a URL `_` may be `-`.
        open_params: Whether it also takes others and passes them on as they are, in the URL's query.
        extra: What to install: `pip install 'genscribe[EXTRA]'`; `None` when nothing more is needed.
        library: The module that the extra brings.
        module: The module in `genscribe.sinks` that makes it.
        network: Whether its URL names a host. `hostless`: one may be missing, for a socket or a service's name.
        user_is_secret: Whether a login without a password is a token.
        at_in_path: Whether an `@` may stand in the path as such; elsewhere it is taken for the end of a login.
        documents: Whether it can take a whole conversation as one document.
        entry_point: Where a published one is loaded from; `None` for our own.
    """

    name: str
    example: str
    module: str
    params: tuple[str, ...] = ()
    open_params: bool = False
    extra: str | None = None
    library: str | None = None
    network: bool = False
    hostless: bool = False
    user_is_secret: bool = False
    at_in_path: bool = False
    documents: bool = True
    entry_point: EntryPoint | None = None


_WEBHOOK = {
    "module": "webhook",
    "params": ("secret", "secret_old", "bearer", "client_cert", "client_key", "timeout"),
    "open_params": True,
    "network": True,
    "at_in_path": True,
}

_OURS = (
    Scheme("console", "console", "console", documents=False),
    Scheme("jsonl", "jsonl:PATH", "jsonl", params=("rotate_size", "rotate_every", "compress")),
    Scheme(
        "postgresql",
        "postgresql://user@host/database",
        "postgresql",
        params=("schema",),
        open_params=True,
        extra="postgres",
        library="psycopg",
        network=True,
        hostless=True,
        documents=False,
    ),
    Scheme(
        "kafka",
        "kafka://broker:9092/topic",
        "kafka",
        params=("tls", "sasl"),
        extra="kafka",
        library="confluent_kafka",
        network=True,
    ),
    Scheme(
        "nats",
        "nats://host/subject",
        "nats",
        params=("stream", "creds", "nkey", "tls", "max_age", "window", "replicas", "inbox"),
        extra="nats",
        library="nats",
        network=True,
        user_is_secret=True,
    ),
    Scheme(
        "redis",
        "redis://host/stream",
        "redis",
        params=("maxlen", "db"),
        extra="redis",
        library="redis",
        network=True,
    ),
    Scheme("https", "https://host/path", **_WEBHOOK),  # type: ignore[arg-type]
    Scheme("http", "http://127.0.0.1:8080/path", **_WEBHOOK),  # type: ignore[arg-type]
    Scheme(
        "parquet",
        "parquet:FOLDER",
        "parquet",
        params=("every", "compression", "endpoint", "region"),
        extra="parquet",
        library="duckdb",
        documents=False,
    ),
    Scheme("python", "python:module:name", "python"),
)

SCHEMES: dict[str, Scheme] = {scheme.name: scheme for scheme in _OURS}
SCHEMES |= {"postgres": SCHEMES["postgresql"], "rediss": SCHEMES["redis"]}
"""By what may stand before the colon, aliases included."""

_WORD = re.compile(r"[a-z][a-z0-9+.-]*", re.ASCII)
_CONFIDENTIAL = re.compile(
    r"(?:secret|password|passwd|pwd|passphrase|token|bearer|authorization|api[._-]?key|access[._-]?key|key[._-]pem)(?:[._-]?old)?",
    re.IGNORECASE,
)
_KEYS = frozenset({"key", "sig", "signature", "code", "auth"})
"""How receivers call what lets whoever knows their URL in."""


def find_scheme(word: str) -> Scheme:
    """The scheme of that name: one of ours, else one that an installed package publishes.

    Raises:
        ConfigError: There is none; the message names what there is.
    """
    scheme = SCHEMES.get(word) or _published(word)
    if scheme is not None:
        return scheme
    shown = f" {word!r}" if _WORD.fullmatch(word) and len(word) < 20 else ""
    near = nearest(word, SCHEMES)
    hint = f" Did you mean {SCHEMES[near].example}?" if near else ""
    known = ", ".join(["console", "jsonl:-", *(scheme.example for scheme in _OURS[1:])])
    raise ConfigError(f"unknown sink{shown}.", advice=f"There are {known}.{hint}")


def confidential(name: str) -> bool:
    """Whether a parameter, option or variable of that name holds a secret: `secret`, `sasl.password`, `bearer`, …."""
    return name.lower() in _KEYS or any(match.end() == len(name) for match in _CONFIDENTIAL.finditer(name))


def _published(word: str) -> Scheme | None:
    if not _WORD.fullmatch(word):
        return None
    from importlib.metadata import entry_points  # slow to import, and hardly ever needed

    for found in entry_points(group=GROUP):
        if found.name == word:
            return Scheme(word, f"{word}:…", "", open_params=True, entry_point=found)
    return None
