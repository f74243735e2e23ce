"""`--to [NAME=]URL`: which sink, called what, with which parameters."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

from genscribe.errors import ConfigError
from genscribe.secrets import Secret
from genscribe.settings.values import BadValue, path

SINKS = ("console", "jsonl")
"""Schemes of this version."""

LATER = ("postgresql", "kafka", "nats", "redis", "https", "http", "parquet", "python")
"""Schemes that a later version has."""

KINDS = ("utterance", "conversation", "participant", "gap", "message")
"""What `?kinds=` may name: all but `unreadable`; a test holds them together with `events`."""

_NAMED = re.compile(r"([^=:/?]*)=(.*)", re.DOTALL)
_NAME = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_PLACEHOLDER = re.compile(r"\$\{([^{}]*)\}")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*", re.ASCII)
_PASSWORD = re.compile(r"://[^/?#@]*:(?!\$\{[^{}]*\}@)[^/?#]+@")

FillIn = Callable[[str], str]
"""From what stands in `${…}` to its value. Raises `ConfigError`."""


@dataclass(frozen=True)
class SinkSetting:
    """One `--to`.

    Attributes:
        name: What logs, `status` and its cursor call it. Without a given name: scheme, host and path, no password.
        scheme: `console`, `jsonl`, ….
        target: What follows the scheme, without parameters: a path or `-` for `jsonl`, empty for `console`.
        kinds: The kinds it gets; `None` = the sink's own choice.
        interim: Whether it gets interim results too; `None` = the sink's own choice.
        start: Where a new cursor begins, `now` or `beginning`; `None` = the sink's own choice.
        params: The other parameters, for the sink to read.
        secrets: Values that were filled in or stand where passwords stand; held so that logs can mask them.
    """

    name: str
    scheme: str
    target: str = ""
    kinds: frozenset[str] | None = None
    interim: bool | None = None
    start: str | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[Secret, ...] = ()


CONSOLE = SinkSetting("console", "console")
"""What `stream` writes to when nothing is asked for and standard output is a terminal."""


class _Filled(NamedTuple):
    text: str
    secrets: tuple[Secret, ...]


def has_password(text: str) -> bool:
    """Whether a URL holds a password as such, not as `${…}`. On the command line every user could read it."""
    return _PASSWORD.search(text) is not None


def sink_settings(texts: Sequence[str], fill_in: FillIn) -> tuple[SinkSetting, ...]:
    """Reads every `--to`.

    Raises:
        ConfigError: An unknown sink or parameter, a sink of a later version, two of one name, an unset `${…}`.
    """
    sinks = tuple(sink_setting(text, fill_in) for text in texts)
    names = [sink.name for sink in sinks]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(
                f"two sinks are called {name!r}.", advice="Give them names: --to first=URL --to second=URL."
            )
    return sinks


def sink_setting(text: str, fill_in: FillIn) -> SinkSetting:
    """Reads one `[NAME=]URL`."""
    name, url = _split_name(text)
    filled = _fill(url, fill_in)
    scheme, rest = _split_scheme(filled.text)
    target, _, query = rest.partition("?")
    params = _params(scheme, query)
    if scheme == "console" and target:
        raise ConfigError("the console sink takes no path.", advice="Write --to console.")
    if scheme == "jsonl":
        target = _jsonl_target(target)
    return SinkSetting(
        name=name or _called(scheme, target),
        scheme=scheme,
        target=target,
        kinds=_kinds(params.pop("kinds", None)),
        interim=_interim(params.pop("interim", None)),
        start=_start(params.pop("from", None)),
        params=params,
        secrets=filled.secrets,
    )


def _split_name(text: str) -> tuple[str | None, str]:
    match = _NAMED.fullmatch(text)
    if match is None:
        return None, text
    if not _NAME.fullmatch(match[1]):
        raise ConfigError(
            "a sink's name may have letters, digits, _ and - only.",
            advice="Write --to NAME=URL, such as calls=jsonl:-.",
        )
    return match[1], match[2]


def _fill(url: str, fill_in: FillIn) -> _Filled:
    """Fills in `${…}`. Values from files, or standing in a login or a query, are secrets."""
    secrets = []

    def replace(match: re.Match[str]) -> str:
        value = fill_in(match[1])
        before, after = url[: match.start()], url[match.end() :]
        in_login = "://" in before and "@" in after and "/" not in before.partition("://")[2]
        if match[1].startswith("file:") or in_login or "?" in before:
            secrets.append(Secret(value))
        return value

    text = _PLACEHOLDER.sub(replace, url)
    try:
        password = urlsplit(text).password
    except ValueError:
        password = None
    if password:
        secrets.append(Secret(password))
    return _Filled(text, tuple(secrets))


def _split_scheme(url: str) -> tuple[str, str]:
    head, colon, rest = url.partition(":")
    if not colon:
        head, question, rest = url.partition("?")
        rest = question + rest
    scheme = head.lower()
    if scheme in SINKS and (colon or scheme == "console"):
        return scheme, rest
    known = ", ".join(("console", "jsonl:-", "jsonl:PATH"))
    if scheme in LATER:
        raise ConfigError(f"this version has no sink for {scheme} yet.", advice=f"It knows {known}.")
    if scheme == "jsonl":
        raise ConfigError("the jsonl sink needs a path.", advice="Write jsonl:PATH, or jsonl:- for standard output.")
    shown = f" {scheme!r}" if _SCHEME.fullmatch(scheme) and len(scheme) < 20 else ""
    near = difflib.get_close_matches(scheme, SINKS, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise ConfigError(f"unknown sink{shown}.", advice=f"This version knows {known}.{hint}")


def _called(scheme: str, target: str) -> str:
    """The name of a sink without one: scheme, host and path, never a login or a parameter."""
    if not target:
        return scheme
    if not target.startswith("//"):
        return f"{scheme}:{target}"
    host, slash, path_ = target[2:].partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path_}"


def _jsonl_target(target: str) -> str:
    """`-`, or an absolute path: a relative one would be another file under the same name tomorrow."""
    if target == "-":
        return target
    if not target or target.endswith("/"):
        raise ConfigError("the jsonl sink needs a path.", advice="Write jsonl:PATH, or jsonl:- for standard output.")
    try:
        return str(path(target))
    except BadValue as error:
        raise ConfigError(f"the jsonl sink's path {error}.") from None


def _params(scheme: str, query: str) -> dict[str, str]:
    pairs = parse_qsl(query, keep_blank_values=True)
    params = dict(pairs)
    if len(params) < len(pairs):
        raise ConfigError(f"a parameter of the {scheme} sink stands twice.", advice="Keep one of them.")
    for name in params:
        if name not in ("kinds", "interim", "from"):
            raise ConfigError(
                f"the {scheme} sink has no parameter {name[:30]!r}.",
                advice="It knows kinds=…, interim=yes|no and from=now|beginning.",
            )
    return params


def _kinds(text: str | None) -> frozenset[str] | None:
    if text is None:
        return None
    kinds = frozenset(part.strip() for part in text.split(",")) - {""}
    if not kinds or not kinds <= set(KINDS):
        raise ConfigError("a sink's kinds= names no such kind.", advice=f"Write some of {','.join(KINDS)}.")
    return kinds


def _interim(text: str | None) -> bool | None:
    if text not in (None, "yes", "no"):
        raise ConfigError("a sink's interim= is neither yes nor no.", advice="Write interim=yes.")
    return None if text is None else text == "yes"


def _start(text: str | None) -> str | None:
    if text not in (None, "now", "beginning"):
        raise ConfigError("a sink's from= is neither now nor beginning.", advice="Write from=now.")
    return text
