"""From a URL and a table of the configuration file to librdkafka's settings."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator, Mapping

from genscribe.secrets import Secret
from genscribe.settings import SinkSetting
from genscribe.sinks.address import Address, parse_address
from genscribe.sinks.base import Means, SinkMisconfigured

PORT = 9092

_TOPIC = re.compile(r"(?!\.{1,2}\Z)[A-Za-z0-9._-]{1,249}")
_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")

_ROOTS = ("ssl.ca.location", "ssl.ca.pem", "ssl.ca.certificate.stores")

_DEFAULTS: Mapping[str, object] = {
    "client.id": "genscribe",
    "enable.idempotence": True,
    "partitioner": "murmur2_random",  # the partition that Java's clients choose for the same key
    "request.timeout.ms": 15_000,
    "socket.timeout.ms": 20_000,  # a connection that has gone silent is replaced before our patience ends
    "socket.keepalive.enable": True,
    "log.connection.close": False,
}

_OURS: Mapping[str, object] = {
    "acks": "all",
    "message.timeout.ms": 0,  # single messages that give up would be overtaken by later ones
    "linger.ms": 1000,  # a flush sends at once; before it nothing goes, so a chunk is one request a partition
}

_REFUSED = {
    "bootstrap.servers": "the brokers stand in the URL",
    "metadata.broker.list": "the brokers stand in the URL",
    "acks": "all replicas in sync acknowledge, always",
    "request.required.acks": "all replicas in sync acknowledge, always",
    "message.timeout.ms": "messages wait until they are acknowledged",
    "delivery.timeout.ms": "messages wait until they are acknowledged",
    "linger.ms": "a batch is sent at once",
    "queue.buffering.max.ms": "a batch is sent at once",
    "transactional.id": "there are no transactions",
}


def topic_of(setting: SinkSetting) -> str:
    """The topic that the URL names.

    Raises:
        SinkMisconfigured: None, or no legal name.
    """
    topic = _address(setting).path
    if not _TOPIC.fullmatch(topic):
        raise SinkMisconfigured(
            "the kafka sink's URL names no topic.",
            advice="Write kafka://broker:9092/topic; topics have letters, digits, . _ and - only.",
        )
    return topic


def configuration(setting: SinkSetting, means: Means) -> dict[str, object]:
    """The settings of librdkafka.

    The table's options win over what the URL says, except where a promise of ours would break. A login means SASL
    over TLS unless `tls=no`; a broker's certificate is checked against the system's roots and `--ca-file`.

    Raises:
        SinkMisconfigured: An option that would break a promise, or a parameter that is none.
    """
    address = _address(setting)
    options = dict(_flat(setting.options))
    for name in options:
        if name in _REFUSED:
            raise SinkMisconfigured(f"the kafka sink sets {name} itself: {_REFUSED[name]}.", advice="Leave it out.")
    found = {**_DEFAULTS, **_security(address, setting.params), **options, **_OURS}
    found["bootstrap.servers"] = str(address)
    if found["enable.idempotence"] in (False, "false"):
        found["max.in.flight.requests.per.connection"] = 1  # else a retry could overtake
    tls = "ssl" in str(found["security.protocol"]).lower()
    if tls and means.ca_file is not None and not any(name in found for name in _ROOTS):
        found["ssl.ca.pem"] = _roots(means.tls())
    return found


def _address(setting: SinkSetting) -> Address:
    return parse_address(setting.url or Secret(""), port=PORT)


def _security(address: Address, params: Mapping[str, str]) -> dict[str, object]:
    tls, mechanism = params.get("tls"), params.get("sasl", "PLAIN").upper()
    if tls not in (None, "yes", "no"):
        raise SinkMisconfigured("the kafka sink's tls= is neither yes nor no.", advice="Write tls=yes or tls=no.")
    if mechanism not in _MECHANISMS:
        raise SinkMisconfigured(
            f"the kafka sink's sasl= is none of {', '.join(_MECHANISMS)}.",
            advice="Write one of them; others go into [sinks.NAME.options].",
        )
    if address.user is None:
        return {"security.protocol": "ssl" if tls == "yes" else "plaintext"}
    return {
        "security.protocol": "sasl_plaintext" if tls == "no" else "sasl_ssl",
        "sasl.mechanism": mechanism,
        "sasl.username": address.user,
        "sasl.password": address.password.reveal() if address.password else "",
    }


def _flat(options: Mapping[str, object], before: str = "") -> Iterator[tuple[str, object]]:
    """TOML reads `security.protocol = "ssl"` as a table in a table; both ways of writing it are meant the same."""
    for name, value in options.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield before + name, value


def _roots(context: ssl.SSLContext) -> str:
    """The client takes a file instead of the system's roots; the text of both keeps `--ca-file` an addition."""
    return "".join(ssl.DER_cert_to_PEM_cert(der) for der in context.get_ca_certs(binary_form=True))
