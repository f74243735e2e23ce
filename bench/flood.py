"""A platform that sends pre-built frames as fast as the socket takes them: token endpoint and transcripts endpoint.

    python bench/flood.py --messages 100000 --bytes 300

Prints its port, then serves until it is killed. Blocking sockets, a thread a connection, no compression, no pacing
but TCP's own; it runs in a process of its own, so nothing it does counts as the reader's work.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import socket
import threading
import time
from datetime import datetime, timedelta, timezone
from typing import Any

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
WORDS = ["thank", "you", "for", "calling", "how", "can", "i", "help", "you", "today", "please", "hold", "on"]
CONVERSATIONS = 500
SLICE = 256 * 1024
WARM_UP_S = 0.5
"""Between the first frame, by which the reader knows that it is ready, and all the others."""
TOKEN = json.dumps({"access_token": "bench", "token_type": "bearer", "expires_in": 86400}).encode()


def payload(number: int, size: int, *, shape: str) -> bytes:
    """A frame of one utterance, exactly `size` bytes long; no two are alike.

    `shape` says what fills it: `text`, or `words` with their times, a field that nobody reads, as the platform's
    other interfaces send them.
    """
    said = datetime(2026, 3, 21, 9, tzinfo=timezone.utc) + timedelta(milliseconds=number)
    at = said.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    line: dict[str, Any] = {"timestamp": at, "speaker": ("agent", "customer")[number % 2], "text": "", "type": "final"}
    frame = {
        "conversationId": f"{number % CONVERSATIONS:08d}-1d7e-4b9e-9a53-0c3f5a0f9f11",
        "mediaType": "voice",
        "timestamp": at,
        "transcript": [line],
    }
    text_room = size - _length(frame)
    if shape == "words":
        text_room = 80
        line["words"] = []
        while size - _length(frame) > text_room + 80:
            nth = len(line["words"])
            word = {"word": WORDS[nth % len(WORDS)], "offsetMs": 17820 + 40 * nth, "durationMs": 40, "confidence": 0.94}
            line["words"].append(word)
        text_room = size - _length(frame)
    line["text"] = _text(number, text_room)
    return json.dumps(frame, separators=(",", ":")).encode()


def _length(frame: dict[str, Any]) -> int:
    return len(json.dumps(frame, separators=(",", ":")))


def _text(number: int, room: int) -> str:
    start = number % len(WORDS)
    text = f"{number} " + " ".join((WORDS[start:] + WORDS[:start]) * (room // 80 + 1))
    return text[: room - 1] + "."


def websocket_frame(data: bytes) -> bytes:
    """A text frame of 126 to 65535 bytes."""
    return b"\x81\x7e" + len(data).to_bytes(2, "big") + data


def serve(connection: socket.socket, flood: bytes) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with connection:
        try:
            while head := _request(connection):
                fields = dict(line.partition(b": ")[::2] for line in head.split(b"\r\n")[1:])
                keys = {name.lower(): value for name, value in fields.items()}
                if b"sec-websocket-key" not in keys:
                    _discard(connection, int(keys.get(b"content-length", b"0")))
                    connection.sendall(
                        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(TOKEN)
                        + TOKEN
                    )
                    continue
                accept = base64.b64encode(hashlib.sha1(keys[b"sec-websocket-key"] + GUID).digest())
                connection.sendall(
                    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
                )
                view = memoryview(flood)
                first = 4 + int.from_bytes(flood[2:4], "big")
                connection.sendall(view[:first])
                time.sleep(WARM_UP_S)
                for start in range(first, len(flood), SLICE):
                    connection.sendall(view[start : start + SLICE])
                _until_closed(connection)
                return
        except OSError:
            return  # the reader has had enough


def _request(connection: socket.socket) -> bytes:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        if not byte:
            return b""
        head += byte
    return head


def _discard(connection: socket.socket, count: int) -> None:
    while count:
        count -= len(connection.recv(count))


def _until_closed(connection: socket.socket) -> None:
    """Answers pings and the Close frame, which are shorter than 126 bytes and masked."""
    while head := connection.recv(2):
        size = head[1] & 0x7F
        mask = connection.recv(4)
        body = bytes(byte ^ mask[n % 4] for n, byte in enumerate(connection.recv(size) if size else b""))
        opcode = head[0] & 0x0F
        connection.sendall(bytes([0x80 | (0xA if opcode == 9 else opcode), len(body)]) + body)
        if opcode == 8:
            return


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--messages", type=int, required=True)
    parser.add_argument("--bytes", type=int, required=True)
    parser.add_argument("--shape", choices=["text", "words"], default="text")
    arguments = parser.parse_args()
    frames = (payload(n, arguments.bytes, shape=arguments.shape) for n in range(arguments.messages))
    flood = b"".join(map(websocket_frame, frames))
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection, flood), daemon=True).start()


if __name__ == "__main__":
    main()
