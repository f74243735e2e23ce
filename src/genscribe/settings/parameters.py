"""The parameters that every sink has, in a URL's query and in a table of the configuration file alike."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Union

from genscribe.errors import ConfigError
from genscribe.settings.nearest import LETTERS, nearest
from genscribe.settings.schemes import Scheme
from genscribe.settings.values import BadValue, duration_s

_NAME = re.compile(r"[a-z][a-z_.-]{0,29}", re.ASCII)

Value = Union[str, Sequence[str]]
"""A text, or, from an array of the file, texts."""

KINDS = ("utterance", "conversation", "participant", "gap", "message")
"""What `kinds=` may name: all but `unreadable`; a test holds them together with `events`."""

EVERY_SINK = ("kinds", "interim", "from", "media_types", "speakers", "queues", "match", "words", "per", "hold", "idle")
"""The parameters of every sink; in a URL `_` may be `-`."""

LONGEST_HOLD_S = 600.0
IDLE_S = 600.0
"""After so much silence a conversation whose end nobody tells is taken for ended."""


@dataclass(frozen=True)
class SinkFilters:
    """What a sink leaves out, beside kinds; `None` or empty leaves nothing out.

    Attributes:
        media_types: Only these; `chat` stands for every text conversation.
        speakers: Only utterances of these.
        queues: Only what is in these queues: ids, or names in which `*` and `?` stand for any letters.
        match: Only utterances with one of these words or phrases, whole and in any case.
        words: Whether utterances keep the list of their words.
    """

    media_types: frozenset[str] | None = None
    speakers: frozenset[str] | None = None
    queues: tuple[str, ...] = ()
    match: tuple[str, ...] = ()
    words: bool = True


EVERYTHING = SinkFilters()
"""Nothing is left out."""


@dataclass(frozen=True)
class Parameters:
    """What the parameters of every sink say; `None` = the sink's own choice.

    Attributes:
        kinds: The kinds it gets.
        interim: Whether it gets interim results too.
        start: Where a new cursor begins: `now` or `beginning`.
        filters: What else it leaves out.
        per: `conversation`: one document a conversation, after its end; `None`: event by event.
        hold_s: Seconds for which events wait so that a conversation's utterances can be put in order; 0 = none.
        idle_s: Seconds of silence after which a conversation has ended where nobody tells its end; for `per`.
    """

    kinds: frozenset[str] | None = None
    interim: bool | None = None
    start: str | None = None
    filters: SinkFilters = EVERYTHING
    per: str | None = None
    hold_s: float = 0.0
    idle_s: float = IDLE_S


def read(scheme: Scheme, given: Mapping[str, Value]) -> Parameters:
    """Reads them, by their names with `_`; others are not looked at.

    Raises:
        ConfigError: A value is not what the parameter wants, or two do not go together.
    """
    found = Parameters(
        kinds=_kinds(given.get("kinds")),
        interim=_yes_or_no("interim", given.get("interim")),
        start=_one_of("from", given.get("from"), ("now", "beginning")),
        filters=SinkFilters(
            media_types=_words("media-types", given.get("media_types")),
            speakers=_words("speakers", given.get("speakers")),
            queues=_names("queues", given.get("queues")),
            match=_phrases(given.get("match")),
            words=_yes_or_no("words", given.get("words")) is not False,
        ),
        per=_one_of("per", given.get("per"), ("conversation",)),
        hold_s=_seconds("hold", given.get("hold"), 0.0, LONGEST_HOLD_S),
        idle_s=_seconds("idle", given.get("idle"), IDLE_S, 86400.0),
    )
    _check_together(scheme, found, given)
    return found


def check_name(scheme: Scheme, name: str, shown: str) -> None:
    """Refuses a parameter that the sink does not have.

    Raises:
        ConfigError: With the nearest that it has, or all of them. One that is close to a known one is refused also
            where the sink passes others on: it is more likely misspelt than meant.
    """
    known = (*EVERY_SINK, *scheme.params)
    if name in known:
        return
    near = nearest(name, known, letters=5 if scheme.open_params else LETTERS)
    if scheme.open_params and near is None:
        return
    if near is not None:
        advice = f"Did you mean {near.replace('_', '-')}=…?"
    else:
        advice = f"It knows {', '.join(each.replace('_', '-') for each in known)}."
    told = (
        f" {shown!r}" if _NAME.fullmatch(shown) else " of one of these names"
    )  # it may be what follows a & in a secret
    raise ConfigError(f"the {scheme.name} sink has no parameter{told}.", advice=advice)


def listed(value: Value) -> list[str]:
    """The parts of a list: an array's, or a text's between commas."""
    parts = value.split(",") if isinstance(value, str) else value
    return [stripped for part in parts if (stripped := part.strip())]


def _check_together(scheme: Scheme, found: Parameters, given: Mapping[str, Value]) -> None:
    if found.per is None:
        if "idle" in given:
            raise ConfigError("a sink's idle= belongs to per=conversation.", advice="Leave it out.")
        return
    if not scheme.documents:
        raise ConfigError(f"the {scheme.name} sink takes events, no documents.", advice="Leave per=conversation out.")
    for name in ("kinds", "interim", "hold"):
        if name in given:
            raise ConfigError(
                f"a sink's {name}= does not go with per=conversation.",
                advice="A document has every final line, sorted; leave it out.",
            )


def _kinds(value: Value | None) -> frozenset[str] | None:
    if value is None:
        return None
    kinds = frozenset(listed(value))
    if not kinds or not kinds <= set(KINDS):
        near = nearest(next(iter(sorted(kinds - set(KINDS))), ""), KINDS)
        hint = f" Did you mean {near}?" if near is not None else ""
        raise ConfigError("a sink's kinds= names no such kind.", advice=f"Write some of {','.join(KINDS)}.{hint}")
    return kinds


def _yes_or_no(name: str, value: Value | None) -> bool | None:
    if value not in (None, "yes", "no"):
        raise ConfigError(f"a sink's {name}= is neither yes nor no.", advice=f"Write {name}=yes or {name}=no.")
    return None if value is None else value == "yes"


def _one_of(name: str, value: Value | None, choices: tuple[str, ...]) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or value not in choices:
        raise ConfigError(f"a sink's {name}= is not {' or '.join(choices)}.", advice=f"Write {name}={choices[0]}.")
    return value


def _names(name: str, value: Value | None) -> tuple[str, ...]:
    """Empty is refused: it would mean all where somebody meant few."""
    if value is None:
        return ()
    found = tuple(dict.fromkeys(listed(value)))
    if not found:
        raise ConfigError(f"a sink's {name}= is empty.", advice="Name something, or leave it out.")
    return found


def _words(name: str, value: Value | None) -> frozenset[str] | None:
    found = frozenset(each.lower() for each in _names(name, value))
    return found or None


def _phrases(value: Value | None) -> tuple[str, ...]:
    found = _names("match", value)
    for phrase in found:
        if not any(char.isalnum() for char in phrase):
            raise ConfigError("a sink's match= has a word without a letter.", advice="Write match=cancel,lawyer.")
    return found


def _seconds(name: str, value: Value | None, default: float, most: float) -> float:
    if value is None:
        return default
    try:
        seconds = duration_s(value) if isinstance(value, str) else -1.0
    except BadValue:
        seconds = -1.0
    if not 0 <= seconds <= most or (name == "idle" and seconds < 1):
        raise ConfigError(
            f"a sink's {name}= is no duration up to {most:.0f} s.", advice=f"Write {name}=3s." if most < 1000 else ""
        )
    return seconds
