"""From `module:name` to the user's function or class, and what to say when it is not there."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Literal

from genscribe.errors import GenscribeError
from genscribe.events import DELIVERED_KINDS, KINDS
from genscribe.settings.nearest import nearest
from genscribe.sinks.base import RowsRejected, SinkMisconfigured, SinkUnavailable

Form = Literal["function", "coroutine", "class", "object"]
GUARANTEES = ("at-least-once", "exactly-once")


@dataclass(frozen=True)
class Loaded:
    """What a user's module has under a name.

    Attributes:
        found: The thing itself.
        form: How it is used: called with each event in a thread; awaited with each event; a class of sinks; a sink.
        kinds: The kinds that it wants.
        guarantee: What it promises.
        file: The module's source, to find its lines in a traceback; empty when it has none.
    """

    found: object
    form: Form
    kinds: frozenset[str] = frozenset(DELIVERED_KINDS)
    guarantee: str = "at-least-once"
    file: str = ""


def load(target: str) -> Loaded:
    """Imports the module and looks what the name stands for. The module's own code runs, and may block.

    A module that is not installed is looked for in the current folder too: after all others, so that no file that
    happens to lie there takes the place of a library.

    Raises:
        SinkMisconfigured: There is no such module or name, importing it fails, or it is nothing that takes events.
    """
    where, _, name = target.partition(":")
    module = _imported(where)
    found: object = module
    for part in name.split("."):
        if not hasattr(found, part):
            near = nearest(part, [each for each in dir(found) if not each.startswith("_")])
            raise SinkMisconfigured(
                f"the module {where} has no {name}.", advice=f"Did you mean {near}?" if near is not None else ""
            )
        found = getattr(found, part)
    return Loaded(
        found,
        _form(found, target),
        kinds=_kinds(getattr(found, "kinds", DELIVERED_KINDS), target),
        guarantee=_guarantee(getattr(found, "guarantee", GUARANTEES[0]), target),
        file=getattr(module, "__file__", None) or "",
    )


def judged(error: BaseException, loaded: Loaded, target: str) -> Exception:
    """What to raise for what the user's code raised: our own errors as they are, others without their words.

    They may hold what was said; a type and a line say where to look.
    """
    if isinstance(error, (GenscribeError, RowsRejected)):
        return error
    return SinkUnavailable(f"{target} raised {type(error).__name__}{_line(error, loaded.file)}.")


def _line(error: BaseException, file: str) -> str:
    """The last line of the user's module that the error went through, else the last line of all."""
    places = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    inside = [place for place in places if place[0] == file] or places
    return f" in line {inside[-1][1]} of {Path(inside[-1][0]).name}" if inside else ""


def _imported(where: str) -> ModuleType:
    try:
        folder = os.getcwd()
    except OSError:  # somebody removed it
        folder = ""
    if folder and folder not in sys.path and "" not in sys.path:
        sys.path.append(folder)
    importlib.invalidate_caches()  # it may have been written since the last try
    try:
        return importlib.import_module(where)
    except ModuleNotFoundError as error:
        raise _missing(where, error, folder) from None
    except SyntaxError as error:
        place = f"line {error.lineno} of {Path(error.filename or '').name}"
        raise SinkMisconfigured(f"the module {where} is no Python: {place}.") from None
    except (Exception, SystemExit) as error:  # noqa: BLE001  # anybody's code
        # Its text may hold anything, passwords among it.
        raise SinkMisconfigured(
            f"importing {where} failed: {type(error).__name__}{_line(error, '')}.",
            advice=f"Try: python -c 'import {where}'",
        ) from None


def _missing(where: str, error: ModuleNotFoundError, folder: str) -> SinkMisconfigured:
    name = error.name or ""
    if name and name != where and not where.startswith(f"{name}."):
        return SinkMisconfigured(f"the module {where} needs {name}, which is not installed.")
    if where.endswith(".py"):
        return SinkMisconfigured(f"there is no module {where}.", advice="Write its name without .py.")
    return SinkMisconfigured(
        f"there is no module {where}.", advice=f"Install it beside genscribe, or put it into the folder {folder}."
    )


def _form(found: object, target: str) -> Form:
    write = getattr(found, "write", None)
    if inspect.isclass(found) or write is not None:
        if not callable(write) or not inspect.iscoroutinefunction(inspect.unwrap(write)):
            raise SinkMisconfigured(f"{target} has no async write(batch).", advice="Or name a function.")
        return "class" if inspect.isclass(found) else "object"
    if not callable(found):
        raise SinkMisconfigured(
            f"{target} is of type {type(found).__name__}, neither a function nor a class.", advice="Name one of them."
        )
    forms = (found, type(found).__call__)
    if any(map(inspect.isgeneratorfunction, forms)) or any(map(inspect.isasyncgenfunction, forms)):
        raise SinkMisconfigured(f"{target} is a generator: calling it does nothing.", advice="Leave yield out.")
    return "coroutine" if any(map(inspect.iscoroutinefunction, forms)) else "function"


def _kinds(given: object, target: str) -> frozenset[str]:
    kinds = frozenset(given) if isinstance(given, Iterable) and not isinstance(given, str) else frozenset()
    if not kinds or not kinds <= set(KINDS):
        raise SinkMisconfigured(f"{target} has kinds that are none.", advice=f"Write some of {', '.join(KINDS)}.")
    return kinds


def _guarantee(given: object, target: str) -> str:
    if given not in GUARANTEES:
        raise SinkMisconfigured(
            f"{target} has a guarantee that is none.", advice=f"Write one of {', '.join(GUARANTEES)}."
        )
    return str(given)
