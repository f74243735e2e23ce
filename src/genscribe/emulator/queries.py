"""`POST /api/v2/analytics/conversations/details/query`: which conversations a query asks for. Pure.

As its documentation says, the interval takes whole days: a conversation is found when it started on a day that the
interval touches. Filters are joined by "and", what stands in a filter by its type. Only the dimensions listed here
are known; a query with another is refused, so that nobody relies on a filter that does nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

import msgspec

from genscribe.emulator.analytics import Json, analysed
from genscribe.emulator.conversation import Conversation

LARGEST_PAGE = 100
LONGEST_INTERVAL_DAYS = 31

_DAY_MS = 86_400_000
_PERIOD = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")

_OF_CONVERSATION = frozenset(("conversationEnd", "conversationId", "originatingDirection", "divisionId"))
_OF_SEGMENT = frozenset(
    (
        *("queueId", "segmentType", "segmentEnd", "disconnectType"),
        *("mediaType", "direction", "provider", "messageType"),
        *("purpose", "userId", "participantName"),
    )
)
"""Dimensions of a segment, its session and its participant."""


class BadQuery(ValueError):
    """The query is refused; the text says why."""


class _Predicate(msgspec.Struct, rename="camel"):
    dimension: str | None = None
    operator: str | None = None
    value: str | None = None


class _Clause(msgspec.Struct):
    type: str = "and"
    predicates: list[_Predicate] | None = None


class _Filter(msgspec.Struct):
    type: str = "and"
    predicates: list[_Predicate] | None = None
    clauses: list[_Clause] | None = None


class _Paging(msgspec.Struct, rename="camel"):
    page_size: int = 25
    page_number: int = 1


class Query(msgspec.Struct, rename="camel"):
    """The query's fields that are known here."""

    interval: str | None = None
    order: str | None = None
    order_by: str | None = None
    conversation_filters: list[_Filter] | None = None
    segment_filters: list[_Filter] | None = None
    paging: _Paging | None = None


_DECODER = msgspec.json.Decoder(Query)

Lookup = Callable[[str], Sequence[object]]
"""The values of a dimension in one conversation or segment; empty when it has none."""


def answer(body: bytes, conversations: Iterable[Conversation], until: int) -> Json:
    """The answer: `conversations` (left out when there are none) and `totalHits`.

    Args:
        body: The query.
        conversations: Those that the client may see.
        until: Epoch milliseconds; analytics knows nothing that happened later.

    Raises:
        BadQuery: It cannot be read, has no interval, asks for too much, or for a dimension that is not known here.
    """
    try:
        query = _DECODER.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as bad:
        raise BadQuery(str(bad) if isinstance(bad, msgspec.ValidationError) else "the body is not JSON") from None
    paging = query.paging or _Paging()
    if not 1 <= paging.page_size <= LARGEST_PAGE or paging.page_number < 1:
        raise BadQuery(f"pageSize must be from 1 to {LARGEST_PAGE}, pageNumber at least 1")
    first, end = days(query.interval)
    _vet(query.conversation_filters, _OF_CONVERSATION)
    _vet(query.segment_filters, _OF_SEGMENT)
    found = [one for one in conversations if first <= one.started_at < end and one.started_at <= until]
    found = [one for one in found if _wanted(query, one, until)]
    found.sort(key=_order(query, until), reverse=query.order == "desc")
    start = paging.page_size * (paging.page_number - 1)
    page = [analysed(one, until) for one in found[start : start + paging.page_size]]
    return {**({"conversations": page} if page else {}), "totalHits": len(found)}


def days(interval: str | None) -> tuple[int, int]:
    """The first and the end of the days that an ISO 8601 interval touches, epoch milliseconds.

    Raises `BadQuery` when it is missing, malformed, backwards or too long.
    """
    start, slash, end = (interval or "").partition("/")
    if not slash:
        raise BadQuery("interval is required, as start/end")
    if start.startswith("P"):
        last = _moment(end)
        begin = last - _period(start)
    else:
        begin = _moment(start)
        last = begin + _period(end) if end.startswith("P") else _moment(end)
    if begin > last or last - begin > LONGEST_INTERVAL_DAYS * _DAY_MS:
        raise BadQuery(f"interval must go forward, {LONGEST_INTERVAL_DAYS} days at most")
    return begin // _DAY_MS * _DAY_MS, max(begin, last - 1) // _DAY_MS * _DAY_MS + _DAY_MS


def _moment(text: str) -> int:
    match = re.fullmatch(r"(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d)(:\d\d)?(?:\.(\d{1,6}))?(Z|[+-]\d\d:?\d\d)?)?", text)
    if match is None:
        raise BadQuery("interval is not ISO 8601")
    day, minute, second, fraction, zone = match.groups()
    offset = "+00:00" if zone in (None, "Z") else zone if ":" in zone else f"{zone[:3]}:{zone[3:]}"
    try:
        whole = datetime.fromisoformat(f"{day}T{minute or '00:00'}{second or ':00'}{offset}")
    except ValueError:
        raise BadQuery("interval is not ISO 8601") from None
    since = whole - datetime(1970, 1, 1, tzinfo=timezone.utc)
    return since // timedelta(milliseconds=1) + int(((fraction or "") + "000")[:3])


def _period(text: str) -> int:
    match = _PERIOD.fullmatch(text)
    if match is None:
        raise BadQuery("interval is not ISO 8601")
    days_, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return (((days_ * 24 + hours) * 60 + minutes) * 60 + seconds) * 1000


def _vet(filters: Sequence[_Filter] | None, dimensions: Container[str | None]) -> None:
    for wish in filters or ():
        for part in (wish, *(wish.clauses or ())):
            if part.type not in ("and", "or"):
                raise BadQuery(f"filter type {part.type!r} is not known")
            for predicate in part.predicates or ():
                if predicate.dimension not in dimensions:
                    raise BadQuery(f"dimension {predicate.dimension!r} is not known here")
                if predicate.operator not in (None, "matches", "exists", "notExists"):
                    raise BadQuery(f"operator {predicate.operator!r} is not known")


def _order(query: Query, until: int) -> Callable[[Conversation], tuple[int, str]]:
    """What has not ended comes last in ascending order; equals are told apart by their ids."""
    name = query.order_by or "conversationStart"
    if name not in ("conversationStart", "conversationEnd") or query.order not in (None, "asc", "desc", "unordered"):
        raise BadQuery(f"order by {name!r} {query.order!r} is not known")
    if name == "conversationStart":
        return lambda one: (one.started_at, one.id)
    return lambda one: (one.ended_at if _ended(one, until) and one.ended_at is not None else until + 1, one.id)


def _ended(one: Conversation, until: int) -> bool:
    return one.ended_at is not None and one.ended_at <= until


def _wanted(query: Query, one: Conversation, until: int) -> bool:
    def whole(dimension: str) -> Sequence[object]:
        return _of_conversation(one, dimension, until)

    if not all(_passes(wish, whole) for wish in query.conversation_filters or ()):
        return False
    return not query.segment_filters or any(
        all(_passes(wish, part) for wish in query.segment_filters) for part in _parts(analysed(one, until))
    )


def _passes(wish: _Filter | _Clause, lookup: Lookup) -> bool:
    answers = [_holds(predicate, lookup) for predicate in wish.predicates or ()]
    if isinstance(wish, _Filter):
        answers += [_passes(clause, lookup) for clause in wish.clauses or ()]
    return any(answers) if wish.type == "or" and answers else all(answers)


def _holds(predicate: _Predicate, lookup: Lookup) -> bool:
    values = lookup(predicate.dimension or "")
    if predicate.operator == "exists":
        return bool(values)
    if predicate.operator == "notExists":
        return not values
    return predicate.value in values


def _of_conversation(one: Conversation, dimension: str, until: int) -> Sequence[object]:
    if dimension == "conversationEnd":
        return [one.ended_at] if _ended(one, until) else []
    if dimension == "conversationId":
        return [one.id]
    if dimension == "originatingDirection":
        return [one.direction]
    return [queue.division for queue in one.queues]


def _parts(one: Mapping[str, Any]) -> Iterable[Lookup]:
    """One lookup a segment, with what its session and participant say."""
    for participant in one["participants"]:
        for session in participant["sessions"]:
            for segment in session["segments"]:
                yield _lookup({**participant, **session, **segment})


def _lookup(merged: Mapping[str, object]) -> Lookup:
    def values(dimension: str) -> Sequence[object]:
        return [merged[dimension]] if dimension in merged else []

    return values
