"""`--to [NAME=]URL` and `[sinks.NAME]`: which sink, called what, told what."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Union
from urllib.parse import parse_qsl, quote, unquote, unquote_plus, urlsplit

from genscribe.errors import ConfigError
from genscribe.secrets import MASK, Secret
from genscribe.settings import parameters
from genscribe.settings.filling import PLACEHOLDER, FillIn, Template
from genscribe.settings.parameters import EVERY_SINK, IDLE_S, KINDS, SinkFilters, Value
from genscribe.settings.schemes import SCHEMES, Scheme, confidential, find_scheme
from genscribe.settings.values import BadValue, path

__all__ = ["CONSOLE", "KINDS", "SinkFilters", "SinkSetting", "has_password", "holds_secret", "sink_settings"]

_NAMED = re.compile(r"([^=:/?]*)=(.*)", re.DOTALL)
_NAME = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_PASSWORD = re.compile(r"://[^/?#@]*:(?!\$\{[^{}]*\}@)[^/?#]+@")
_TOKEN = re.compile(r"(?:^|=)([a-z]+)://(?!\$\{[^{}]*\}@)[^/?#@:]+@")
_PORT = re.compile(r"^(?:\[[^\[\]]*\]|[^:\[\]]*)(?::[0-9]*)?$", re.ASCII)
_OBJECT = re.compile(r"[^\s:/?]+:[^\s:/?]+")

Plain = Union[str, int, float, bool, "list[Plain]", "dict[str, Plain]"]
"""What a table of the configuration file may hold."""


@dataclass(frozen=True)
class SinkSetting:
    """One sink: `--to`, or a table of the file. `parameters.Parameters` says what the fields of every sink mean.

    Attributes:
        name: What logs, `status` and its cursor call it. Without a given name: scheme, host and path, no secret.
        scheme: `console`, `jsonl`, `postgresql`, …; an alias is told by its right name.
        target: What follows the scheme, without login and parameters: a path or `-` for `jsonl`, `//host/path` for
            what is in a network, empty for `console`.
        params: The sink's own parameters, and those that it passes on, with `_` in their names.
        secrets: Values that were filled in or stand where passwords stand; held so that logs can mask them.
        url: Filled in, for schemes with a network address, and for published ones; `None` otherwise. Parameters that
            we know are taken out of it; those that the scheme passes on stay in.
        options: `[sinks.NAME.options]` of the file, filled in, for the client library.
    """

    name: str
    scheme: str
    target: str = ""
    kinds: frozenset[str] | None = None
    interim: bool | None = None
    start: str | None = None
    params: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: tuple[Secret, ...] = ()
    url: Secret | None = None
    options: Mapping[str, object] = field(default_factory=dict, repr=False)
    filters: SinkFilters = parameters.EVERYTHING
    per: str | None = None
    hold_s: float = 0.0
    idle_s: float = IDLE_S


CONSOLE = SinkSetting("console", "console")
"""What `stream` writes to when nothing is asked for and standard output is a terminal."""


def has_password(text: str) -> bool:
    """Whether a URL holds a secret as such, not as `${…}`. On the command line every user could read it."""
    if _PASSWORD.search(text) is not None:
        return True
    token = _TOKEN.search(text)
    if token is not None and token[1] in SCHEMES and SCHEMES[token[1]].user_is_secret:
        return True
    pairs = parse_qsl(text.partition("?")[2], keep_blank_values=True)
    return any(confidential(name) and _is_given(value) for name, value in pairs)


def holds_secret(table: object) -> bool:
    """Whether a table of the file holds a secret as such, in a URL or under a name that says so, however deep."""
    if isinstance(table, str):
        return has_password(table)
    if isinstance(table, list):
        return any(map(holds_secret, table))
    if not isinstance(table, dict):
        return False
    return any(
        (confidential(str(key)) and isinstance(value, str) and _is_given(value)) or holds_secret(value)
        for key, value in table.items()
    )


def sink_settings(
    texts: Sequence[str], fill_in: FillIn, tables: Mapping[str, Mapping[str, Plain]] | None = None
) -> tuple[SinkSetting, ...]:
    """Reads every `--to` and every `[sinks.NAME]`.

    Raises:
        ConfigError: An unknown sink or parameter, a bad value, two of one name, an unset `${…}`.
    """
    sinks = [sink_setting(text, fill_in) for text in texts]
    sinks += [sink_of_table(name, table, fill_in) for name, table in (tables or {}).items()]
    names = [sink.name for sink in sinks]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(
                f"two sinks are called {name!r}.", advice="Give them names: --to first=URL --to second=URL."
            )
    return tuple(sinks)


def sink_setting(text: str, fill_in: FillIn) -> SinkSetting:
    """Reads one `[NAME=]URL`."""
    match = _NAMED.fullmatch(text)
    if match is None:
        return _sink(None, Template(text, fill_in), {}, {}, ())
    if not _NAME.fullmatch(match[1]):
        raise ConfigError(
            "a sink's name may have letters, digits, _ and - only.",
            advice="Write --to NAME=URL, such as calls=jsonl:-.",
        )
    return _sink(match[1], Template(match[2], fill_in), {}, {}, ())


def sink_of_table(name: str, table: Mapping[str, Plain], fill_in: FillIn) -> SinkSetting:
    """Reads one `[sinks.NAME]`: `url`, every parameter with `_`, and `options` for the client library."""
    if not _NAME.fullmatch(name):
        raise ConfigError(f"[sinks.{name[:30]}]: a name may have letters, digits, _ and - only.")
    rest = dict(table)
    url, options = rest.pop("url", None), rest.pop("options", {})
    if not isinstance(url, str):
        raise ConfigError(f"[sinks.{name}] has no url.", advice='Write url = "jsonl:PATH", or another sink.')
    if not isinstance(options, dict):
        raise ConfigError(f"[sinks.{name}] options is no table.", advice=f"Write [sinks.{name}.options].")
    secrets: list[Secret] = []
    given = {key: _value(f"[sinks.{name}] {key}", key, value, fill_in, secrets) for key, value in rest.items()}
    filled = {key: _filled_in(key, value, fill_in, secrets) for key, value in options.items()}
    try:
        return _sink(name, Template(url, fill_in), given, filled, tuple(secrets))
    except ConfigError as error:
        raise ConfigError(f"[sinks.{name}]: {error.message}", advice=error.advice) from None


def _sink(
    name: str | None,
    template: Template,
    given: Mapping[str, Value],
    options: Mapping[str, object],
    secrets: tuple[Secret, ...],
) -> SinkSetting:
    word, rest = _split_scheme(template.opened())
    scheme = find_scheme(word)
    place, _, query = rest.partition("?")
    place = _place(place, template)
    of_url, passed = _query(scheme, query, template)
    params = {**of_url, **_table(scheme, given, of_url)}
    target = _target(scheme, place)
    own = {key: _text(value) for key, value in params.items() if key not in EVERY_SINK}
    passed += [f"{key}={quote(own[key], safe='')}" for key in given if key in own and key not in scheme.params]
    wanted = parameters.read(scheme, params)
    url = f"{word}:{place}" + (f"?{'&'.join(passed)}" if passed else "")
    told = (*template.secrets, *secrets, *_secrets(scheme, url, own))
    return SinkSetting(
        **vars(wanted),
        name=name or _called(scheme, target, told),
        scheme=scheme.name,
        target=target,
        # Not looked for in logs as a whole, for a sink may be called after it; its parts that are secrets are.
        url=Secret(url, masked=False) if scheme.network or scheme.entry_point or "://" in target else None,
        params=own,
        options=options,
        secrets=told,
    )


def _place(place: str, template: Template) -> str:
    """What stands between scheme and query, filled in: encoded where there is a host, else as it is, as a path is."""
    if not place.startswith("//"):
        return template.plain(place)
    authority, slash, rest = place[2:].partition("/")
    login, at, host = authority.rpartition("@")
    return (
        f"//{template.encoded(login, secret=True)}{at}{template.plain(host)}{slash}{template.encoded(rest, safe='/')}"
    )


def _filled_in(key: str, value: Plain, fill_in: FillIn, secrets: list[Secret]) -> object:
    """A value of a table with its `${…}` filled in, however deep; what is secret in it is added to `secrets`."""
    if isinstance(value, dict):
        return {inner: _filled_in(inner, each, fill_in, secrets) for inner, each in value.items()}
    if isinstance(value, list):
        return [_filled_in(key, each, fill_in, secrets) for each in value]
    if not isinstance(value, str):
        return value
    template = Template(value, fill_in)
    filled = template.plain(template.text)
    secrets.extend(template.secrets)
    if confidential(key):
        secrets.append(Secret(filled))
    return filled


def _value(where: str, key: str, value: Plain, fill_in: FillIn, secrets: list[Secret]) -> Value:
    """A parameter in a table as the text, or the texts, that a URL would have."""
    if isinstance(value, dict):
        raise ConfigError(
            f"{where} is a table.", advice="For the client library's settings write [sinks.NAME.options]."
        )
    filled = _filled_in(key, value, fill_in, secrets)
    if isinstance(filled, bool):
        return "yes" if filled else "no"
    if isinstance(filled, list):
        return [str(each) for each in filled]
    return str(filled)


def _text(value: Value) -> str:
    return value if isinstance(value, str) else ",".join(value)


def _is_given(value: str) -> bool:
    return bool(value) and PLACEHOLDER.fullmatch(value) is None


def _secrets(scheme: Scheme, url: str, params: Mapping[str, str]) -> list[Secret]:
    """Passwords in the login and under names that say so, as they stand there and decoded."""
    found = [value for name, value in params.items() if confidential(name)]
    try:
        parts = urlsplit(url)
        found += [parts.password or ""]
        if scheme.user_is_secret and not parts.password:
            found.append(parts.username or "")
    except ValueError:  # several hosts with ports are no URL to the standard library
        login = url.partition("://")[2].rpartition("@")[0]
        found.append(login.partition(":")[2])
    return [Secret(each) for each in {*found, *map(unquote, found)} if each]


def _split_scheme(url: str) -> tuple[str, str]:
    head, colon, rest = url.partition(":")
    if not colon or "?" in head:
        head, question, rest = url.partition("?")
        rest = question + rest
        colon = ""
    scheme = head.lower()
    if scheme in SCHEMES and scheme != "console" and not colon:
        raise _no_target(SCHEMES[scheme])
    return scheme, rest


def _no_target(scheme: Scheme) -> ConfigError:
    if scheme.name == "jsonl":
        return ConfigError("the jsonl sink needs a path.", advice="Write jsonl:PATH, or jsonl:- for standard output.")
    what = "a host" if scheme.network else "a path" if scheme.name == "parquet" else "more"
    return ConfigError(f"the {scheme.name} sink needs {what}.", advice=f"Write {scheme.example}.")


def _target(scheme: Scheme, place: str) -> str:
    """What stands between scheme and parameters, checked as far as it can be without asking anybody."""
    if scheme.name == "console":
        if place:
            raise ConfigError("the console sink takes no path.", advice="Write --to console.")
        return place
    if scheme.name == "jsonl" or (scheme.name == "parquet" and "://" not in place):
        return _file(scheme, place)
    if scheme.name == "python" and not _OBJECT.fullmatch(place):
        raise ConfigError("the python sink needs a module and a name in it.", advice=f"Write {scheme.example}.")
    if not place.startswith("//"):
        if scheme.network or not place:
            raise _no_target(scheme)
        return place
    host, slash, rest = place[2:].partition("/")
    if scheme.network and "@" in rest and not scheme.at_in_path:  # or a piece of a login would pass for a host
        raise ConfigError(
            f"the {scheme.name} sink's URL has an @ after a /.",
            advice="Write / in a login as %2F and @ in a name as %40, or ${VARIABLE} in its place, which is encoded "
            "for you.",
        )
    host = host.rpartition("@")[2]
    if not host and not scheme.hostless:
        raise _no_target(scheme)
    if not all(_PORT.search(each) for each in host.split(",")):  # or a piece of a password would pass for a host
        raise ConfigError(
            f"the {scheme.name} sink's host or port is none.",
            advice="In a password write %2F for /, %3F for ? and so on.",
        )
    return f"//{host}{slash}{rest}"


def _file(scheme: Scheme, target: str) -> str:
    """`-`, or an absolute path: a relative one would be another file under the same name tomorrow."""
    if target == "-" and scheme.name == "jsonl":
        return target
    if not target or (target.endswith("/") and scheme.name == "jsonl"):
        raise _no_target(scheme)
    try:
        return str(path(target))
    except BadValue as error:
        raise ConfigError(f"the {scheme.name} sink's path {error}.") from None


def _called(scheme: Scheme, target: str, secrets: Sequence[Secret]) -> str:
    """The name of a sink without one: scheme, host and path, never a login, a parameter or what was filled in."""
    if not target:
        return scheme.name
    name = f"{scheme.name}:{target}"
    for value in sorted((secret.reveal() for secret in secrets), key=len, reverse=True):
        name = name.replace(value, MASK).replace(quote(value, safe="/", errors="surrogateescape"), MASK)
    return name


def _query(scheme: Scheme, query: str, template: Template) -> tuple[dict[str, str], list[str]]:
    """The parameters, those that we know by their names with `_`; and the pieces of the query that are passed on."""
    params: dict[str, str] = {}
    passed: list[str] = []
    for piece in filter(None, template.opened_query(query).split("&")):
        written, _, value = piece.partition("=")
        shown = template.plain(unquote_plus(written))
        name = shown.replace("-", "_")
        parameters.check_name(scheme, name, shown)
        if name not in (*EVERY_SINK, *scheme.params):
            name = shown
            passed.append(template.encoded(piece, secret=True))
        if name in params:
            raise ConfigError(f"a parameter of the {scheme.name} sink stands twice.", advice="Keep one of them.")
        params[name] = template.plain(unquote_plus(value), secret=True)
    return params, passed


def _table(scheme: Scheme, given: Mapping[str, Value], of_url: Mapping[str, str]) -> dict[str, Value]:
    for name in given:
        parameters.check_name(scheme, name, name)
        if name in of_url:
            raise ConfigError(f"{name} stands in the url and beside it.", advice="Keep one of them.")
    return dict(given)
