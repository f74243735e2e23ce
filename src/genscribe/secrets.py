"""A secret is a type: it prints `***`, and only `reveal()` gives it away."""

from __future__ import annotations

from typing import Any, NoReturn
from weakref import WeakValueDictionary

MASK = "***"

_living: WeakValueDictionary[int, Secret] = WeakValueDictionary()


class Secret:
    """A string that must not be seen: a client secret, an access token, a password in a URL.

    `str`, `repr`, `format` and f-strings give `***`; pickling and copying into JSON fail. Two secrets are equal
    when their values are. `reveal()` is the only way to the value; a test lists the lines that call it.

    Args:
        value: What must not be seen.
        masked: Whether logs look for the value and mask it. Not for a whole of which only parts are secret, such as a
            URL with a login, whose parts are secrets of their own.
    """

    __slots__ = ("__weakref__", "_value")

    def __init__(self, value: str, *, masked: bool = True) -> None:
        self._value = value
        if masked:
            _living[id(self)] = self

    def reveal(self) -> str:
        """The value itself, for the one line that sends it."""
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("a Secret is not pickled")


def living() -> list[Secret]:
    """Every secret that is still held somewhere: what the log's handler masks, whoever let it slip."""
    return list(_living.values())
