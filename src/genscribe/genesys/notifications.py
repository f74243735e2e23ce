"""Channels of the Notifications API, and their topics. Facts, sections 2.1, 2.2 and 2.4."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Optional

import msgspec
from msgspec.json import Decoder

from genscribe.core.decode import pieces, times
from genscribe.core.limits import Share
from genscribe.core.subscriptions import TopicAnswer
from genscribe.core.tokens import Token
from genscribe.core.verdicts import permissions_in
from genscribe.errors import BadAnswer
from genscribe.genesys.api import ApiClient
from genscribe.secrets import Secret

CHANNELS = "/api/v2/notifications/channels"
SUBSCRIPTIONS = "/api/v2/notifications/channels/{}/subscriptions"
AVAILABLE = "/api/v2/notifications/availabletopics"

TRIES = 2
"""A call is tried again once; then its caller plans anew, for what is wanted may have changed."""
BODY_LIMIT = 2 * 1024 * 1024
"""An answer for a thousand topics, each with its reasons."""
CATALOGUE_LIMIT = 8 * 1024 * 1024

_REASON = 200


@dataclass(frozen=True)
class Channel:
    """A notification channel. Both its id and its address are as good as a password.

    Attributes:
        id: What REST calls it; empty where the platform hides it, because another token made the channel.
        connect_uri: The WebSocket's address, used as given; no token travels with it. Empty where it is hidden.
        expires_at_ms: When it ends, epoch ms; `None` when that was not said.
    """

    id: Secret
    connect_uri: Secret
    expires_at_ms: int | None = None

    def until(self, expires_at_ms: int) -> Channel:
        """The same channel with another end."""
        return replace(self, expires_at_ms=expires_at_ms)


class AvailableTopic(msgspec.Struct, frozen=True):
    """A topic of the platform's catalogue, with `{id}` in it.

    Attributes:
        permissions: What it asks for, such as `conversation:transcription:view`.
        transports: How it can be heard, as the platform spells it.
    """

    id: str
    permissions: tuple[str, ...] = ()
    transports: tuple[str, ...] = ()


class _Channel(msgspec.Struct, rename="camel"):
    id: str | None = None
    connect_uri: str | None = None
    expires: str | int | float | None = None


class _Topic(msgspec.Struct, rename="camel"):
    id: str | None = None
    state: str | None = None
    rejection_reason: str | None = None
    missing_permissions: list[str] | None = None


class _Details(msgspec.Struct):
    permissions: list[str] | None = None


class _Available(msgspec.Struct, rename="camel"):
    id: str | None = None
    requires_permissions: list[str] | None = None
    permission_details: list[_Details] | None = None
    transports: list[str] | None = None


class _Channels(msgspec.Struct):
    entities: list[_Channel] | None = None


class _Topics(msgspec.Struct):
    entities: list[_Topic] | None = None


class _Catalogue(msgspec.Struct):
    entities: list[_Available] | None = None


_CHANNEL: Decoder[_Channel | None] = Decoder(Optional[_Channel])
_CHANNELS: Decoder[_Channels | None] = Decoder(Optional[_Channels])
_TOPICS: Decoder[_Topics | None] = Decoder(Optional[_Topics])
_CATALOGUE: Decoder[_Catalogue | None] = Decoder(Optional[_Catalogue])


async def create_channel(api: ApiClient, token: Token | None = None) -> Channel:
    """Makes a channel, which belongs to `token`: it ends with it. The 21st of a client silently evicts another.

    Raises:
        BadAnswer: An answer without an id or an address.
        GenscribeError: What `ApiClient.call` raises, after two tries; with `token`, `Unauthorized` at once.
    """
    answer = await api.call("POST", CHANNELS, share=Share.SUBSCRIBE, token=token, tries=TRIES)
    wire, _ = pieces.salvage(answer.body, _CHANNEL)
    if wire is None or not wire.id or not wire.connect_uri:
        raise BadAnswer(f"{api.host} made a channel without saying its id and address.")
    return _channel(wire)


async def list_channels(
    api: ApiClient, *, include: Literal["token", "oauthclient"] = "oauthclient", token: Token | None = None
) -> list[Channel]:
    """The channels of a token, or of all tokens of the OAuth client; of the latter the ids of others are hidden."""
    answer = await api.call(
        "GET", CHANNELS, share=Share.SUBSCRIBE, query={"includechannels": include}, token=token, tries=TRIES
    )
    wire, _ = pieces.salvage(answer.body, _CHANNELS)
    if wire is None:
        raise BadAnswer(f"{api.host} listed channels in a form that no document describes.")
    return [_channel(each) for each in wire.entities or ()]


async def add_topics(api: ApiClient, channel: Channel, token: Token | None, topics: Sequence[str]) -> list[TopicAnswer]:
    """Subscribes to topics in addition to those that the channel has. A forbidden one costs only itself.

    Args:
        api: The client.
        channel: Whose topics.
        token: The one that made the channel; `None` = the current one.
        topics: At most 1,000 on a channel, those it has included.

    Returns:
        An answer for each topic that the platform says something of; of its own others it may say something too.

    Raises:
        NotFound: The channel has ended, was evicted, or its token has ended.
        RequestRefused: More than 1,000 topics, or one that is none.
        GenscribeError: What else `ApiClient.call` raises, after two tries.
    """
    return await _subscribe(api, "POST", channel, token, topics)


async def replace_topics(
    api: ApiClient, channel: Channel, token: Token | None, topics: Sequence[str]
) -> list[TopicAnswer]:
    """Makes these the only topics of the channel: there is no other way to take one back. As `add_topics`."""
    return await _subscribe(api, "PUT", channel, token, topics)


async def topics_of(api: ApiClient, channel: Channel, token: Token | None = None) -> list[str]:
    """The topics that the platform says the channel has. Raises as `add_topics`."""
    answer = await api.call(
        "GET",
        SUBSCRIPTIONS,
        share=Share.SUBSCRIBE,
        ids=(channel.id,),
        token=token,
        body_limit=BODY_LIMIT,
        tries=TRIES,
    )
    return [each.id for each in _answers(api, answer.body) if each.permitted]


async def available_topics(api: ApiClient) -> list[AvailableTopic]:
    """The catalogue of topics and the permissions that each asks for."""
    expand = ("requiresPermissions", "permissionDetails", "transports")
    answer = await api.call(
        "GET", AVAILABLE, share=Share.SWEEP, query={"expand": expand}, body_limit=CATALOGUE_LIMIT, tries=TRIES
    )
    wire, _ = pieces.salvage(answer.body, _CATALOGUE)
    if wire is None:
        raise BadAnswer(f"{api.host} listed topics in a form that no document describes.")
    return [
        AvailableTopic(each.id, permissions_in(_required(each)), tuple(each.transports or ()))
        for each in wire.entities or ()
        if each.id
    ]


async def _subscribe(
    api: ApiClient, method: str, channel: Channel, token: Token | None, topics: Sequence[str]
) -> list[TopicAnswer]:
    answer = await api.call(
        method,
        SUBSCRIPTIONS,
        share=Share.SUBSCRIBE,
        ids=(channel.id,),
        query={"ignoreErrors": True},
        json=[{"id": topic} for topic in topics],
        token=token,
        body_limit=BODY_LIMIT,
        tries=TRIES,
    )
    return _answers(api, answer.body)


def _answers(api: ApiClient, body: bytes) -> list[TopicAnswer]:
    wire, _ = pieces.salvage(body, _TOPICS)
    if wire is None:
        raise BadAnswer(f"{api.host} answered for topics in a form that no document describes.")
    return [
        TopicAnswer(
            each.id,
            (each.state or "permitted").lower() == "permitted",
            _plain(each.rejection_reason),
            permissions_in(each.missing_permissions),
        )
        for each in wire.entities or ()
        if each.id
    ]


def _required(topic: _Available) -> list[str]:
    details = [name for each in topic.permission_details or () for name in each.permissions or ()]
    return [*(topic.requires_permissions or ()), *details]


def _plain(reason: str | None) -> str:
    """The platform's words in printable ASCII, cut: they may reach a log."""
    return "".join(letter if " " <= letter <= "~" else " " for letter in (reason or "")[:_REASON]).strip()


def _channel(wire: _Channel) -> Channel:
    return Channel(Secret(wire.id or ""), Secret(wire.connect_uri or ""), times.to_ms(wire.expires))
