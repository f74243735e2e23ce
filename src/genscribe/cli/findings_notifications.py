"""What `genscribe check` looks at for the source `notifications`: the road of a run, one step a function.

It makes at most one notification channel, subscribes two topics to it for a moment and takes them back. The platform
has no call that removes a channel; it ends with its token. Where all channels of the client are in use none is made,
because the platform would silently end another one for it.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from typing import TypeVar
from urllib.parse import urlsplit

import anyio

from genscribe import clock
from genscribe.cli.finding import Finding, Show, failed
from genscribe.core.limits import Share
from genscribe.core.subscriptions import TopicAnswer
from genscribe.core.tokens import Token
from genscribe.errors import (
    EndpointMissing,
    GenscribeError,
    NotFound,
    NotPermitted,
    Unauthorized,
    Unreachable,
)
from genscribe.genesys import conversations, directory, notifications, permissions
from genscribe.genesys.api import ApiClient
from genscribe.genesys.directory import Queue, TranscriptionSettings
from genscribe.genesys.notifications import SUBSCRIPTIONS, AvailableTopic, Channel
from genscribe.genesys.permissions import PERMISSIONS, Need, Permission
from genscribe.sources.websocket import Dialer, Socket
from genscribe.telemetry import admin
from genscribe.telemetry.base import counted
from genscribe.telemetry.notifications import CHANNELS_A_CLIENT, MANY_CHANNELS

STEP_DEADLINE_S = 30.0
PONG_DEADLINE_S = 10.0
PING = '{"message":"ping"}'
"""Answered with a pong on `channel.metadata`. [Genesys Cloud: notifications]"""

CALLS = "v2.conversations.{id}.transcription"
QUEUE = "v2.routing.queues.{id}.conversations"

T = TypeVar("T")


async def of_notifications(api: ApiClient, token: Token, dialer: Dialer, show: Show) -> None:
    """Walks the road of a run.

    Args:
        api: Has a token manager that runs.
        token: The one that the channel is made with.
        dialer: Opens the channel's WebSocket.
        show: Takes the findings.
    """
    queues = await _queues(api, show)
    await _live(api, show)
    asked = await _catalogue(api, show)
    channel = await _channel(api, token, show)
    if channel is None:
        for what in ("hearing queues", "hearing calls", "WebSocket"):
            show(Finding(what, None, "not tried without a channel."))
    else:
        try:
            await _trial(api, token, channel, queues, asked, show)
            await _websocket(dialer, channel, show)
        finally:
            await _clear(api, token, channel)
    await _settings(api, queues, show)
    text = f"not tried: takes a conversation. A run needs {permissions.TEXTS.name}."
    show(Finding("text of messages", None, text))


async def _step(what: str, step: Awaitable[T], show: Show, permission: Permission | None = None) -> T | None:
    """The outcome of a step; `None` when it failed, which is shown."""
    try:
        with anyio.fail_after(STEP_DEADLINE_S):
            return await step
    except TimeoutError:
        show(Finding(what, False, f"no answer within {STEP_DEADLINE_S:.0f} s.", "Try again later.", 1))
    except NotPermitted as error:
        show(_forbidden(what, error, permission))
    except GenscribeError as error:
        show(failed(what, error))
    return None


def _forbidden(what: str, error: NotPermitted, permission: Permission | None) -> Finding:
    if permission is None:
        return failed(what, error)
    if permission.need is Need.OPTIONAL:
        return Finding(what, None, f"not known: {permission.name} is missing, and {permission.without}.")
    advice = f"{permissions.advice(permission)} Without it {permission.without}."
    return Finding(what, False, error.message, advice, error.exit_code)


async def _queues(api: ApiClient, show: Show) -> Sequence[Queue]:
    queues = await _step("queues", directory.queues(api), show, permissions.QUEUES)
    if queues is not None:
        show(of_queues(queues))
    return queues or ()


def of_queues(queues: Sequence[Queue]) -> Finding:
    """How much of the organisation is visible."""
    if not queues:
        advice = f"{permissions.advice(permissions.QUEUES)} Or there are none."
        return Finding("queues", False, "no queue is visible.", advice, NotPermitted.exit_code)
    divisions = sorted({queue.division_name or queue.division_id or "?" for queue in queues})
    named = ", ".join(divisions[:5]) + (", …" if len(divisions) > 5 else "")
    return Finding(
        "queues",
        True,
        f"{counted(len(queues), 'queue')} visible in {counted(len(divisions), 'division')} ({named}). Calls of other "
        f"divisions will not be heard: grant the role there ({admin.DIVISIONS}).",
    )


async def _live(api: ApiClient, show: Show) -> None:
    what = "live conversations"
    page = await _step(what, conversations.live(api, page=1), show, permissions.SWEEPS)
    if page is not None:
        number = len(page.snapshots) if page.total is None else page.total
        show(Finding(what, True, f"{number} in progress."))


async def _catalogue(api: ApiClient, show: Show) -> Sequence[AvailableTopic]:
    topics = await _step("topics", notifications.available_topics(api), show)
    if topics is not None:
        show(of_catalogue(topics))
    return topics or ()


def of_catalogue(topics: Sequence[AvailableTopic]) -> Finding:
    """Whether the platform has the topics that we need, and what it asks for them."""
    listed = {topic.id: topic.permissions for topic in topics}
    missing = [topic for topic in (CALLS, QUEUE) if topic not in listed]
    if missing:
        return Finding(
            "topics",
            False,
            f"this organisation does not offer {' and '.join(missing)}.",
            "Ask the platform's support: its list of topics (availabletopics) lacks it.",
            EndpointMissing.exit_code,
        )
    needed = ", ".join(dict.fromkeys([*listed[CALLS], *listed[QUEUE]])) or "nothing"
    return Finding("topics", True, f"offered; they ask for {needed}.")


# One channel.


async def _channel(api: ApiClient, token: Token, show: Show) -> Channel | None:
    """A channel of this token: an idle one, or a new one; `None` when there is none to be had."""
    what = "channels"
    listed = await _step(what, notifications.list_channels(api, token=token), show)
    if listed is None:
        return None
    idle = await _idle(api, token, [each for each in listed if each.connect_uri.reveal()])
    show(of_channels(len(listed), reused=idle is not None))
    if idle is not None or len(listed) >= CHANNELS_A_CLIENT:
        return idle
    return await _step("channel", notifications.create_channel(api, token), show)


def of_channels(number: int, *, reused: bool = False) -> Finding:
    """How many of the client's channels are in use."""
    text = f"{number} of {CHANNELS_A_CLIENT} of this OAuth client are in use"
    advice = f"Give genscribe an OAuth client that nothing else uses: {admin.OAUTH}. Channels end within a day."
    if number >= CHANNELS_A_CLIENT and not reused:
        return Finding("channels", False, f"{text}: one more would end another, so none is made.", advice, 1)
    if number >= MANY_CHANNELS:
        return Finding("channels", False, f"{text}; beyond that the platform ends others.", advice)
    made = "one that is idle is used" if reused else "one more is made, which ends by itself"
    return Finding("channels", True, f"{text}; {made}.")


async def _idle(api: ApiClient, token: Token, channels: Sequence[Channel]) -> Channel | None:
    """One without topics: to connect to a channel that somebody uses would end his connection."""
    for channel in channels:
        with suppress(GenscribeError), anyio.move_on_after(STEP_DEADLINE_S):
            if not await notifications.topics_of(api, channel, token):
                return channel
    return None


async def _clear(api: ApiClient, token: Token, channel: Channel) -> None:
    """Takes the trial's topics back; a channel that is left over hears nothing."""
    with anyio.move_on_after(STEP_DEADLINE_S), suppress(GenscribeError):
        await api.call(
            "DELETE", SUBSCRIPTIONS, share=Share.SUBSCRIBE, ids=(channel.id,), token=token, ok=(200, 202, 204), tries=2
        )


async def _trial(
    api: ApiClient,
    token: Token,
    channel: Channel,
    queues: Sequence[Queue],
    asked: Sequence[AvailableTopic],
    show: Show,
) -> None:
    """Subscribes to a conversation that does not exist, and to a queue."""
    call = CALLS.format(id=uuid.UUID(hex=clock.fresh_id()))
    queue = QUEUE.format(id=queues[0].id if queues else uuid.UUID(hex=clock.fresh_id()))
    what = "subscribing"
    answers = await _step(what, notifications.add_topics(api, channel, token, [call, queue]), show)
    if answers is None:
        return
    said = {answer.id: answer for answer in answers}
    needed = {topic.id: topic.permissions for topic in asked}
    show(of_topic("hearing queues", QUEUE, said.get(queue), needed.get(QUEUE, ())))
    show(of_topic("hearing calls", CALLS, said.get(call), needed.get(CALLS, ())))


def of_topic(what: str, topic: str, answer: TopicAnswer | None, needed: Sequence[str] = ()) -> Finding:
    """Whether a topic may be subscribed.

    Args:
        what: The finding's name.
        topic: The topic with `{id}`.
        answer: What the platform said of it; `None` = nothing.
        needed: What its list of topics says that it asks for.
    """
    if answer is None:
        return Finding(what, None, f"not known: the platform did not say whether {topic} is permitted.")
    if answer.permitted:
        return Finding(what, True, f"{topic} is permitted.")
    missing = answer.missing_permissions or tuple(needed)
    reason = f" ({answer.reason})" if answer.reason and not missing else ""
    text = f"{topic} is forbidden: {', '.join(missing) or 'the platform does not say what'} is missing{reason}."
    known = [row for row in PERMISSIONS if any(name in missing for name in row.names)]
    if known:
        advice = " ".join(f"{permissions.advice(row)} Without it {row.without}." for row in known)
    else:
        advice = f"Add it to the client's role: {admin.ROLES}, in all divisions ({admin.DIVISIONS})."
    return Finding(what, False, text, advice, NotPermitted.exit_code)


async def _websocket(dialer: Dialer, channel: Channel, show: Show) -> None:
    what = "WebSocket"
    host = urlsplit(channel.connect_uri.reveal()).netloc
    proxy = "Let the firewall and the proxy pass WebSockets (HTTP Upgrade) to that host."
    try:
        with anyio.fail_after(STEP_DEADLINE_S):
            socket = await dialer.dial(channel.connect_uri)
            try:
                await _pong(socket)
            finally:
                await socket.aclose()
    except TimeoutError:
        show(Finding(what, False, f"{host} opens, and answers no ping.", proxy, Unreachable.exit_code))
    except (EndpointMissing, NotFound, NotPermitted, Unauthorized):
        # The dialer's words for these are those of the transcripts endpoint.
        show(Finding(what, False, f"{host} refuses a channel that was just made.", proxy, Unreachable.exit_code))
    except GenscribeError as error:
        show(Finding(what, False, error.message, error.advice or proxy, error.exit_code))
    else:
        show(Finding(what, True, f"{host} opens and answers a ping."))


async def _pong(socket: Socket) -> None:
    await socket.send(PING)
    with anyio.fail_after(PONG_DEADLINE_S):
        while not any(b"pong" in frame for frame in await socket.receive()):
            pass


# Settings.


async def _settings(api: ApiClient, queues: Sequence[Queue], show: Show) -> None:
    found = await _step("transcription", _readable(api), show, permissions.SETTINGS)
    if found is not None:
        for finding in of_settings(found, queues):
            show(finding)


async def _readable(api: ApiClient) -> TranscriptionSettings:
    """The settings; that an organisation does not show them is no fault of ours or theirs."""
    try:
        return await directory.transcription_settings(api)
    except NotFound:
        return TranscriptionSettings()


def of_settings(settings: TranscriptionSettings, queues: Sequence[Queue] = ()) -> list[Finding]:
    """Whether the organisation transcribes, and without delay."""
    if settings.transcription == "Disabled":
        return [
            Finding("transcription", False, "is off for the organisation.", f"Switch it on: {admin.TRANSCRIPTION}.", 1)
        ]
    return [_switched(settings, queues), _latency(settings)]


def _switched(settings: TranscriptionSettings, queues: Sequence[Queue]) -> Finding:
    what, word = "transcription", settings.transcription or "not told"
    told = [queue for queue in queues if queue.transcription is not None]
    on = sum(bool(queue.transcription) for queue in told)
    if not told:
        return Finding(what, True, f"{word}.")
    text = f"{word}; on for {on} of {counted(len(told), 'queue')}"
    if on == len(told):
        return Finding(what, True, f"{text}.")
    name = next(queue.name for queue in told if not queue.transcription)
    return Finding(
        what,
        False,
        f"{text}, such as not for {name}.",
        f"Switch it on for each that is to be heard: {admin.queue(name)}; or in the flow that leads there.",
    )


def _latency(settings: TranscriptionSettings) -> Finding:
    what = "low latency"
    if settings.low_latency_transcription_enabled is None:
        return Finding(what, None, "not told.")
    if settings.low_latency_transcription_enabled:
        return Finding(what, True, "on: text comes 3 to 5 s after speech.")
    return Finding(
        what, False, "off: text comes up to 35 s after speech.", f"Switch Low Latency on: {admin.LOW_LATENCY}."
    )
