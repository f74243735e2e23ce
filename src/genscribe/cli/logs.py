"""Log lines on standard error: one line each, no secret, no control character, no traceback below debug level.

Everything is done on the handler, because a filter on a logger does not see what its children log.
"""

from __future__ import annotations

import base64
import functools
import json
import logging
import os
import re
import sys
import traceback
from contextlib import suppress
from typing import TextIO
from urllib.parse import quote, quote_plus

from genscribe import clock
from genscribe.cli.stderr import Outlet
from genscribe.secrets import MASK, living
from genscribe.terminal import Screen, safe, screen

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
CHATTY = ("websockets", "httpx2", "httpcore2", "uvicorn", "asyncio")
"""Libraries whose debug or info lines hold URLs and headers, and with them tokens."""

_SHORTEST = 6
"""Shorter values are not looked for: masking every `a` would hide the log, not the secret."""

_PATTERNS = (
    re.compile(r"(?i)(access_token[\"']?\s*[=:]\s*[\"']?)[^&\s\"',}]+"),
    re.compile(r"(?i)(client_secret[\"']?\s*[=:]\s*[\"']?)[^&\s\"',}]+"),
    re.compile(r"(?i)(authorization[\"']?\s*[=:,]\s*(?:b(?=[\"']))?[\"']?(?:(?:basic|bearer)\s+)?)[^\s\"',}]+"),
    re.compile(r"(?i)(\b(?:basic|bearer)\s+)[a-z0-9+/=_.~-]{12,}"),
    re.compile(r"()\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*"),
    re.compile(r"(://[^/\s:@]*:)[^/\s@]+(?=@)"),
)
_COLOURS = {logging.WARNING: "33", logging.ERROR: "31", logging.CRITICAL: "1;31", logging.DEBUG: "2"}


def masked(text: str) -> str:
    """The text without any secret that is alive in this process, and without what looks like one."""
    forms = {form for secret in living() for form in _forms(secret.reveal())}
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, MASK)
    for pattern in _PATTERNS:
        text = pattern.sub(rf"\1{MASK}", text)
    return text


@functools.lru_cache(maxsize=256)
def _forms(value: str) -> frozenset[str]:
    """A value as it may turn up: as such, percent-encoded, quoted by JSON or Python, inside Base64."""
    if len(value) < _SHORTEST:
        return frozenset()
    raw = value.encode("utf-8", "surrogatepass")
    quoted = {json.dumps(value, ensure_ascii=only)[1:-1] for only in (True, False)} | {repr(value)[1:-1]}
    forms = {value, quote(raw), quote(raw, safe=""), quote_plus(raw)} | quoted
    for offset in range(3):  # where the value begins in a group of three bytes decides its letters
        inner = base64.b64encode(b"\0" * offset + raw).rstrip(b"=")[(0, 2, 3)[offset] :].decode()
        inner = inner[: len(inner) - 1]
        forms |= {inner, inner.translate(str.maketrans("+/", "-_"))}
    return frozenset(form for form in forms if len(form) >= _SHORTEST)


class Handler(logging.StreamHandler):  # type: ignore[type-arg]  # generic only from Python 3.11 on
    """Writes lines to standard error.

    Args:
        as_json: One JSON object a line: `time`, `level`, `room`, `message`, at debug level `traceback`.
        on: What the stream leads to, for colours.
        tracebacks: Whether tracebacks are written; otherwise an exception is its type and place.
    """

    def __init__(self, stream: TextIO, *, as_json: bool, on: Screen, tracebacks: bool) -> None:
        super().__init__(stream)
        self._outlet = Outlet(stream)
        self._as_json = as_json
        self._on = on
        self._tracebacks = tracebacks

    def format(self, record: logging.LogRecord) -> str:
        """The record as its line; the traceback, where there is one, indented below it."""
        message = record.getMessage()
        stack = ""
        if record.exc_info and record.exc_info[1] is not None:
            message = f"{message} ({place(record.exc_info[1])})"
            if self._tracebacks:
                stack = "".join(traceback.format_exception(record.exc_info[1]))
        fields = {
            "time": clock.iso(int(record.created * 1000)),
            "level": record.levelname.lower(),
            "room": record.name.removeprefix("genscribe."),
            "message": masked(message),
        }
        if self._as_json:
            return json.dumps({**fields, "traceback": masked(stack)} if stack else fields)
        level = self._on.paint(fields["level"].ljust(7), _COLOURS.get(record.levelno, ""))
        line = f"{fields['time']} {level} {safe(fields['room'])}: {safe(fields['message'])}"
        return "\n".join([line, *(f"    {safe(part)}" for part in masked(stack).splitlines())])

    def emit(self, record: logging.LogRecord) -> None:
        """Writes the record, unless standard error is stuck; the first line after that says how many were lost."""
        try:
            lost = self._outlet.lost
            if not lost or self._outlet.write(self.format(_lost(lost))):
                self._outlet.write(self.format(record))
            else:
                self._outlet.lost = lost + 1
        except Exception:  # noqa: BLE001  # as the standard library's handlers do
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """A log line that cannot be written is lost; nothing else may be because of it."""


def _lost(lines: int) -> logging.LogRecord:
    said = "%d lines before this one are lost: nobody read standard error; nothing else is lost by that"
    return logging.LogRecord("genscribe.log", logging.WARNING, "", 0, said, (lines,), None)


def place(error: BaseException) -> str:
    """`KeyError in genscribe/core/roster.py:12`: where an exception rose, without its text, which may hold speech."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return type(error).__name__
    file = frames[-1].filename.replace(os.sep, "/")
    return f"{type(error).__name__} in {'/'.join(file.split('/')[-3:])}:{frames[-1].lineno}"


def set_up(level: str = "info", log_format: str = "text", *, stream: TextIO | None = None) -> Handler:
    """Sends every log line of this process to standard error; a second call replaces the first's handler.

    Args:
        level: `debug`, `info`, `warning` or `error`, for our own lines. Other libraries' begin at warning: below it
            they write URLs and headers.
        log_format: `text` or `json`.
        stream: In place of standard error.
    """
    stream = sys.stderr if stream is None else stream
    on = Screen()
    with suppress(OSError, ValueError):  # a stream in memory has no descriptor
        on = screen(stream.fileno(), os.environ)
    handler = Handler(stream, as_json=log_format == "json", on=on, tracebacks=level == "debug")
    root = logging.getLogger()
    for old in [old for old in root.handlers if isinstance(old, Handler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger("genscribe").setLevel(LEVELS[level])
    for name in CHATTY:
        logging.getLogger(name).setLevel(max(LEVELS[level], logging.WARNING))
    logging.captureWarnings(True)
    return handler
