"""How a batch is named and signed, by Standard Webhooks: https://www.standardwebhooks.com."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence

from genscribe.events import Record
from genscribe.secrets import Secret
from genscribe.sinks.base import SinkMisconfigured
from genscribe.sinks.envelope import envelope

PREFIX = "whsec_"
"""What follows is the key in base64. A secret without it is its own key, in UTF-8."""


def key_of(secret: Secret, name: str) -> bytes:
    """The key of HMAC-SHA256 that a secret stands for.

    Args:
        secret: `whsec_…`, or any text.
        name: The parameter that it comes from, for the message.

    Raises:
        SinkMisconfigured: It is empty, or no base64 follows `whsec_`.
    """
    text = secret.reveal()
    if not text.startswith(PREFIX):
        key = text.encode("utf-8", "surrogateescape")
    else:
        try:
            # In a URL's query a + that is not written %2B is a blank.
            key = base64.b64decode(text[len(PREFIX) :].replace(" ", "+"), validate=True)
        except (binascii.Error, ValueError):
            key = b""
    if not key:
        raise SinkMisconfigured(
            f"the webhook's {name}= holds no key.", advice=f"Write {PREFIX} and the key in base64, or any other text."
        )
    return key


def batch_id(batch: Sequence[Record]) -> str:
    """The name of a batch: the same whenever the same revisions of the same events are sent together."""
    named = hashlib.sha256()
    for record in batch:
        head = envelope(record)
        named.update(f"{len(head.key)}:{head.key}:{head.revision};".encode())
    return f"msg_{named.hexdigest()[:32]}"


def signature(keys: Sequence[bytes], name: str, timestamp: int, body: bytes) -> str:
    """The header `webhook-signature`: one signature a key, so that receivers may hold either while keys change.

    Args:
        keys: The keys, the new one first.
        name: The header `webhook-id`.
        timestamp: The header `webhook-timestamp`: seconds since 1970.
        body: What is sent, to the byte.
    """
    signed = b"%b.%d.%b" % (name.encode(), timestamp, body)
    return " ".join(f"v1,{base64.b64encode(hmac.digest(key, signed, 'sha256')).decode()}" for key in keys)
