"""The platform's REST about an organisation: queues, users, divisions, conversations, analytics, messages. No I/O.

Paths and what they need are those of the platform's SDK and its documentation. Assumed: pages of at most 500 entities,
what an error says word for word, and that a conversation in divisions of others is answered as if there were none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TypeVar
from urllib.parse import urlencode

import msgspec

from genscribe.emulator import queries
from genscribe.emulator.analytics import Json, analysed
from genscribe.emulator.conversation import Conversation, Queue, User
from genscribe.emulator.organisation import Organisation
from genscribe.emulator.platform import Answer, encode, error
from genscribe.emulator.premises import Division
from genscribe.emulator.shapes import message_data, message_rest, rest
from genscribe.emulator.topics import COMMUNICATION_VIEW

QUEUE_VIEW = "routing:queue:view"
DETAIL_VIEW = "analytics:conversationDetail:view"
AGENT_DETAIL_VIEW = "analytics:agentConversationDetail:view"
MESSAGE_VIEW = "conversation:message:view"
WEBMESSAGING_VIEW = "conversation:webmessaging:view"
SETTINGS_VIEW = "routing:transcriptionSettings:view"

PERMISSIONS = frozenset(
    {QUEUE_VIEW, DETAIL_VIEW, AGENT_DETAIL_VIEW, COMMUNICATION_VIEW, MESSAGE_VIEW, WEBMESSAGING_VIEW, SETTINGS_VIEW}
)
"""Every permission that something here asks for."""

LARGEST_PAGE = 500
MOST_MESSAGES = 1000

Query = Mapping[str, str | Sequence[str]]
Item = TypeVar("Item")


@dataclass(frozen=True)
class Ask:
    """One request, as a handler sees it. `until` is what analytics knows by now, epoch milliseconds."""

    organisation: Organisation
    path: str
    ids: tuple[str, ...]
    query: Query
    body: bytes
    until: int

    def first(self, name: str) -> str | None:
        """A query parameter; the first one if there are several."""
        value = self.query.get(name)
        return value if value is None or isinstance(value, str) else value[0]

    def listed(self, name: str) -> list[str]:
        """A query parameter that is a list: repeated, or separated by commas."""
        value = self.query.get(name, ())
        return [part for one in ([value] if isinstance(value, str) else value) for part in one.split(",") if part]


@dataclass(frozen=True)
class Route:
    """One call. Any one of `permissions` is enough; none are needed when there are none."""

    method: str
    pattern: re.Pattern[str]
    permissions: tuple[str, ...]
    handle: Callable[[Ask], Answer]


def answer(
    organisation: Organisation,
    method: str,
    path: str,
    query: Query,
    body: bytes,
    now: int,
    permissions: frozenset[str] = PERMISSIONS,
) -> Answer | None:
    """The answer to an authenticated request; `None` when the path is none of these.

    Args:
        organisation: What is asked about.
        method: Of the request line.
        path: Of the request line, without the query.
        query: Decoded; a repeated parameter is a list.
        body: As sent.
        now: Epoch milliseconds.
        permissions: What the client's roles allow.
    """
    candidates = [(route, route.pattern.fullmatch(path)) for route in ROUTES]
    matching = [(route, match) for route, match in candidates if match is not None]
    if not matching:
        return None
    for route, match in matching:
        if route.method != method:
            continue
        if route.permissions and not permissions.intersection(route.permissions):
            return missing(route.permissions)
        until = now - round(1000 * organisation.analytics_lag_s)
        return route.handle(Ask(organisation, path, match.groups(), query, body, until))
    return error(405, ("Allow", ", ".join(route.method for route, _ in matching)))


def missing(permissions: Sequence[str]) -> Answer:
    """403 for want of a permission, which is named; of several, any one would do."""
    if len(permissions) == 1:
        text = "Unable to perform the requested action. You are missing the following permission(s): {permissions}"
        return complaint(403, "missing.permissions", text, permissions=permissions[0])
    text = (
        "Unable to perform the requested action. You must have at least one of the following permissions: {permissions}"
    )
    return complaint(403, "missing.any.permissions", text, permissions=", ".join(permissions))


def complaint(status: int, code: str, text: str, **params: str) -> Answer:
    """An error whose text says more than its status. `text` has the names of `params` in braces."""
    plain = error(status)
    body = plain.document
    assert isinstance(body, dict)
    more = {"message": text.format_map(params), "code": code, "messageWithParams": text, "messageParams": params}
    return replace(plain, body=encode({**body, **more}))


# Queues, users, divisions, settings.


def _queues(ask: Ask) -> Answer:
    name, ids, divisions = ask.first("name"), ask.listed("id"), ask.listed("divisionId")
    found = [
        queue
        for queue in ask.organisation.queues.values()
        if ask.organisation.visible(queue)
        and (not ids or queue.id in ids)
        and (not divisions or queue.division in divisions)
        and (name is None or fnmatchcase(queue.name.lower(), name.lower().replace("[", "[[]").replace("?", "[?]")))
    ]
    found.sort(key=lambda queue: queue.name.lower())
    return _page(ask, found, lambda queue: _queue(ask, queue))


def _one_queue(ask: Ask) -> Answer:
    queue = ask.organisation.queues.get(ask.ids[0])
    return _ok(_queue(ask, queue)) if queue is not None and ask.organisation.visible(queue) else error(404)


def _queue(ask: Ask, queue: Queue) -> Json:
    return {
        "id": queue.id,
        "name": queue.name,
        "division": _division(ask.organisation.divisions[queue.division]),
        "memberCount": len(ask.organisation.users),
        "enableTranscription": queue.transcription,
        "enableManualAssignment": False,
        "selfUri": f"/api/v2/routing/queues/{queue.id}",
    }


def _users(ask: Ask) -> Answer:
    ids = ask.listed("id")
    found = [user for user in ask.organisation.users.values() if not ids or user.id in ids]
    found.sort(key=lambda user: user.name.lower())
    return _page(ask, found, lambda user: _user(ask, user))


def _one_user(ask: Ask) -> Answer:
    user = ask.organisation.users.get(ask.ids[0])
    return error(404) if user is None else _ok(_user(ask, user))


def _user(ask: Ask, user: User) -> Json:
    return {
        "id": user.id,
        "name": user.name,
        "division": _division(ask.organisation.divisions[user.division]),
        "email": user.email,
        "state": "active",
        "username": user.email,
        "version": 1,
        "acdAutoAnswer": False,
        "selfUri": f"/api/v2/users/{user.id}",
    }


def _divisions(ask: Ask) -> Answer:
    ids = ask.listed("id")
    found = [one for one in ask.organisation.divisions.values() if not ids or one.id in ids]
    return _page(ask, found, _division)


def _division(division: Division) -> Json:
    return {
        "id": division.id,
        "name": division.name,
        "selfUri": f"/api/v2/authorization/divisions/{division.id}",
    }


def _settings(ask: Ask) -> Answer:
    return _ok(ask.organisation.settings)


# Conversations.


def _mine(ask: Ask) -> Answer:
    """Those of the user who is logged in; with client credentials there is none, so it is always empty."""
    nobody: list[Conversation] = []
    return _page(ask, nobody, rest)


def _conversation(ask: Ask) -> Answer:
    conversation = _find(ask, ask.ids[0])
    return error(404) if conversation is None else _ok(rest(conversation))


def _message_conversation(ask: Ask) -> Answer:
    conversation = _find(ask, ask.ids[0])
    known = conversation is not None and conversation.media_type == "message"
    return _ok(message_rest(conversation)) if conversation is not None and known else error(404)


def _message(ask: Ask) -> Answer:
    conversation = _find(ask, ask.ids[0])
    messages = [] if conversation is None else conversation.messages
    found = next((message for message in messages if message.id == ask.ids[1]), None)
    return error(404) if found is None else _ok(message_data(found))


def _messages(ask: Ask) -> Answer:
    """Those that are known, in the order they were asked for."""
    conversation = _find(ask, ask.ids[0])
    if conversation is None:
        return error(404)
    try:
        ids = msgspec.json.decode(ask.body, type=list[str])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return complaint(400, "bad.request", "The request body must be a list of message ids.")
    if len(ids) > MOST_MESSAGES:
        return complaint(400, "invalid.value", "At most {limit} messages can be requested.", limit=str(MOST_MESSAGES))
    by_id = {message.id: message for message in conversation.messages}
    return _ok({"entities": [message_data(by_id[one]) for one in dict.fromkeys(ids) if one in by_id]})


def _details_query(ask: Ask) -> Answer:
    seen = [one for one in ask.organisation.conversations.values() if _visible(ask.organisation, one)]
    try:
        return _ok(queries.answer(ask.body, seen, ask.until))
    except queries.BadQuery as bad:
        return complaint(400, "bad.request", "{reason}", reason=str(bad))


def _details(ask: Ask) -> Answer:
    found = [_find(ask, one) for one in ask.listed("id")]
    shown = [one for one in found if one is not None and one.started_at <= ask.until]
    return _ok({"conversations": [analysed(one, ask.until) for one in shown]})


def _find(ask: Ask, conversation_id: str) -> Conversation | None:
    conversation = ask.organisation.conversations.get(conversation_id)
    return conversation if conversation is not None and _visible(ask.organisation, conversation) else None


def _visible(organisation: Organisation, conversation: Conversation) -> bool:
    """By the divisions of its queues; one outside queues is seen by all."""
    if organisation.visible_divisions is None:
        return True
    queues = conversation.queues
    return not queues or any(organisation.visible(queue) for queue in queues)


# Pages.


def _ok(document: object) -> Answer:
    return Answer(200, encode(document))


def _page(ask: Ask, items: Sequence[Item], shape: Callable[[Item], Json]) -> Answer:
    """One page of a listing, counted from 1."""
    try:
        size, number = int(ask.first("pageSize") or 25), int(ask.first("pageNumber") or 1)
    except ValueError:
        return complaint(400, "bad.request", "pageSize and pageNumber must be numbers.")
    if not 1 <= size <= LARGEST_PAGE or number < 1:
        return complaint(400, "invalid.value", "pageSize must be from 1 to {limit}.", limit=str(LARGEST_PAGE))
    pages = -(-len(items) // size)

    def uri(page: int) -> str:
        return f"{ask.path}?{urlencode({**ask.query, 'pageSize': size, 'pageNumber': page}, doseq=True)}"

    links = {"firstUri": uri(1), "lastUri": uri(max(1, pages)), "selfUri": uri(number)}
    if number < pages:
        links["nextUri"] = uri(number + 1)
    if 1 < number <= pages + 1:
        links["previousUri"] = uri(number - 1)
    shown = [shape(item) for item in items[size * (number - 1) : size * number]]
    counts = {"pageSize": size, "pageNumber": number, "total": len(items), "pageCount": pages}
    return _ok({"entities": shown, **counts, **links})


def _route(method: str, path: str, handle: Callable[[Ask], Answer], *permissions: str) -> Route:
    return Route(method, re.compile(re.escape(path).replace("\\{id\\}", "([^/]+)")), permissions, handle)


_V2 = "/api/v2"
ROUTES: Sequence[Route] = (
    _route("GET", f"{_V2}/routing/queues", _queues, QUEUE_VIEW),
    _route("GET", f"{_V2}/routing/queues/{{id}}", _one_queue, QUEUE_VIEW),
    _route("GET", f"{_V2}/routing/settings/transcription", _settings, SETTINGS_VIEW),
    _route("GET", f"{_V2}/users", _users),
    _route("GET", f"{_V2}/users/{{id}}", _one_user),
    _route("GET", f"{_V2}/authorization/divisions", _divisions),
    _route("POST", f"{_V2}/analytics/conversations/details/query", _details_query, DETAIL_VIEW, AGENT_DETAIL_VIEW),
    _route("GET", f"{_V2}/analytics/conversations/details", _details, DETAIL_VIEW, AGENT_DETAIL_VIEW),
    _route("GET", f"{_V2}/conversations", _mine),
    _route("GET", f"{_V2}/conversations/{{id}}", _conversation, COMMUNICATION_VIEW),
    _route("GET", f"{_V2}/conversations/messages/{{id}}", _message_conversation),
    _route("POST", f"{_V2}/conversations/messages/{{id}}/messages/bulk", _messages, MESSAGE_VIEW, WEBMESSAGING_VIEW),
    _route("GET", f"{_V2}/conversations/messages/{{id}}/messages/{{id}}", _message, MESSAGE_VIEW, WEBMESSAGING_VIEW),
)
