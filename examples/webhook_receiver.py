"""A receiver of genscribe's webhook: checks the signature, keeps every event once. Standard library only.

    WEBHOOK_SECRET='whsec_…' python webhook_receiver.py --port 8080 --database calls.db
    genscribe stream --to 'http://127.0.0.1:8080/?secret=${WEBHOOK_SECRET}'

While the secret changes it knows both: `WEBHOOK_SECRET='whsec_new… whsec_old…'`.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import json
import os
import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOLERANCE_S = 300
"""How old a request may be: who has recorded one cannot send it again next week."""

LARGEST = 64 * 1024 * 1024
"""Bytes of a request. Batches have a megabyte at most, but one event alone may be larger."""

TABLE = "create table if not exists events (key text primary key, revision integer, seq integer, event text)"
UPSERT = (
    "insert into events values (:key, :revision, :seq, :event) on conflict (key) do update"
    " set revision = excluded.revision, seq = excluded.seq, event = excluded.event"
    " where excluded.revision > events.revision"
)


class Refused(Exception):
    """The request is not genscribe's, or not of now."""


def key_of(secret: str) -> bytes:
    """`whsec_` and base64, or any other text."""
    return base64.b64decode(secret[6:]) if secret.startswith("whsec_") else secret.encode()


def verify(headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: float) -> None:
    """Checks a request before anything in it is believed.

    Args:
        headers: The request's; looked up by name in lower case.
        body: To the byte as it came: JSON that was parsed and written again is another.
        secrets: Any of them may have signed it.
        now: Seconds since 1970.

    Raises:
        Refused: No secret of ours signed this, or not now.
    """
    name, sent = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not (sent.isascii() and sent.isdigit() and abs(now - int(sent)) <= TOLERANCE_S):
        raise Refused("the timestamp is missing or not of now")
    signed = f"{name}.{sent}.".encode() + body
    expected = [base64.b64encode(hmac.new(key_of(one), signed, hashlib.sha256).digest()) for one in secrets]
    for given in headers.get("webhook-signature", "").split():
        version, _, value = given.partition(",")
        # Compared in constant time: how long it takes tells nobody how much of it was right.
        if version == "v1" and any(hmac.compare_digest(value.encode(), one) for one in expected):
            return
    raise Refused("no signature of ours")


def keep(database: str, events: Sequence[Mapping[str, Any]]) -> None:
    """Stores a batch in one transaction; an event that comes again changes nothing, a later revision replaces it."""
    with closing(sqlite3.connect(database, timeout=30)) as db, db:
        db.execute(TABLE)
        db.executemany(
            UPSERT,
            [
                {"key": one["key"], "revision": one["revision"], "seq": one.get("seq"), "event": json.dumps(one)}
                for one in events
            ],
        )


class Receiver(BaseHTTPRequestHandler):
    """Answers 204 once the events are stored: what is not acknowledged comes again."""

    protocol_version = "HTTP/1.1"
    timeout = 30
    secrets: Sequence[str] = ()
    database = "calls.db"

    def do_POST(self) -> None:
        """Takes a batch."""
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()):
            self._answer(411)
        elif int(length) > LARGEST:
            self._answer(413)
        else:
            self._answer(self._take(self.rfile.read(int(length))))

    def _take(self, body: bytes) -> int:
        try:
            verify({name.lower(): value for name, value in self.headers.items()}, body, self.secrets, time.time())
        except Refused as why:
            self.log_message("refused: %s", why)
            return 401
        try:
            keep(self.database, json.loads(body))
        except sqlite3.Error as error:
            self.log_message("not stored: %s", type(error).__name__)
            return 503
        return 204

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        if status in (411, 413):  # the body was not read: what follows on this connection is no request
            self.close_connection = True
        self.end_headers()


def server(host: str, port: int, *, secrets: Sequence[str], database: str) -> ThreadingHTTPServer:
    """A server that listens; `serve_forever` runs it."""
    handler = type("Handler", (Receiver,), {"secrets": tuple(secrets), "database": database})
    return ThreadingHTTPServer((host, port), handler)


def main() -> None:
    """Runs it until Ctrl-C. To other machines put a server that speaks TLS before it."""
    arguments = argparse.ArgumentParser(description="Receives genscribe's webhook.")
    arguments.add_argument("--port", type=int, default=8080)
    arguments.add_argument("--database", default="calls.db")
    chosen = arguments.parse_args()
    secrets = os.environ.get("WEBHOOK_SECRET", "").split()
    if not secrets:
        arguments.error("WEBHOOK_SECRET is not set")
    try:
        server("127.0.0.1", chosen.port, secrets=secrets, database=chosen.database).serve_forever()
    except KeyboardInterrupt:
        print("stopped")


if __name__ == "__main__":
    main()
