"""How a NATS connection says who it is."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from genscribe.sinks.base import SinkMisconfigured, missing_extra
from genscribe.sinks.nats_settings import NatsSettings

_CREDS = (b"BEGIN NATS USER JWT", b"BEGIN USER NKEY SEED")


def login(settings: NatsSettings) -> dict[str, Any]:
    """The login as nats-py's `connect` takes it.

    Raises:
        SinkMisconfigured: A file with a login by signature is missing or is something else, or nkeys is not installed.
    """
    found: dict[str, Any] = {}
    if settings.user is not None and settings.password is not None:
        found |= {"user": settings.user, "password": settings.password.reveal()}
    if settings.token is not None:
        found["token"] = settings.token.reveal()
    if settings.creds is not None:
        _check(settings.creds, "creds", _CREDS)  # the client looks for these words to the end of the file and beyond
        found["user_credentials"] = settings.creds
    if settings.nkey is not None:
        _check(settings.nkey, "nkey", (b"SU",))
        found["nkeys_seed"] = settings.nkey
    return found


def unusable_file(settings: NatsSettings) -> SinkMisconfigured:
    """What to say when the client does not take what stands in the file."""
    name = settings.creds or settings.nkey
    return SinkMisconfigured(f"NATS: {name} holds no login.", advice="Make it anew with nsc or nk.")


def _check(file: str, param: str, words: tuple[bytes, ...]) -> None:
    try:
        text = Path(file).read_bytes()
    except OSError as error:
        raise SinkMisconfigured(
            f"NATS: {file}: {error.strerror or 'cannot be read'}.", advice=f"Check {param}= and the permissions."
        ) from None
    if not all(word in text for word in words):
        raise SinkMisconfigured(f"NATS: {file} holds no login.", advice=f"{param}= wants what nsc or nk have made.")
    if find_spec("nkeys") is None:
        raise missing_extra("nats", "nats")
