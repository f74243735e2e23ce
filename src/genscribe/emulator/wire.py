"""WebSocket frames as a server writes them (RFC 6455 section 5), good and deliberately broken. Pure.

They are built here rather than by a library because a library refuses to build the broken ones, and because one
frame's bytes, unmasked, serve every connection.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

CONTINUATION = 0x0
TEXT = 0x1
BINARY = 0x2
CLOSE = 0x8
PING = 0x9

BATCH_BYTES = 1 << 18


def frame(
    payload: bytes,
    opcode: int = TEXT,
    *,
    fin: bool = True,
    rsv: int = 0,
    masked: bool = False,
    declared: int | None = None,
) -> bytes:
    """One frame on the wire.

    Args:
        payload: The bytes of the frame.
        opcode: Section 5.2; any number from 0 to 15, also reserved ones.
        fin: False for a message that goes on in continuation frames.
        rsv: The three reserved bits, 0 to 7; anything but 0 is a violation without extensions.
        masked: Mask with an all-zero key, which a server must not do.
        declared: A length to declare instead of the true one; `None` is the truth.
    """
    length = len(payload) if declared is None else declared
    mask_bit = 0x80 if masked else 0
    first = (0x80 if fin else 0) | (rsv << 4) | opcode
    if length < 126:
        head = struct.pack("!BB", first, mask_bit | length)
    elif length < 65536:
        head = struct.pack("!BBH", first, mask_bit | 126, length)
    else:
        head = struct.pack("!BBQ", first, mask_bit | 127, length)
    return head + (b"\0\0\0\0" if masked else b"") + payload


def text(payload: str | bytes) -> bytes:
    """One text message; `bytes` are taken as they are, also when they are not UTF-8."""
    return frame(payload.encode() if isinstance(payload, str) else payload)


def binary(payload: bytes) -> bytes:
    """One binary message."""
    return frame(payload, BINARY)


def fragments(payload: bytes, size: int) -> bytes:
    """One text message in frames of `size` bytes each."""
    pieces = [payload[start : start + size] for start in range(0, len(payload), size)] or [b""]
    last = len(pieces) - 1
    return b"".join(
        frame(piece, TEXT if index == 0 else CONTINUATION, fin=index == last) for index, piece in enumerate(pieces)
    )


def close(code: int | None = 1000, reason: str = "") -> bytes:
    """A Close frame; `code` may be one that must not be on the wire, `None` is a Close without payload."""
    return frame(b"" if code is None else struct.pack("!H", code & 0xFFFF) + reason.encode()[:123], CLOSE)


def batches(frames: Iterable[bytes], most: int) -> Iterator[tuple[bytes, int]]:
    """Frames joined into writes of at most `most` frames and about `BATCH_BYTES` bytes, with how many each holds."""
    gathered: list[bytes] = []
    size = 0
    for one in frames:
        gathered.append(one)
        size += len(one)
        if len(gathered) >= most or size >= BATCH_BYTES:
            yield b"".join(gathered), len(gathered)
            gathered, size = [], 0
    if gathered:
        yield b"".join(gathered), len(gathered)
