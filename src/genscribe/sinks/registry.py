"""From a setting to its sink. A sink's module is imported when it is asked for: each may need what is not installed.

What is missing ends the start: a library that is installed later is seen by the next process, never by this one.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import cast

from genscribe.errors import ConfigError, GenscribeError
from genscribe.settings.schemes import Scheme, find_scheme
from genscribe.settings.sinks import SinkSetting
from genscribe.sinks.base import Means, Sink, missing_extra

Make = Callable[[SinkSetting, Means], Sink]


def make_sink(setting: SinkSetting, means: Means) -> Sink:
    """The sink of a setting, not yet opened.

    Raises:
        ConfigError: What the sink itself finds wrong with its setting; its library, or the package that publishes it,
            is missing or broken.
    """
    scheme = find_scheme(setting.scheme)
    if scheme.extra is not None and scheme.library is not None and find_spec(scheme.library) is None:
        raise missing_extra(scheme.name, scheme.extra)
    make = _published(scheme) if scheme.entry_point else import_module(f"genscribe.sinks.{scheme.module}").make
    try:
        return cast("Make", make)(setting, means)
    except GenscribeError:
        raise
    except Exception as error:
        if scheme.entry_point is None:
            raise
        # Its text may hold anything, passwords among it.
        raise _broken(scheme, f"cannot be made ({type(error).__name__})") from None


def _published(scheme: Scheme) -> Make:
    assert scheme.entry_point is not None
    try:
        make = scheme.entry_point.load()
    except Exception as error:  # noqa: BLE001  # anybody's code
        raise _broken(scheme, f"cannot be loaded ({type(error).__name__})") from None
    if not callable(make):
        raise _broken(scheme, "is no function")
    return cast("Make", make)


def _broken(scheme: Scheme, what: str) -> ConfigError:
    assert scheme.entry_point is not None
    return ConfigError(
        f"the sink {scheme.name}, published as {scheme.entry_point.value}, {what}.",
        advice="Ask those who publish it, or install another version.",
    )
