"""Conversations by REST: the live ones, some by id, and the texts of messages. Facts, sections 4.3 and 5."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from genscribe import clock
from genscribe.core.decode import conversations as decode
from genscribe.core.decode.conversations import Page
from genscribe.core.limits import Share
from genscribe.core.snapshot import Snapshot
from genscribe.errors import BadAnswer
from genscribe.genesys.api import ApiClient

if TYPE_CHECKING:
    from genscribe.core.decode.messages import Text

__all__ = ["PAGE_SIZE", "Page", "details", "live", "message_conversation", "texts"]

QUERY = "/api/v2/analytics/conversations/details/query"
DETAILS = "/api/v2/analytics/conversations/details"
MESSAGE_CONVERSATION = "/api/v2/conversations/messages/{}"
BULK = "/api/v2/conversations/messages/{}/messages/bulk"

PAGE_SIZE = 100
"""What the official sample asks for; the default is 25."""
TRIES = 3
DEADLINE_S = 120.0
"""A sweep waits for its turn in the budget, but not for ever: the next one comes anyway."""
TIMEOUT_S = 30.0
"""Analytics takes its time."""
BODY_LIMIT = 16 * 1024 * 1024
"""A hundred conversations of many segments each, or a thousand messages."""

_DAY_MS = 86_400_000
_MAY_READ = "analytics:conversationDetail:view"


async def live(
    api: ApiClient,
    *,
    page: int,
    order: Literal["asc", "desc"] = "desc",
    back_days: int = 1,
    ended: bool = False,
) -> Page:
    """One page of the conversations that have not ended, by their start.

    Conversations begin and end while one reads: a page shifts, and what stood at its edge is seen twice or not at all.

    Args:
        api: The client.
        page: From 1.
        order: `desc` = the newest first.
        back_days: How old they may be: those that began on a day touched by the last so many. Calls are over within
            one; message conversations stay open for days. The longest interval that the platform takes stands in no
            document that we have; a longer one than it takes raises `RequestRefused`.
        ended: Those that have ended too.

    Raises:
        NotPermitted: `analytics:conversationDetail:view` is missing.
        GenscribeError: What else `ApiClient.call` raises, after three tries.
    """
    now = clock.wall_ms()
    body: dict[str, object] = {
        "interval": f"{clock.iso(now - back_days * _DAY_MS)}/{clock.iso(now + _DAY_MS)}",
        "order": order,
        "orderBy": "conversationStart",
        "paging": {"pageSize": PAGE_SIZE, "pageNumber": page},
    }
    if not ended:
        goes_on = {"dimension": "conversationEnd", "operator": "notExists"}
        body["conversationFilters"] = [{"type": "and", "predicates": [goes_on]}]
    answer = await api.call(
        "POST",
        QUERY,
        share=Share.SWEEP,
        json=body,
        needs=_MAY_READ,
        body_limit=BODY_LIMIT,
        timeout_s=TIMEOUT_S,
        tries=TRIES,
        deadline_s=DEADLINE_S,
    )
    return _read(api, answer.body)


async def details(api: ApiClient, ids: Sequence[str]) -> Page:
    """These conversations as analytics knows them, ended ones too. No document says how many at once: ask for 50.

    Raises as `live`.
    """
    answer = await api.call(
        "GET",
        DETAILS,
        share=Share.SWEEP,
        query={"id": ids},
        needs=_MAY_READ,
        body_limit=BODY_LIMIT,
        timeout_s=TIMEOUT_S,
        tries=TRIES,
        deadline_s=DEADLINE_S,
    )
    return _read(api, answer.body)


async def message_conversation(api: ApiClient, conversation_id: str) -> Snapshot | None:
    """A text conversation with the ids of its messages; `None` when the answer is no conversation.

    Raises:
        NotFound: There is none of that id.
        GenscribeError: What else `ApiClient.call` raises, after three tries.
    """
    answer = await api.call(
        "GET",
        MESSAGE_CONVERSATION,
        share=Share.TEXT,
        ids=(conversation_id,),
        body_limit=BODY_LIMIT,
        tries=TRIES,
    )
    return decode.read_conversation(answer.body)


async def texts(api: ApiClient, conversation_id: str, ids: Sequence[str]) -> list[Text]:
    """The texts of a conversation's messages, at most 1,000 at once; those that the platform does not know are missing.

    Raises:
        NotPermitted: Neither `conversation:message:view` nor `conversation:webmessaging:view`.
        NotFound: There is no such conversation.
        GenscribeError: What else `ApiClient.call` raises, after three tries.
    """
    from genscribe.core.decode import messages

    answer = await api.call(
        "POST",
        BULK,
        share=Share.TEXT,
        ids=(conversation_id,),
        query={"useNormalizedMessage": True},
        json=list(ids),
        needs="conversation:message:view",
        body_limit=BODY_LIMIT,
        tries=TRIES,
    )
    return messages.read(answer.body)


def _read(api: ApiClient, body: bytes) -> Page:
    page = decode.read_analytics(body)
    if page.bad and not page.snapshots and page.total is None:
        raise BadAnswer(f"{api.host} answered with something that is no page of conversations.")
    return page
