"""All settings of a run: `load` reads them, `Settings` holds them, `OPTIONS` describes them."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from genscribe.errors import ConfigError
from genscribe.settings import credentials, layers
from genscribe.settings.credentials import Credentials
from genscribe.settings.files import read_secret
from genscribe.settings.model import Settings, default_store
from genscribe.settings.options import METADATA, Option
from genscribe.settings.sinks import CONSOLE, SinkSetting, sink_settings
from genscribe.settings.values import Keep, WebAddress

__all__ = ["OPTIONS", "Credentials", "Keep", "Option", "Settings", "SinkSetting", "WebAddress", "load", "store_path"]

_FIELDS: dict[str, Option] = {
    field.name: field.metadata[METADATA] for field in dataclasses.fields(Settings) if METADATA in field.metadata
}

OPTIONS: tuple[Option, ...] = tuple(_FIELDS.values())
"""Every option, in the order of help and docs."""


def load(
    given: Mapping[str, object] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    command_line: bool = True,
    terminal: bool = False,
) -> Settings:
    """The settings of a run: `given`, then the environment, then the configuration file, then defaults.

    Args:
        given: By option key (`wait_for_store`), texts or numbers; `None` = not given. `config` names the file. In
            Python also `client_id`, `client_secret`, `client_secret_file`, `login_url` and `api_url`.
        environ: `None` = this process's; `{}` reads no variable and no file.
        command_line: Whether `given` is the command line, where a bad value is a usage error (exit 2), or a Python
            caller, where it is a wrong configuration (exit 78).
        terminal: Whether standard output is a terminal, so that without a sink there is the console.

    Raises:
        UsageError, ConfigError: A setting is wrong; the message names it and where it stands.
        TypeError: `given` has a key that is no setting.
    """
    environ = os.environ if environ is None else environ
    sources = _layers(dict(given or {}), environ, command_line=command_line)
    chosen: dict[str, Any] = {"sinks": (CONSOLE,) if terminal else ()}
    for name, one in _FIELDS.items():
        try:
            chosen[name] = layers.parsed(one, sources)
        except KeyError:
            continue
        if name == "sinks":
            tables = layers.sink_tables(sources)
            chosen[name] = sink_settings(chosen[name], lambda what: _fill_in(what, environ), tables)
    chosen["credentials"] = credentials.from_layers([layer.found for layer in sources], environ)
    return Settings(**chosen)


def store_path(given: Mapping[str, object] | None = None, *, environ: Mapping[str, str] | None = None) -> Path:
    """Which store a reading command means: `store` (and `config`) of `given`, environment, file, default."""
    environ = os.environ if environ is None else environ
    try:
        path: Path = layers.parsed(_FIELDS["store"], _layers(dict(given or {}), environ, command_line=True))
    except KeyError:
        return default_store()
    return path


def _layers(given: dict[str, object], environ: Mapping[str, str], *, command_line: bool) -> list[layers.Layer]:
    config = given.pop("config", None) or environ.get("GENSCRIBE_CONFIG")
    unknown = given.keys() - {one.key for one in OPTIONS} - credentials.VARIABLES.keys()
    if unknown:
        raise TypeError(f"no such setting: {', '.join(sorted(unknown))}")
    first = layers.command_line(given) if command_line else layers.keywords(given)
    found = [first, layers.environment(OPTIONS, environ)]
    if config:
        found.append(layers.file(OPTIONS, Path(str(config)).expanduser(), environ))
    return found


def _fill_in(what: str, environ: Mapping[str, str]) -> str:
    """The value of `${VARIABLE}` or `${file:PATH}`."""
    if what.startswith("file:"):
        return read_secret(Path(what.removeprefix("file:")).expanduser(), environ=environ).reveal()
    value = environ.get(what, "")
    if not value:
        raise ConfigError(f"a sink wants ${{{what[:60]}}}, and that variable is not set.", advice="Set it.")
    return value
