"""The lines about the token are ones that a person can act on at 3 am."""

from __future__ import annotations

import logging

import pytest

from genscribe.telemetry import oauth
from genscribe.telemetry.base import Counters

SINCE = "2026-03-21T01:09:55.225Z"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.3, "0.3 s"),
        (9.9, "9.9 s"),
        (10, "10 s"),
        (119, "119 s"),
        (120, "2 min"),
        (7199, "2 h 0 min"),
        (86_100, "23 h 55 min"),
    ],
)
def test_span(seconds, text):
    assert oauth.span(seconds) == text


LINES = {
    oauth.TokenObtained("login.x", "HTTP Basic", 86_400, 86_100, True): (
        logging.INFO,
        "login.x gave a token by HTTP Basic, good for 24 h 0 min; the next is fetched in 23 h 55 min.",
    ),
    oauth.TokenObtained("login.x", "form fields", 300, 150, False): (
        logging.INFO,
        "login.x gave a token by form fields, good for 5 min (assumed: the platform told no usable expires_in); "
        "the next is fetched in 2 min.",
    ),
    oauth.TokenRequestFailed("login.x", "login.x failed (502).", SINCE, 12, 240): (
        logging.WARNING,
        f"No new token since {SINCE}: login.x failed (502). The old token serves for another 4 min; nothing is missed "
        "so far. Next try in 12 s.",
    ),
    oauth.TokenRequestFailed("login.x", "login.x failed (502).", SINCE, 12, None): (
        logging.WARNING,
        f"No new token since {SINCE}: login.x failed (502). There is no token to go on with: connections cannot be "
        "opened until there is one. Next try in 12 s.",
    ),
    oauth.CredentialsRefused("login.x", "login.x refuses.", SINCE, 12, 240, 78): (
        logging.ERROR,
        f"Refused since {SINCE}: login.x refuses. The old token serves for another 4 min; nothing is missed so far. "
        "Next try in 12 s; when the token has ended, the process stops with 78.",
    ),
    oauth.CredentialsRefused("login.x", "login.x refuses.", SINCE, 5, None, 78): (
        logging.ERROR,
        f"Refused since {SINCE}: login.x refuses. There is no token to go on with. One more try in 5.0 s, then the "
        "process stops with 78.",
    ),
    oauth.WayRefused("login.x", "HTTP Basic", "form fields"): (
        logging.INFO,
        "login.x refuses credentials by HTTP Basic; trying once by form fields.",
    ),
    oauth.TokenDropped(7000): (
        logging.INFO,
        "The platform refuses the token 117 min before its end; fetching another.",
    ),
    oauth.SecretReloaded(): (
        logging.INFO,
        "The client secret was read again and has changed; trying with the new one.",
    ),
    oauth.SecretUnreadable("gone."): (logging.WARNING, "The client secret could not be read again: gone."),
    oauth.ClockMoved(7200): (
        logging.INFO,
        "The wall clock moved 2 h 0 min further than this process ran: the machine slept, or the clock was set. The "
        "token may have ended; fetching another.",
    ),
}


@pytest.mark.parametrize(("happening", "expected"), LINES.items(), ids=lambda value: type(value).__name__)
def test_line(happening, expected):
    assert (happening.level, str(happening)) == expected
    assert happening.room == "oauth"
    happening.count(Counters())
