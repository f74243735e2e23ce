"""Queues, users and settings of the organisation, as far as this client may see them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Optional

import msgspec
from msgspec.json import Decoder

from genscribe.core.decode import pieces
from genscribe.core.limits import Share
from genscribe.errors import BadAnswer
from genscribe.genesys.api import ApiClient

QUEUES = "/api/v2/routing/queues"
USERS = "/api/v2/users"
TRANSCRIPTION = "/api/v2/routing/settings/transcription"

PAGE_SIZE = 100
"""Taken by every listing of the platform; where the documents name a limit, it is this."""
MOST_PAGES = 200
"""Twenty thousand queues: more than 20 channels have topics."""
TRIES = 3
DEADLINE_S = 120.0
"""Names and lists can wait for their turn in the budget, but not for ever: the next round asks again."""
BODY_LIMIT = 8 * 1024 * 1024
"""A hundred queues with all their settings."""


class Queue(msgspec.Struct, frozen=True):
    """A queue that this client may see.

    Attributes:
        transcription: Whether voice transcription is on for it; `None` when that was not said. It counts only where the
            organisation transcribes by queue.
    """

    id: str
    name: str
    division_id: str | None = None
    division_name: str | None = None
    transcription: bool | None = None


class TranscriptionSettings(msgspec.Struct, frozen=True, rename="camel"):
    """The organisation's settings of voice transcription: facts, section 1.

    Attributes:
        transcription: `Disabled`, `EnabledGlobally` or `EnabledQueueFlow`.
        low_latency_transcription_enabled: Off, what is said comes about 35 s late.
    """

    transcription: str | None = None
    low_latency_transcription_enabled: bool | None = None
    pci_dss_redaction_enabled: bool | None = None
    pii_redaction_enabled: bool | None = None


class _Division(msgspec.Struct):
    id: str | None = None
    name: str | None = None


class _Entity(msgspec.Struct, rename="camel"):
    id: str | None = None
    name: str | None = None
    division: _Division | None = None
    enable_transcription: bool | None = None


class _Listing(msgspec.Struct, rename="camel"):
    entities: list[_Entity] | None = None
    page_count: int | None = None
    total: int | None = None


_LISTING: Decoder[_Listing | None] = Decoder(Optional[_Listing])
_SETTINGS: Decoder[TranscriptionSettings | None] = Decoder(Optional[TranscriptionSettings])


async def queues(api: ApiClient) -> list[Queue]:
    """Every queue in the divisions that this client sees, by name; each once, though pages shift while we read.

    Raises:
        NotPermitted: `routing:queue:view` is missing.
        GenscribeError: What else `ApiClient.call` raises, after three tries a page.
    """
    found: dict[str, Queue] = {}
    for page in range(1, MOST_PAGES + 1):
        listing = await _page(
            api, QUEUES, {"pageNumber": page, "pageSize": PAGE_SIZE, "sortOrder": "asc"}, needs="routing:queue:view"
        )
        before = len(found)
        found.update((each.id, each) for each in map(_queue, listing.entities or ()) if each is not None)
        if len(found) == before or _is_last(listing, page, len(found)):
            break
    return list(found.values())


async def users(api: ApiClient, ids: Iterable[str]) -> dict[str, str]:
    """The names of users, those who have left included; who is not known is not in it.

    The documents ask for no permission.

    Raises:
        GenscribeError: What `ApiClient.call` raises, after three tries.
    """
    wanted = list(dict.fromkeys(ids))
    found: dict[str, str] = {}
    for first in range(0, len(wanted), PAGE_SIZE):
        some: Sequence[str] = wanted[first : first + PAGE_SIZE]
        listing = await _page(api, USERS, {"id": some, "pageSize": PAGE_SIZE, "state": "any"})
        found.update((each.id, each.name) for each in listing.entities or () if each.id and each.name)
    return found


async def transcription_settings(api: ApiClient) -> TranscriptionSettings:
    """The organisation's settings of transcription.

    Raises:
        NotPermitted: `routing:transcriptionSettings:view` is missing; the source works without it.
        GenscribeError: What else `ApiClient.call` raises, after three tries.
    """
    needs = "routing:transcriptionSettings:view"
    answer = await api.call("GET", TRANSCRIPTION, share=Share.SWEEP, needs=needs, tries=TRIES, deadline_s=DEADLINE_S)
    settings, _ = pieces.salvage(answer.body, _SETTINGS)
    if settings is None:
        raise BadAnswer(f"{api.host} told its transcription settings in a form that no document describes.")
    return settings


async def _page(
    api: ApiClient, path: str, query: dict[str, str | int | bool | Sequence[str]], *, needs: str = ""
) -> _Listing:
    answer = await api.call(
        "GET",
        path,
        share=Share.SWEEP,
        query=query,
        needs=needs,
        body_limit=BODY_LIMIT,
        tries=TRIES,
        deadline_s=DEADLINE_S,
    )
    listing, _ = pieces.salvage(answer.body, _LISTING)
    if listing is None:
        raise BadAnswer(f"{api.host} answered GET {path} in a form that no document describes.")
    return listing


def _is_last(listing: _Listing, page: int, seen: int) -> bool:
    """As far as the listing says; a page that brings nothing new is the last in any case."""
    if listing.page_count is not None:
        return page >= listing.page_count
    return listing.total is not None and seen >= listing.total


def _queue(entity: _Entity) -> Queue | None:
    if not entity.id:
        return None
    division = entity.division or _Division()
    return Queue(entity.id, entity.name or entity.id, division.id, division.name, entity.enable_transcription)
