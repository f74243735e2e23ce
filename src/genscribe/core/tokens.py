"""What an access token is and how long it is good: pure functions of the answer and of two clocks."""

from __future__ import annotations

import base64
import math
import re
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

import msgspec

from genscribe.errors import BadAnswer, ConfigError
from genscribe.secrets import Secret

RENEW_BELOW_S = 300.0
SHORT_LIVED_S = 600.0
"""A token that lives less is renewed at half its life."""

REQUEST_SPACING_S = 5.0
"""A new token is not renewed sooner, however short its life."""

UNKNOWN_LIFE_S = 300.0
"""What we assume when `expires_in` is missing or absurd: the shortest life that the platform can be told to give."""

LONGEST_LIFE_S = 366 * 86_400.0
"""The platform's longest is 48 h; a life above this is a mistake, not a promise."""

WALL_SLACK_S = 5.0
"""The wall clock may run this much ahead of the monotonic one before we believe that the machine slept."""

_TOKEN = re.compile(r"[\x21-\x7e]{1,16384}", re.ASCII)
_WORD = re.compile(r"[a-z_]{1,40}", re.ASCII)


class Instant(NamedTuple):
    """One moment by both clocks."""

    loop_s: float
    """Monotonic; on Linux it stands still while the machine sleeps."""
    wall_ms: int

    def age_s(self, now: Instant) -> float:
        """Seconds from here to `now`: the monotonic difference, or the wall's where the wall moved clearly further.

        A machine that slept, or a clock set forward, makes the age larger; a clock set back changes nothing.
        """
        loop_s = now.loop_s - self.loop_s
        wall_s = (now.wall_ms - self.wall_ms) / 1000
        return wall_s if wall_s > loop_s + WALL_SLACK_S else loop_s


@dataclass(frozen=True)
class Token:
    """An access token.

    Attributes:
        value: What is sent.
        expires_in_s: Its life at issue, seconds.
        issued: When it was asked for, which is before it was issued: we err on the safe side.
        life_known: The platform told the life; else `expires_in_s` is our assumption.
    """

    value: Secret
    expires_in_s: float
    issued: Instant
    life_known: bool = True

    @property
    def renew_after_s(self) -> float:
        """The age at which the next token is fetched: 300 s before the end, or at half the life of a short one."""
        life = self.expires_in_s
        return max(REQUEST_SPACING_S, life / 2 if life < SHORT_LIVED_S else life - RENEW_BELOW_S)

    @property
    def renew_at(self) -> float:
        """The loop's time at which it is renewed."""
        return self.issued.loop_s + self.renew_after_s

    @property
    def expires_at(self) -> float:
        """The loop's time at which it ends."""
        return self.issued.loop_s + self.expires_in_s

    def left_s(self, now: Instant) -> float:
        """Seconds until it ends; 0 when it has ended."""
        return max(0.0, self.expires_in_s - self.issued.age_s(now))

    def ended(self, now: Instant) -> bool:
        """It must not be sent any more."""
        return self.issued.age_s(now) >= self.expires_in_s

    def due(self, now: Instant) -> bool:
        """It is time to fetch the next one."""
        return self.issued.age_s(now) >= self.renew_after_s


class Way(Enum):
    """How the credentials travel to the token endpoint."""

    BASIC = "HTTP Basic"
    """What every official client does."""
    BASIC_UNSCOPED = "HTTP Basic without a scope"
    """For a platform that refuses the scope by name; the official clients send none."""
    FORM = "form fields"
    """What the mission's tutorial does."""

    def after_refusal(self, word: str) -> Way:
        """What to try, once, when the first way was refused with this OAuth error code."""
        return Way.BASIC_UNSCOPED if word == "invalid_scope" else Way.FORM


def request(way: Way, client_id: str, secret: Secret, scope: str | None) -> tuple[dict[str, str], dict[str, str]]:
    """Headers and form fields of one token request."""
    fields = {"grant_type": "client_credentials"}
    if scope and way is not Way.BASIC_UNSCOPED:
        fields["scope"] = scope
    if way is Way.FORM:
        return {}, fields | {"client_id": client_id, "client_secret": secret.reveal()}
    pair = base64.b64encode(f"{client_id}:{secret.reveal()}".encode()).decode("ascii")
    return {"Authorization": f"Basic {pair}"}, fields


def check_credentials(client_id: str, secret: Secret) -> None:
    """Raises `ConfigError` for what cannot be right: empty, or with blanks or control characters in it."""
    for name, value in (("GENESYS_CLIENT_ID", client_id), ("GENESYS_CLIENT_SECRET", secret.reveal())):
        if not value.strip():
            raise ConfigError(f"{name} is empty.", advice="Set it to what Genesys Cloud shows for the OAuth client.")
        if not value.isprintable() or value != value.strip() or " " in value:
            raise ConfigError(f"{name} has blanks, line ends or control characters in it.", advice="Copy it once more.")
    if ":" in client_id:
        raise ConfigError("GENESYS_CLIENT_ID has a colon in it.", advice="It is the OAuth client's id, a UUID.")


def read_token(body: bytes, issued: Instant, host: str) -> Token:
    """The token in the body of a 2xx answer of `host`. Raises `BadAnswer`; no text of the body is in it."""
    answer = _object(body)
    if answer is None:
        raise BadAnswer(f"{host} answered the token request with something that is not a JSON object.")
    value, kind = answer.get("access_token"), answer.get("token_type")
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        raise BadAnswer(f"{host} answered the token request without a usable access token.")
    if kind is not None and not (isinstance(kind, str) and kind.lower() == "bearer"):
        raise BadAnswer(f"{host} gave a token of a type other than bearer.")
    life_s = _life_s(answer.get("expires_in"))
    return Token(Secret(value), UNKNOWN_LIFE_S if life_s is None else life_s, issued, life_known=life_s is not None)


def read_refusal(body: bytes) -> tuple[str, bool]:
    """(OAuth error code or "", whether the body is a web page) of an answer other than 2xx."""
    answer = _object(body)
    word = answer.get("error") if answer is not None else None
    page = answer is None and body.lstrip()[:1] == b"<"
    return (word if isinstance(word, str) and _WORD.fullmatch(word) else "", page)


def _object(body: bytes) -> dict[str, object] | None:
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None


def _life_s(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        seconds = float(value)
    except (ValueError, OverflowError):
        return None
    return seconds if math.isfinite(seconds) and 0 < seconds <= LONGEST_LIFE_S else None
