r"""What other writers of JSON let through and strict readers refuse: repaired, so that the rest can be read.

All work on the frame's bytes and take any; what is no JSON before is none after.
"""

from __future__ import annotations

import re

_ESCAPE = re.compile(
    rb"\\(?:"
    rb"u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a pair: one character
    rb"|(?P<bad>u0000|u[dD][89a-fA-F][0-9a-fA-F]{2})"
    rb"|.)",
    re.DOTALL,
)
_STRING = rb'"(?:[^"\\]+|\\.)*"?'
# The closing quote may be missing: a pattern that insisted on it would try again from every quote.
_STRING_OR_BRACKET = re.compile(_STRING + rb"|[\[{]|[\]}]", re.DOTALL)
_STRING_OR_CONSTANT = re.compile(_STRING + rb"|(?P<constant>NaN|-?Infinity)", re.DOTALL)
_BACKSLASH = 0x5C
DEPTH = 64
"""How deep a frame may nest and still be read in full; the platform's own go to about 6."""


def needs_mending(json: bytes) -> bool:
    """Whether an escape stands in it that `mend` replaces, as far as a JSON decoder would let it pass."""
    # Seeking one byte as a number costs a tenth of seeking several.
    return _BACKSLASH in json and b"\\u0000" in json


def mend(json: bytes) -> bytes:
    r"""JSON with every escaped NUL and every escaped lone surrogate replaced by U+FFFD.

    Databases refuse NUL in text, and a lone surrogate has no UTF-8. All else stays byte by byte.
    """
    return _ESCAPE.sub(lambda found: rb"\ufffd" if found["bad"] else found[0], json)


def finite(json: bytes) -> bytes:
    """JSON with `NaN`, `Infinity` and `-Infinity`, which Python writes and JSON does not have, replaced by null."""
    return _STRING_OR_CONSTANT.sub(lambda found: b"null" if found["constant"] else found[0], json)


def shallow(json: bytes, *, depth: int = DEPTH) -> bytes:
    """JSON with every list and object below `depth` replaced by null, so that decoders which recurse can read it.

    Linear in the length, whatever the bytes; brackets within strings do not count.
    """
    kept: list[bytes] = []
    level = start = 0
    for token in _STRING_OR_BRACKET.finditer(json):
        bracket = token[0]
        if bracket in (b"[", b"{"):
            level += 1
            if level == depth + 1:
                kept += json[start : token.start()], b"null"
        elif bracket in (b"]", b"}"):
            if level == depth + 1:
                start = token.end()
            level -= 1
    if level <= depth:
        kept.append(json[start:])
    return b"".join(kept)
