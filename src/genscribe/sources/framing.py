"""The fast way through a WebSocket: whole text frames are cut from the byte stream, all else is the library's.

Nearly every frame that a platform sends is one unfragmented, unmasked text message (RFC 6455 section 5.2: first byte
0x81, then a length of 7 or 16 bits). Cutting those out here takes a tenth of what the library's parser takes for them
(`bench/stream.py`). Everything else (control frames, fragments, long frames, whatever is wrong) goes to the library as
it came, whole frame by whole frame, so that the protocol and its errors stay in one place.
"""

from __future__ import annotations

from collections.abc import Callable

HANDSHAKE_END = b"\r\n\r\n"
_TEXT = 0x81  # FIN and opcode 1, no reserved bits
_LONG = 126
LARGEST_REST = 128 * 1024
"""A frame that is still incomplete at this size is left to the library, which gathers without copying."""


class Splitter:
    """Splits what arrives into text messages and what the library must see, in order.

    Args:
        text: Takes the payload of a whole text frame.
        other: Takes bytes for the library; returns whether text frames may be cut out after them (false during a
            fragmented message and once the connection is closing).
    """

    def __init__(self, *, text: Callable[[bytes], None], other: Callable[[bytes], bool]) -> None:
        self._text = text
        self._other = other
        self._rest = b""
        self._in_handshake = True
        self._all_other = False
        self._plain = True

    def feed(self, data: bytes) -> None:
        """Takes bytes as they arrive, cut anywhere."""
        if self._rest:
            data = self._rest + data
            self._rest = b""
        if self._in_handshake:
            data = self._past_handshake(data)
        if data:
            self._rest = self._leave(data) if self._all_other else self._split(data)

    def _past_handshake(self, data: bytes) -> bytes:
        end = data.find(HANDSHAKE_END)
        if end < 0:
            # The library reads the head line by line; it must not wait for us to have all of it. But the last three
            # bytes may be the beginning of its end.
            self._other(data[:-3])
            self._rest = data[-3:]
            return b""
        self._in_handshake = False
        self._all_other = not self._other(data[: end + 4])
        return data[end + 4 :]

    def _leave(self, data: bytes) -> bytes:
        self._other(data)
        return b""

    def _split(self, data: bytes) -> bytes:
        """Cuts whole frames off; returns what is left of an incomplete one."""
        text, plain, at, end = self._text, self._plain, 0, len(data)
        while end - at >= 2:
            size = data[at + 1]
            if size < _LONG:
                begin = at + 2
            elif size == _LONG:
                begin = at + 4
                if begin > end:
                    break
                size = data[at + 2] << 8 | data[at + 3]
            else:  # longer than 64 KiB, or masked, which no server may do
                self._all_other = True
                return self._leave(data[at:])
            stop = begin + size
            if stop > end:
                break
            if plain and data[at] == _TEXT:
                text(data[begin:stop])
            else:
                plain = self._plain = self._other(data[at:stop])
            at = stop
        if end - at > LARGEST_REST:
            self._all_other = True
            return self._leave(data[at:])
        return data[at:]
