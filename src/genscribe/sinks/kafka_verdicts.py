"""What an error of librdkafka or of a broker asks for, and what to say of it."""

from __future__ import annotations

import enum
import re
from typing import TYPE_CHECKING

from genscribe.sinks.base import SinkMisconfigured, SinkUnavailable

if TYPE_CHECKING:
    from confluent_kafka import KafkaError


class Verdict(enum.Enum):
    """What to do about an error of a message."""

    RETRY = "retry"
    REJECT = "reject"
    PAUSE = "pause"


_REJECTS = frozenset(
    {
        "MSG_SIZE_TOO_LARGE",
        "RECORD_LIST_TOO_LARGE",
        "INVALID_MSG_SIZE",
        "INVALID_RECORD",
        "_INVALID_DIFFERENT_RECORD",
        "INVALID_TIMESTAMP",
    }
)

_PAUSES = {
    "UNKNOWN_TOPIC_OR_PART": "there is no topic {topic}.",
    "_UNKNOWN_TOPIC": "there is no topic {topic}.",
    "_UNKNOWN_PARTITION": "there is no topic {topic}.",
    "TOPIC_EXCEPTION": "{topic} is no name of a topic there.",
    "TOPIC_AUTHORIZATION_FAILED": "this user may not write to topic {topic}.",
    "CLUSTER_AUTHORIZATION_FAILED": "this user may not write idempotently.",
    "TRANSACTIONAL_ID_AUTHORIZATION_FAILED": "this user may not write idempotently.",
    "SASL_AUTHENTICATION_FAILED": "the login is refused.",
    "UNSUPPORTED_SASL_MECHANISM": "the broker does not know this SASL mechanism.",
    "_AUTHENTICATION": "the login is refused.",
    "_SSL": "the broker's certificate is not trusted, or it does not trust ours.",
    "UNSUPPORTED_FOR_MESSAGE_FORMAT": "the topic's message format is too old for headers.",
    "UNSUPPORTED_COMPRESSION_TYPE": "the broker does not know this compression.",
    "_UNSUPPORTED_FEATURE": "the broker is too old.",
}

_ADVICE = {
    "UNKNOWN_TOPIC_OR_PART": "Create it, or correct the URL.",
    "_UNKNOWN_TOPIC": "Create it, or correct the URL.",
    "_UNKNOWN_PARTITION": "Create it, or correct the URL.",
    "TOPIC_EXCEPTION": "Correct the URL.",
    "TOPIC_AUTHORIZATION_FAILED": "Grant it DESCRIBE and WRITE on the topic.",
    "CLUSTER_AUTHORIZATION_FAILED": "Grant it IDEMPOTENT_WRITE, or set the option enable.idempotence = false.",
    "TRANSACTIONAL_ID_AUTHORIZATION_FAILED": "Grant it IDEMPOTENT_WRITE.",
    "SASL_AUTHENTICATION_FAILED": "Check user, password and sasl=.",
    "UNSUPPORTED_SASL_MECHANISM": "Write sasl=PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512.",
    "_AUTHENTICATION": "Check user, password and sasl=.",
    "_SSL": "If a private root signs it, give the root with --ca-file.",
}

_REFUSING = frozenset(
    {
        "_AUTHENTICATION",
        "SASL_AUTHENTICATION_FAILED",
        "UNSUPPORTED_SASL_MECHANISM",
        "CLUSTER_AUTHORIZATION_FAILED",
        "TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
        "TOPIC_AUTHORIZATION_FAILED",
        "TOPIC_EXCEPTION",
    }
)
"""Of these a connection or an answer about the topic does not recover by itself."""

_PROPERTY = re.compile(r'property:? "([a-z][a-z0-9._]*)"|\b((?:ssl|sasl|security|enable|max|min)\.[a-z0-9._]+)')


def verdict(error: KafkaError) -> Verdict:
    """What to do about a message that failed so."""
    name = error.name()
    if name in _REJECTS:
        return Verdict.REJECT
    return Verdict.PAUSE if name in _PAUSES else Verdict.RETRY


def refuses(error: KafkaError | None) -> bool:
    """Whether a connection's error is a refusal of us: a login, a right, a certificate."""
    if error is None:
        return False
    # Of TLS only a certificate: a broker that stops in the middle of a handshake looks alike otherwise.
    return error.name() in _REFUSING or (error.name() == "_SSL" and "certificate" in error.str().lower())


def misconfigured(error: KafkaError, topic: str) -> SinkMisconfigured:
    """The error that pauses the sink."""
    name = error.name()
    what = _PAUSES.get(name, "the broker refuses us.").format(topic=topic)
    return SinkMisconfigured(f"Kafka: {what} ({name})", advice=_ADVICE.get(name, ""))


def broker_trouble(error: KafkaError | None) -> SinkUnavailable:
    """The error after which the batch comes again; what librdkafka says of it in words may hold what was sent."""
    if error is None:
        return SinkUnavailable("Kafka does not acknowledge what it was sent.")
    if error.name() in ("_TRANSPORT", "_ALL_BROKERS_DOWN", "_RESOLVE", "_TIMED_OUT", "_SSL"):
        return SinkUnavailable(f"Kafka: no broker can be reached ({error.name()}).")
    return SinkUnavailable(f"Kafka cannot take it now ({error.name()}).")


def refused_settings(error: Exception) -> SinkMisconfigured:
    """What to say when librdkafka does not take its settings: the one it names, and no values."""
    match = _PROPERTY.search(str(error))
    which = f"the option {match[1] or match[2]}" if match else "its options"
    return SinkMisconfigured(
        f"the kafka sink does not take {which}.", advice="Check [sinks.NAME.options] against librdkafka's list."
    )
