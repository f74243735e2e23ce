"""Where values come from: command line or caller, then environment, then file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from genscribe.errors import ConfigError, Fatal, UsageError
from genscribe.settings import credentials
from genscribe.settings.files import file_status, read_toml, require_private
from genscribe.settings.nearest import nearest
from genscribe.settings.options import Many, Option, as_text
from genscribe.settings.sinks import Plain, has_password, holds_secret
from genscribe.settings.values import BadValue

_OURS = "GENSCRIBE_"


@dataclass(frozen=True)
class Layer:
    """One place that values come from.

    Attributes:
        found: By option key, the value and what to call it in a message.
        error: What a bad value here is: 2 on the command line, 78 elsewhere.
        in_variables: Lists are written as one text.
        tables: `[sinks.NAME]`, by name; only the file has them.
    """

    found: Mapping[str, tuple[object, str]]
    error: type[Fatal] = ConfigError
    in_variables: bool = False
    tables: Mapping[str, Mapping[str, Plain]] = field(default_factory=dict)


def command_line(given: Mapping[str, object]) -> Layer:
    """What click parsed; `None` and an empty tuple are options that were not given."""
    found = {key: (value, f"--{key.replace('_', '-')}") for key, value in given.items() if value not in (None, ())}
    return Layer(found, error=UsageError)


def keywords(given: Mapping[str, object]) -> Layer:
    """What a caller in Python gave; `None` is not given."""
    return Layer({key: (value, key) for key, value in given.items() if value is not None})


def environment(options: Iterable[Option], environ: Mapping[str, str]) -> Layer:
    """Variables that are not empty."""
    found: dict[str, tuple[object, str]] = {}
    for option in options:
        for variable in option.variables:
            if environ.get(variable, "").strip():
                found.setdefault(option.key, (environ[variable], variable))
    for key, variable in credentials.VARIABLES.items():
        if environ.get(variable):
            found[key] = (environ[variable], variable)
    return Layer(found, in_variables=True)


def unknown_variables(options: Iterable[Option], environ: Mapping[str, str]) -> list[str]:
    """`GENSCRIBE_…` variables that are no option's, each with the nearest that is: a line each."""
    known = {variable for option in options for variable in option.variables} | {"GENSCRIBE_CONFIG"}
    strange = sorted(name for name in environ if name.startswith(_OURS) and name not in known)
    ends = {name.removeprefix(_OURS) for name in known if name.startswith(_OURS)}
    return [f"{name} is no variable of genscribe{_hint(name.removeprefix(_OURS), ends, _OURS)}" for name in strange]


def file(options: Iterable[Option], path: Path, environ: Mapping[str, str]) -> Layer:
    """The configuration file.

    Raises:
        ConfigError: It cannot be read, has a key that is none, or holds a secret and is not 0600.
    """
    options = tuple(options)
    data = read_toml(path)
    table = data.pop("genesys", {})
    if not isinstance(table, dict):
        raise ConfigError(f"{path}: genesys must be a table.", advice="Write [genesys] on a line of its own.")
    tables = _sink_tables(path, data.pop("sinks", {}))
    top = {option.key for option in options if not option.only_in_genesys}
    inside = {option.key for option in options if option.in_genesys or option.only_in_genesys}
    inside |= {*credentials.VARIABLES, "env"}
    _require_known(path, data, top | {"sinks"}, "", inside)
    _require_known(path, table, inside, "[genesys] ", top)
    if "env" in table:
        if "region" in table:
            raise ConfigError(f"{path}: [genesys] has both env and region.", advice="Keep one of them.")
        table["region"] = table.pop("env")
    twice = sorted(data.keys() & table.keys())
    if twice:
        raise ConfigError(f"{path}: {twice[0]} stands twice.", advice="Keep the one in [genesys].")
    if _holds_secret(data, table) or holds_secret(tables):
        require_private(path, file_status(path), environ=environ)
    found = {key: (value, f"{path}: {key}") for key, value in data.items()}
    found.update({key: (value, f"{path}: [genesys] {key}") for key, value in table.items()})
    if tables:
        found.setdefault("to", ((), f"{path}: sinks"))
    return Layer(found, tables=tables)


def sink_tables(layers: Iterable[Layer]) -> Mapping[str, Mapping[str, Plain]]:
    """The `[sinks.NAME]` that stand beside the `to` that counts: a stronger layer's takes the place of them all."""
    return next((layer.tables for layer in layers if "to" in layer.found), {})


def parsed(option: Option, layers: Iterable[Layer]) -> Any:
    """The option's value from the strongest layer that has it.

    Raises:
        KeyError: None has it.
        Fatal: The value is not what the option wants.
    """
    for layer in layers:
        if option.key in layer.found:
            value, origin = layer.found[option.key]
            return _parse(option, value, origin, layer)
    raise KeyError(option.key)


def _parse(option: Option, value: object, origin: str, layer: Layer) -> Any:
    try:
        if option.many is not Many.NO:
            return option.parse(option.texts(value, in_variable=layer.in_variables))
        text = as_text(value)
        if not text:
            raise BadValue("is empty: leave it out, or give a value")
        return option.parse(text)
    except (BadValue, TypeError) as error:
        shown = "" if option.confidential or isinstance(error, TypeError) else f" {str(value)[:60]!r}"
        raise layer.error(f"{origin}{shown} {error}.") from None


def _require_known(path: Path, table: Mapping[str, object], known: set[str], where: str, elsewhere: set[str]) -> None:
    for key in table:
        if key in known:
            continue
        if key in elsewhere:
            right = "at the top, before [genesys]" if where else "in [genesys]"
            raise ConfigError(f"{path}: {where}{key} stands in the wrong place.", advice=f"Put it {right}.")
        raise ConfigError(f"{path}: {where}{key} is no setting{_hint(key, known)}.", advice="See docs/cli.md.")


def _hint(name: str, known: Iterable[str], prefix: str = "") -> str:
    near = nearest(name, known)
    return f" (did you mean {prefix}{near}?)" if near is not None else ""


def _sink_tables(path: Path, tables: object) -> dict[str, dict[str, Plain]]:
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        raise ConfigError(f"{path}: sinks must hold tables.", advice="Write [sinks.NAME] on a line of its own.")
    return tables


def _holds_secret(data: Mapping[str, object], table: Mapping[str, object]) -> bool:
    """A client secret, the page's token, or a password in a URL; `${…}` in its place is none."""
    if "client_secret" in table or "web_token" in data:
        return True
    sinks = data.get("to", [])
    urls = [*(sinks if isinstance(sinks, list) else [sinks]), data.get("proxy"), table.get("proxy")]
    return any(isinstance(url, str) and has_password(url) for url in urls)
