"""JSON that a strict reader refuses, taken apart: what is wrong costs itself and nothing around it. None raises."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from msgspec import Raw
from msgspec.json import Decoder

from genscribe.core.decode import text as texts

T = TypeVar("T")

NULL = Raw(b"null")
REFUSED = (msgspec.MsgspecError, UnicodeError, RecursionError)
"""All that a decoder raises for bytes it does not take."""

_OBJECT = Decoder(dict[str, Raw])
_LIST = Decoder(list[Raw])
_ANYTHING = Decoder(Raw)

_REPAIRS = ((texts.finite, "NaN or Infinity"), (texts.shallow, f"nested deeper than {texts.DEPTH}"))
_ALL = "all of it"
_NAMED = 8
"""How many names of what was left out stand in a reason."""


def repaired(json: bytes) -> tuple[bytes, list[str]]:
    """JSON that can be read as far as any can, and in words what had to be left out for it."""
    if b"\\u" in json:
        json = texts.mend(json)
    faults: list[str] = []
    if accepts(_ANYTHING, json):
        return json, faults
    for repair, fault in _REPAIRS:
        after = repair(json)
        if after != json:
            faults.append(fault)
            json = after
    return json, faults


def accepts(decoder: Decoder[Any], json: bytes | Raw) -> bool:
    """Whether the decoder takes it."""
    try:
        decoder.decode(json)
    except REFUSED:
        return False
    return True


def items(json: Raw) -> list[Raw]:
    """The items of a list; none when it is no list."""
    try:
        return _LIST.decode(json)
    except REFUSED:
        return []


def members(json: Raw) -> dict[str, Raw]:
    """The members of an object by name; none when it is no object."""
    try:
        return _OBJECT.decode(json)
    except REFUSED:
        return {}


def field(decoder: Decoder[T], json: Raw, name: str, faults: list[str]) -> T | None:
    """The value of one field; `None`, and its name in `faults`, when it is of the wrong type."""
    try:
        return decoder.decode(json)
    except REFUSED:
        faults.append(f"{name} is of the wrong type")
        return None


def salvage(json: bytes | Raw, decoder: Decoder[T | None]) -> tuple[T | None, tuple[str, ...]]:
    """What can be read of it, and the dotted names of all that was left out, once each name and place.

    A field of the wrong type is as if it had not been sent, an item of the wrong type as if it had not been listed.
    `None` when the whole is of the wrong type or no JSON.
    """
    lost: list[str] = []
    try:
        _ANYTHING.decode(json)
        kept = _salvage(bytes(json), "", lambda part: accepts(decoder, part), lost)
        return None if kept is None else decoder.decode(kept), tuple(lost)
    except REFUSED:
        return None, (*lost, _ALL)


def named(lost: tuple[str, ...]) -> str:
    """What was left out, in a few words."""
    names = list(dict.fromkeys(lost))
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"left out: {', '.join(names[:_NAMED])}{more}"


def _salvage(json: bytes, name: str, fits: Callable[[bytes], bool], lost: list[str]) -> bytes | None:
    """The part of a value that fits where it stands; `None` for nothing of it.

    Only what does not fit is opened, and only where a container may stand at all, so garbage costs no more than a look.
    """
    json = json.strip()
    if fits(json):
        return json
    if json.startswith(b"{") and fits(b"{}") and (inner := members(Raw(json))):
        return _salvage_object(inner, name, fits, lost)
    if json.startswith(b"[") and fits(b"[]"):
        return _salvage_list(json, name, fits, lost)
    lost.append(name or _ALL)
    return None


def _salvage_object(inner: dict[str, Raw], name: str, fits: Callable[[bytes], bool], lost: list[str]) -> bytes:
    kept: list[bytes] = []
    for key, value in inner.items():
        start = b"{%b:" % msgspec.json.encode(key)
        part = _salvage(bytes(value), f"{name}.{key}" if name else key, _within(fits, start, b"}"), lost)
        if part is not None:
            kept.append(start[1:] + part)
    return b"{%b}" % b",".join(kept)


def _salvage_list(json: bytes, name: str, fits: Callable[[bytes], bool], lost: list[str]) -> bytes:
    inside = _within(fits, b"[", b"]")
    kept = (_salvage(bytes(item), name, inside, lost) for item in items(Raw(json)))
    return b"[%b]" % b",".join(item for item in kept if item is not None)


def _within(fits: Callable[[bytes], bool], start: bytes, end: bytes) -> Callable[[bytes], bool]:
    return lambda json: fits(b"%b%b%b" % (start, json, end))
