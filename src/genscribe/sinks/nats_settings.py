"""From a URL to what a NATS connection wants, and from an event to a legal subject and legal headers."""

from __future__ import annotations

import hashlib
import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from genscribe.secrets import Secret
from genscribe.settings import SinkSetting
from genscribe.settings.values import BadValue, duration_s
from genscribe.sinks.address import parse_address
from genscribe.sinks.base import Means, SinkMisconfigured

PORT = 4222

WINDOW_S = 600.0
"""Duplicate window of a stream that we make: whoever is back within ten minutes repeats nothing."""

LONGEST_TOKEN = 200
"""A server refuses a command line of more than 4 KiB, and with it the connection."""

NOWHERE = "_"
"""The last token of what belongs to no conversation."""

_NOT_IN_TOKENS = re.compile(r"[^!-)+\-/-=?-~]|%")  # printable ASCII without . * > %, and no space
_NOT_IN_HEADERS = re.compile(r"[^ -~]|%|^ | $")
_SUBJECT = re.compile(r"[!-)+\-/-=?-~]+(?:\.[!-)+\-/-=?-~]+)*")
_STREAM = re.compile(r"[A-Za-z0-9_-]{1,250}")


@dataclass(frozen=True)
class NatsSettings:
    """Where to, as whom, and what stream.

    Attributes:
        servers: `host:port` of each server of one cluster.
        subject: What every message's subject begins with.
        stream: The stream's name; `None` = the one that takes the subject, else a new one called after it.
        window_s, max_age_s, replicas: Of a stream that we make; `max_age_s` 0 keeps everything.
        tls_required: Whether to go without TLS is refused; otherwise the server decides.
        tls: Makes the context.
        user, password, token: A login by word; each `None` where there is none.
        creds, nkey: Files with a login by signature.
        inbox: What the subjects for acknowledgements begin with.
    """

    servers: tuple[str, ...]
    subject: str
    tls: Callable[[], ssl.SSLContext]
    stream: str | None = None
    window_s: float = WINDOW_S
    max_age_s: float = 0.0
    replicas: int = 1
    tls_required: bool = False
    user: str | None = None
    password: Secret | None = None
    token: Secret | None = None
    creds: str | None = None
    nkey: str | None = None
    inbox: str = "_INBOX"

    @property
    def stream_to_make(self) -> str:
        """The name of the stream that is made when there is none."""
        return self.stream or re.sub(r"[^A-Za-z0-9_-]", "_", self.subject)


def nats_settings(setting: SinkSetting, means: Means) -> NatsSettings:
    """Reads a setting.

    Raises:
        SinkMisconfigured: No subject, or a parameter that is none.
    """
    address = parse_address(setting.url or Secret(""), port=PORT)
    params = setting.params
    subject, stream, tls = address.path, params.get("stream"), params.get("tls")
    if not _SUBJECT.fullmatch(subject):
        raise SinkMisconfigured(
            "the nats sink's URL names no subject.",
            advice="Write nats://host/subject; without spaces and wildcards.",
        )
    if stream is not None and not _STREAM.fullmatch(stream):
        raise SinkMisconfigured(
            "the nats sink's stream= is no name of a stream.", advice="Letters, digits, _ and - may stand there."
        )
    if tls not in (None, "yes", "no"):
        raise SinkMisconfigured("the nats sink's tls= is neither yes nor no.", advice="Write tls=yes.")
    replicas = params.get("replicas", "1")
    if replicas not in ("1", "3", "5"):
        raise SinkMisconfigured("the nats sink's replicas= is not 1, 3 or 5.", advice="Write replicas=3.")
    token = address.user if address.password is None else None
    return NatsSettings(
        servers=tuple(address.servers()),
        subject=subject,
        tls=means.tls,
        stream=stream,
        window_s=_duration(params, "window", WINDOW_S),
        max_age_s=_duration(params, "max_age", 0.0),
        replicas=int(replicas),
        tls_required=tls == "yes",
        user=address.user if address.password is not None else None,
        password=address.password,
        token=Secret(token) if token else None,
        creds=params.get("creds"),
        nkey=params.get("nkey"),
        inbox=params.get("inbox", "_INBOX"),
    )


def token(conversation_id: str | None) -> str:
    """An id as one token of a subject.

    Only letters, digits and signs of ASCII stay; spaces, dots, wildcards, `%` and everything else are written as `%`
    and the two hexadecimal digits of each UTF-8 byte. Ids so stay different; of very long ones a hash stands at the
    end. What belongs to no conversation is `_`.
    """
    if not conversation_id:
        return NOWHERE
    return _token(conversation_id)


@lru_cache(1024)  # a conversation has many events, and making its token anew is a sixth of the making of a message
def _token(conversation_id: str) -> str:
    text = _NOT_IN_TOKENS.sub(_encoded, conversation_id)
    if text == NOWHERE:
        return "%5F"
    if len(text) > LONGEST_TOKEN:
        digest = hashlib.sha256(conversation_id.encode()).hexdigest()
        return f"{text[: LONGEST_TOKEN - 66]}%-{digest}"
    return text


def printable(text: str) -> str:
    """A text as a header's value: what is not printable ASCII, and `%`, is encoded as in subjects."""
    if text.isalnum() and text.isascii():  # as nearly all are
        return text
    return _NOT_IN_HEADERS.sub(_encoded, text)


def takes(pattern: str, subject: str) -> bool:
    """Whether a stream's subject, with its wildcards, takes another one."""
    wanted, given = pattern.split("."), subject.split(".")
    for index, part in enumerate(wanted):
        if part == ">":
            return len(given) > index
        if index >= len(given) or part not in ("*", given[index]):
            return False
    return len(wanted) == len(given)


def _encoded(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match[0].encode())


def _duration(params: Mapping[str, str], name: str, default: float) -> float:
    if name not in params:
        return default
    try:
        return duration_s(params[name])
    except BadValue:
        raise SinkMisconfigured(
            f"the nats sink's {name}= is no duration.", advice=f"Write {name.replace('_', '-')}=10m."
        ) from None
