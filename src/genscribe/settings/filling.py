"""`${VARIABLE}` and `${file:PATH}` in a sink's URL: filled in once it is known what the place they stand in means.

A value is one component of the URL, whatever stands in it: an `@` in a password ends no login, a `&` in a parameter
begins no other. Only what begins a URL, or stands for a host, is taken as it is: a whole URL may be in a variable.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import quote

from genscribe.errors import ConfigError
from genscribe.secrets import Secret
from genscribe.settings.schemes import confidential

FillIn = Callable[[str], str]
"""From what stands in `${…}` to its value. Raises `ConfigError`."""

PLACEHOLDER = re.compile(r"\$\{([^{}]*)\}")

_MARK = re.compile("\0([0-9]+)\0")
_BEGINS = re.compile(f"(^|&){_MARK.pattern}")


class Template:
    """A text whose `${…}` are marked, so that it can be taken apart before they are filled in.

    Args:
        text: With `${…}`.
        fill_in: What they stand for; asked once for each, at once.

    Attributes:
        text: With marks in their place: a NUL, a number, a NUL, which are special in no URL.
        secrets: What was filled in and is secret: it comes from a file, from a variable whose name says so, or stands
            in a login or a query.

    Raises:
        ConfigError: One has no value; or there is a NUL in the text.
    """

    def __init__(self, text: str, fill_in: FillIn) -> None:
        if "\0" in text:
            raise ConfigError("a sink's URL has a NUL in it.", advice="Leave it out.")
        self._values: list[str] = []
        self.secrets: list[Secret] = []
        self.text = PLACEHOLDER.sub(lambda match: self._mark(match[1], fill_in(match[1])), text)

    def opened(self) -> str:
        """The text with what begins it as it is: a variable that holds the URL, or the first part of it."""
        return _MARK.sub(self._value, self.text, count=1) if _MARK.match(self.text) else self.text

    def opened_query(self, query: str) -> str:
        """A query with what stands for whole parameters as it is: `?${MORE}`."""
        return _BEGINS.sub(lambda match: match[1] + self._secret(int(match[2])), query)

    def plain(self, part: str, *, secret: bool = False) -> str:
        """A part that is not, or no longer, encoded; filled in as it is."""
        return _MARK.sub(lambda match: self._secret(int(match[1])) if secret else self._value(match), part)

    def encoded(self, part: str, *, safe: str = "", secret: bool = False) -> str:
        """A part that is percent-encoded; filled in so that decoding gives the values.

        Args:
            part: A piece of `text`.
            safe: What is not encoded beside letters and digits, such as `/` in a path of several segments.
            secret: Whether what is filled in is secret because of where it stands.
        """

        def value(match: re.Match[str]) -> str:
            given = self._secret(int(match[1])) if secret else self._value(match)
            return quote(given, safe=safe, errors="surrogateescape")

        return _MARK.sub(value, part)

    def _mark(self, what: str, value: str) -> str:
        self._values.append(value)
        if what.startswith("file:") or confidential(what):
            self.secrets.append(Secret(value))
        return f"\0{len(self._values) - 1}\0"

    def _value(self, match: re.Match[str]) -> str:
        return self._values[int(match[1])]

    def _secret(self, number: int) -> str:
        self.secrets.append(Secret(self._values[number]))
        return self._values[number]
