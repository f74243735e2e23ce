"""The filters that all reading commands share: declared once, read once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import click
import msgspec

from genscribe import clock
from genscribe.cli.options import HeadedOption
from genscribe.events import Record
from genscribe.store.moments import moment
from genscribe.store.queries import Filters, media
from genscribe.store.reader import Reader

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

HEADING = "What to leave out"


def as_moment(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """What a person typed as UTC text in the form of `clock.iso`, which sorts like the store's times."""
    if value is None:
        return None
    try:
        return clock.iso(round(moment(value.strip(), clock.wall_ms()) * 1000))
    except (ValueError, OverflowError):
        text = f"{value!r} is no time: write 2h, today, 14:30, 2026-03-21 or 2026-03-21T14:30"
        raise click.BadParameter(text, ctx, param) from None


def as_words(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> frozenset[str] | None:
    """Comma-separated lists as words in lower case; `None` when not given. A list of nothing is not all."""
    words = frozenset(word for text in value for part in text.split(",") if (word := part.strip().lower()))
    if value and not words:
        raise click.BadParameter("is empty.", ctx, param)
    return words or None


@dataclass(frozen=True)
class Given:
    """The filters as typed; `resolve` makes them a reader's.

    Attributes:
        conversations: Ids or beginnings of ids, as screens show them.
    """

    since: str | None = None
    until: str | None = None
    conversations: tuple[str, ...] = ()
    media_types: frozenset[str] | None = None
    speakers: frozenset[str] | None = None

    def resolve(self, reader: Reader) -> Filters:
        """With the beginnings of conversation ids made whole, as far as the store knows them."""
        ids = [name for text in self.conversations for name in reader.conversation_ids(text, limit=1000) or [text]]
        return Filters(self.since, self.until, frozenset(ids) or None, self.media_types, self.speakers)


def filter_options() -> Callable[[Decorated], Decorated]:
    """Gives a command the shared filters, which `given` reads, and `--json`, which arrives as `as_json`."""
    options = (
        click.option(
            "--since", callback=as_moment, metavar="WHEN", cls=HeadedOption, heading=HEADING,
            help="Only from then on: 2h (ago), today, yesterday, 14:30, 2026-03-21, 2026-03-21T14:30Z.",
        ),
        click.option(
            "--until", callback=as_moment, metavar="WHEN", cls=HeadedOption, heading=HEADING,
            help="Only before then. A date is its first moment.",
        ),
        click.option(
            "--conversation", metavar="ID", multiple=True, cls=HeadedOption, heading=HEADING,
            help="Only this conversation; the beginning of its id is enough.  [repeatable]",
        ),
        click.option(
            "--media-types", callback=as_words, metavar="TYPE,TYPE", multiple=True, cls=HeadedOption, heading=HEADING,
            help="Only these; chat is every text conversation.  [repeatable]",
        ),
        click.option(
            "--speakers", callback=as_words, metavar="WHO,WHO", multiple=True, cls=HeadedOption, heading=HEADING,
            help="Only these: agent, customer, ivr, ….  [repeatable]",
        ),
        click.option(
            "--json", "as_json", is_flag=True, cls=HeadedOption, heading="How to show it",
            help="JSON Lines, the same objects that sinks get.",
        ),
    )  # fmt: skip

    def decorate(function: Decorated) -> Decorated:
        for add in reversed(options):
            function = add(function)
        return function

    return decorate


def given(options: dict[str, Any]) -> Given:
    """Takes the filters out of a command's arguments."""
    typed = [part.strip() for text in options.pop("conversation", ()) for part in text.split(",")]
    return Given(
        options.pop("since", None),
        options.pop("until", None),
        tuple(whole(part) for part in typed if part),
        options.pop("media_types", None),
        options.pop("speakers", None),
    )


def whole(text: str) -> str:
    """An argument without the half characters that bytes outside the terminal's encoding arrive as."""
    return text.encode("utf-8", "replace").decode()


class _Peek(msgspec.Struct):
    """What filters ask of an event."""

    conversation_id: str | None = None
    conversation_ids: list[str] | None = None
    media_type: str | None = None
    speaker: str | None = None
    spoken_at: str | None = None
    started_at: str | None = None
    at: str | None = None
    joined_at: str | None = None


_peek = msgspec.json.Decoder(_Peek).decode


def lets_through(filters: Filters, record: Record) -> bool:
    """Whether a record passes. A gap has no speaker and no medium: it concerns them all."""
    event = _peek(record.body)
    at = event.spoken_at or event.started_at or event.at or event.joined_at
    ids = event.conversation_ids if record.kind == "gap" else [event.conversation_id]
    if filters.since is not None and (at is None or at < filters.since):
        return False
    if filters.until is not None and (at is None or at >= filters.until):
        return False
    if filters.conversation_ids is not None and ids is not None and filters.conversation_ids.isdisjoint(ids):
        return False
    if record.kind == "gap":
        return True
    types = media(filters.media_types)
    if types is not None and event.media_type not in types:
        return False
    return filters.speakers is None or event.speaker in filters.speakers
