"""The stand-in itself: one port for OAuth, REST, the transcripts endpoint and notification channels, inside the
caller's event loop.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any

import anyio
from websockets.server import ServerProtocol

from genscribe import clock
from genscribe.emulator import directory
from genscribe.emulator.answers import Desk, Reply, Request, place_of
from genscribe.emulator.broadcast import Broadcast
from genscribe.emulator.calls import Call
from genscribe.emulator.channels import Channels
from genscribe.emulator.connection import Connection
from genscribe.emulator.conversation import VOICE, fresh_uuid
from genscribe.emulator.door import Door
from genscribe.emulator.faults import Orders, Stage
from genscribe.emulator.ledger import LIMIT, Closure, Emission, Ledger
from genscribe.emulator.limits import Limits
from genscribe.emulator.notifications import Asked, Notifications
from genscribe.emulator.organisation import Organisation
from genscribe.emulator.platform import DEFAULT_CONVERSATION, STREAM, Answer, Line, Platform, target_of
from genscribe.emulator.relay import Relay
from genscribe.emulator.script import play
from genscribe.emulator.staging import Scene, perform
from genscribe.emulator.streaming import Streaming
from genscribe.emulator.topics import TOPICS, transcription
from genscribe.errors import ConfigError
from genscribe.secrets import Secret

PERMISSIONS = directory.PERMISSIONS | {permission for topic in TOPICS for permission in topic.permissions}
"""All that anything here asks for."""


class Emulator:
    """A stand-in of Genesys Cloud on loopback. Every method is called on the event loop that started it.

    Args:
        host, port: Where to listen; port 0 takes a free one.
        client_id, client_secret: The one OAuth client it knows.
        script: Calls to play from `start` on, as `script.schedule` or `script.arrange` make them; `None` is silence.
        speed: How many times faster than life `script` is played.
        expires_in: Seconds a token lives; `platform.expires_in` changes it later.
        auth: Which client authentication is taken: `basic`, `form`, `both`.
        close_on_expiry: Close a live connection of the transcripts endpoint with 1008 when its token ends.
        tls: Serve TLS with this context.
        ledger_limit: Records of each sort that the ledger keeps; `None` = all.
        transcripts: Whether there is the mission's endpoint; a real organisation answers 404 there.
        rate_limit: Requests of the API a minute and token.
        channel_quota: Notification channels that there may be.
        channel_life_s: Seconds a channel lives after it was made or last subscribed.
        heartbeat_s: Seconds between the heartbeats of a channel.
        session_end_delay_s: From the end of a conversation to the word that its transcription has ended.
        organisation: Queues, users and conversations; `None` makes the usual ones.

    Attributes:
        permissions: What the client may do; all that is needed at first. Change it in place.
        forbidden_topics: Topics that are refused in spite of that. Change it in place.
        streaming, channels: The notification channels; `streaming.silent` and `streaming.close_codes` say what becomes
            of the socket of a channel that ends.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        client_id: str = "demo",
        client_secret: Secret | str = "demo",  # noqa: S107 - a stand-in's
        script: Iterable[Call] | None = None,
        speed: float = 1.0,
        expires_in: float = 86400,
        auth: str = "both",
        close_on_expiry: bool = False,
        tls: ssl.SSLContext | None = None,
        ledger_limit: int | None = LIMIT,
        transcripts: bool = True,
        rate_limit: int = 300,
        channel_quota: int = 20,
        channel_life_s: float = 86_400,
        heartbeat_s: float = 30.0,
        session_end_delay_s: float = 1.0,
        organisation: Organisation | None = None,
    ) -> None:
        secret = client_secret if isinstance(client_secret, Secret) else Secret(client_secret)
        self.client_id = client_id
        self.client_secret = secret
        self.close_on_expiry = close_on_expiry
        self.platform = Platform(client_id, secret, expires_in, auth)
        self.ledger = Ledger(ledger_limit)
        self.connections: list[Connection] = []
        """The open connections, oldest first."""
        self.permissions: set[str] = set(PERMISSIONS)
        self.forbidden_topics: set[str] = set()
        self.organisation = Organisation() if organisation is None else organisation
        self._orders = Orders()
        self.channels = Channels(channel_quota, channel_life_s)
        self._notifications = Notifications(self.channels, self.permissions, self.forbidden_topics)
        self.streaming = Streaming(self.platform, self._notifications, self.ledger, self._orders, heartbeat_s)
        self.streaming.notify = self._notify
        self.relay = Relay(self.organisation, self.streaming, self._orders, session_end_delay_s)
        self._desk = Desk(
            self.platform,
            self._orders,
            self.ledger,
            transcripts=transcripts,
            branches=(self._channels, self._directory),
            limits=Limits(rate_limit),
            knows=self._knows,
            revoked=self.streaming.revoked,
            sent=self._sent,
        )
        self._host, self._port, self._tls = host, port, tls
        self._script, self._speed = script, speed
        self._broadcast = Broadcast(self.platform, self.ledger, self._orders, lambda: self.connections)
        self._door = Door(self._desk, self._websocket, self._notify)
        self._playing: asyncio.Task[None] | None = None
        self._lasting: list[Connection] = []
        self._opened = 0
        self._changed = asyncio.Event()

    # Life.

    async def start(self) -> None:
        """Listens, and begins to play the script if there is one. Raises `OSError` when the port is taken."""
        self._port = await self._door.open(self._host, self._port, self._tls)
        self._notifications.base = self.url.replace("http", "ws", 1)
        if self._script is not None:
            self._playing = asyncio.get_running_loop().create_task(self.play(self._script, self._speed))

    async def aclose(self) -> None:
        """Closes every connection with 1001 and stops listening; idempotent. An error of the script is raised here."""
        playing, self._playing = self._playing, None
        if playing is not None:
            playing.cancel()
        self.streaming.stop()
        self.relay.stop()
        self._door.shut()
        for connection in list(self.connections):
            connection.close(1001)
        await self._door.aclose()
        if playing is not None:
            await _outcome(playing)

    async def __aenter__(self) -> Emulator:  # noqa: PYI034 - `Self` is not in Python 3.10's typing
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`; the same for login, API and WebSocket. Of all addresses, the one of this machine."""
        address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._host, self._host)  # noqa: S104  # to dial, not to bind
        host = f"[{address}]" if ":" in address else address
        return f"{'http' if self._tls is None else 'https'}://{host}:{self._port}"

    def settings(self) -> dict[str, str]:
        """The platform settings that point genscribe at this stand-in."""
        return {
            "GENESYS_CLIENT_ID": self.client_id,
            "GENESYS_CLIENT_SECRET": self.client_secret.reveal(),
            "GENESYS_LOGIN_URL": self.url,
            "GENESYS_API_URL": self.url,
        }

    @property
    def rate_limit(self) -> int:
        """Requests of the API a minute and token; may be set at any time, as may `transcripts`."""
        return self._desk.limits.allowed

    @rate_limit.setter
    def rate_limit(self, allowed: int) -> None:
        self._desk.limits.allowed = allowed

    @property
    def transcripts(self) -> bool:
        """Whether there is the mission's endpoint."""
        return self._desk.transcripts

    @transcripts.setter
    def transcripts(self, there: bool) -> None:
        self._desk.transcripts = there

    @property
    def gone_status(self) -> int:
        """How the handshake of a channel that there is not is refused: 404, or 401; which, no document says."""
        return self._desk.gone_status

    @gone_status.setter
    def gone_status(self, status: int) -> None:
        self._desk.gone_status = status

    # Speech.

    def say(
        self,
        text: str | None,
        *,
        conversation: str = DEFAULT_CONVERSATION,
        speaker: str | None = "agent",
        media_type: str = "voice",
        at: int | None = None,
        type: str | None = "final",  # noqa: A002 - the endpoint's word
        interim: bool = False,
        utterance_id: str | None = None,
        duration_ms: int = 0,
    ) -> Emission:
        """One line, now, to every connection whose filters let it through, and to every channel that has its topic.

        A conversation that is not known begins with it. In a text conversation it is a message, by a queue's event.

        Args:
            text: The words; `None` is null on the transcripts endpoint, and nothing on a channel.
            conversation: Any id.
            speaker: `agent`, `customer`, another word for a machine; `customer` is the external side of a call.
            media_type: Of a conversation that begins.
            at: When it was said, epoch milliseconds; `None` is now.
            type: `system` is a line that no person said; channels do not have it.
            interim: Not final: on channels only. The final of it has the same `utterance_id`.
            utterance_id: As the transcription has it; `None` makes one.
            duration_ms: How long it took to say.
        """
        stamp = None if at is None else clock.iso(at)
        line = Line(text, speaker, type, stamp)
        if interim:
            said = self._broadcast.entry(clock.wall_ms(), conversation, media_type, line)
        else:
            said = self._broadcast.frame([line], conversation, media_type)[0]
        said.interim, said.utterance_id = interim, utterance_id
        self.relay.say(said, at, duration_ms)
        self._notify()
        return said

    def emit(
        self, lines: Sequence[Line], *, conversation: str = DEFAULT_CONVERSATION, media_type: str = "voice"
    ) -> list[Emission]:
        """One frame of these lines on the transcripts endpoint; on channels an event a line."""
        said = self._broadcast.frame(lines, conversation, media_type)
        for entry in said:
            self.relay.say(entry, None)
        self._notify()
        return said

    # What happens to conversations. The organisation can do more; do it there, the topics are told all the same.

    def begin(
        self,
        conversation: str | None = None,
        *,
        queue: str | None = "Support",
        media_type: str = "voice",
        agent: str | None = None,
        connected: bool = True,
        direction: str = "inbound",
        **more: Any,
    ) -> str:
        """A conversation begins; returns its id.

        Args:
            conversation: Its id; `None` makes one.
            queue: Name or id; `None` is a direct call.
            media_type: `voice`, `message` (or `chat`, which is the same) or another of the platform's.
            agent: Name or id; `None` takes turns.
            connected: Whether the agent has answered.
            direction: `inbound` or `outbound`.
            **more: As `Organisation.begin` has it.

        Raises:
            ConfigError: It is live already, or a name is not known; so do all.
        """
        identity = fresh_uuid() if conversation is None else conversation
        self.organisation.begin(
            identity,
            now=clock.wall_ms(),
            queue=queue,
            media_type=media_type,
            agent=agent,
            connected=connected,
            direction=direction,
            **more,
        )
        return identity

    def connect(self, conversation: str, *, agent: str | None = None) -> None:
        """An agent answers."""
        self.organisation.connect(conversation, now=clock.wall_ms(), agent=agent)

    def transfer(
        self, conversation: str, *, queue: str | None = None, agent: str | None = None, connected: bool = True
    ) -> None:
        """The agent hands the caller on, to a queue or to another agent."""
        self.organisation.transfer(conversation, now=clock.wall_ms(), queue=queue, agent=agent, connected=connected)

    def consult(self, conversation: str, *, agent: str | None = None) -> None:
        """The agent asks another one for advice."""
        self.organisation.consult(conversation, now=clock.wall_ms(), agent=agent)

    def message(self, text: str, conversation: str, speaker: str = "customer") -> str:
        """A text message is sent; returns its id."""
        self.say(text, conversation=conversation, speaker=speaker, media_type="chat")
        return self.organisation.conversations[conversation].messages[-1].id

    def end(self, conversation: str = DEFAULT_CONVERSATION) -> None:
        """The conversation is over. The transcripts endpoint has no word for that: it only falls silent."""
        self.platform.end(conversation)
        self.organisation.end(conversation, now=clock.wall_ms())

    def send(self, raw: str | bytes) -> None:
        """One frame exactly as given, text or binary, to every connection."""
        self._broadcast.send(raw)

    async def flood(self, frames: Iterable[bytes], rate: float | None = None) -> int:
        """Sends pre-built frames to every connection, as fast as clients read.

        Args:
            frames: As `wire.text(payload)` makes them.
            rate: Frames a second; `None` is full speed.

        Returns:
            How many frames were sent.
        """
        return await self._broadcast.flood(frames, rate)

    async def play(self, calls: Iterable[Call], speed: float = 1.0, *, ring_s: float = 0.0) -> None:
        """Plays calls on both interfaces, see `script.play`."""
        await play(self, calls, speed, self._act, ring_s=ring_s)

    # Faults.

    def fault(
        self, name: str, *, times: int | str | None = "default", connection: int | None = None, **settings: Any
    ) -> None:
        """Orders a fault.

        Args:
            name: A name of `FAULTS`, any status from 400 to 599, or any close code from 1000 to 4999.
            times: How often; `None` until lifted; the default is once for nearly all.
            connection: Only the connection of this number.
            settings: The fault's own, such as `at="token"`, `retry_after=3`, `code=1012`, `after=5`.

        Raises:
            ConfigError: The fault or one of its settings does not exist.
        """
        order = self._orders.place(name, times=times, connection=connection, **settings)
        if order.fault.stage is Stage.CHANNEL:
            struck = self.streaming.concerned(order)
            for known in struck:
                self.streaming.struck(known, order)
        elif order.fault.stage is Stage.CONNECTION and order.name != "flap":
            struck = [known for known in self.connections if order.concerns(known.number)]
            for known in struck:
                known.strike(order)
        else:
            return
        if struck:
            order.use()
        self._notify()

    def lift(self, name: str | None = None) -> None:
        """Ends the faults of this name, or all; what they held back goes out."""
        self._orders.lift(name)
        for connection in self._lasting:
            connection.lift(name)

    def revoke(self, token: str | None = None) -> None:
        """Makes a token, or all of them, invalid from now on: its channels end, live connections of the transcripts
        endpoint stay unless `close_on_expiry`.
        """
        self.platform.revoke(token)
        self.streaming.revoked(token)
        if self.close_on_expiry:
            for connection in list(self.connections):
                if token in (None, connection.token):
                    connection.close(1008)

    # Waiting.

    async def wait_connected(self, n: int = 1, *, within_s: float = 10) -> None:
        """Waits until at least `n` connections are open. Raises `TimeoutError` after `within_s` seconds, as do all."""
        await self.wait_until(lambda: len(self.connections) >= n, within_s=within_s)

    async def wait_disconnected(self, n: int = 0, *, within_s: float = 10) -> None:
        """Waits until at most `n` connections are open."""
        await self.wait_until(lambda: len(self.connections) <= n, within_s=within_s)

    async def wait_token_requests(self, n: int, *, within_s: float = 10) -> None:
        """Waits until `n` token requests were made, counted from the start."""
        await self.wait_until(lambda: self.ledger.token_count >= n, within_s=within_s)

    async def wait_handshakes(self, n: int, *, within_s: float = 10) -> None:
        """Waits until `n` WebSocket handshakes were asked for, counted from the start."""
        await self.wait_until(lambda: self.ledger.handshake_count >= n, within_s=within_s)

    async def wait_subscribed(self, conversation: str = DEFAULT_CONVERSATION, *, within_s: float = 10) -> None:
        """Waits until a channel with a socket has the conversation's topic."""
        topic = transcription(conversation)
        await self.wait_until(lambda: self.channels.holds(topic), within_s=within_s)

    async def wait_topics(self, n: int, *, within_s: float = 10) -> None:
        """Waits until channels have at least `n` different topics."""
        await self.wait_until(lambda: self.channels.topic_count >= n, within_s=within_s)

    async def wait_until(self, condition: Callable[[], bool], *, within_s: float = 10) -> None:
        """Waits for a condition over ledger, channels and connections, looked at after each thing that happens."""
        with anyio.fail_after(within_s):
            while not condition():
                await self._changed.wait()

    # Inside.

    async def _websocket(
        self, request: Request, protocol: ServerProtocol, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._opened += 1
        path, query = target_of(request.target)
        token = query.pop("access_token", None)
        connection = Connection(self._opened, writer, protocol, query, token, self._ended)
        connection.channel = path.removeprefix(STREAM) if path.startswith(STREAM) else None
        self.connections.append(connection)
        self._lasting.append(connection)
        self._desk.shook(request, 101, connection.number)
        if connection.channel is not None:
            self.streaming.open(connection, connection.channel)
        elif self.close_on_expiry:
            now = asyncio.get_running_loop().time()
            end = self.platform.expiry(connection.token, now) or now
            connection.after(end - now, lambda: connection.close(1008))
        for order in self._orders.opening(connection.number):
            connection.strike(order)
        if connection.channel is not None:
            for order in self._orders.opening(connection.number, Stage.CHANNEL):
                self.streaming.struck(connection, order)
        self._notify()
        try:
            await connection.run(reader)
        finally:
            self._lasting.remove(connection)

    def _act(self, call: Call, scene: Scene, at: int) -> None:
        if scene.act == "end" and call.media_type != VOICE:
            return  # Its last messages are still to be sent; `end` comes after them.
        with suppress(ConfigError):  # A file may have an id twice; then the two are one conversation.
            perform(self.organisation, call, scene, at)

    def _channels(self, asked: Asked) -> Answer | None:
        self.streaming.expire()
        return self._notifications.answer(asked)

    def _directory(self, asked: Asked) -> Answer | None:
        return directory.answer(
            self.organisation,
            asked.method,
            asked.path,
            asked.query,
            asked.body,
            clock.wall_ms(),
            frozenset(self.permissions),
        )

    def _knows(self, channel: str) -> bool:
        self.streaming.expire()
        return self.channels.find(channel) is not None

    def _sent(self, request: Request, reply: Reply) -> None:
        """The client has been told: from now on it may rely on the topics it was given."""
        path, _ = target_of(request.target)
        confirmed = request.method in ("POST", "PUT") and reply.answer is not None and reply.answer.status == 200
        if confirmed and place_of(path, request.method) == "subscriptions":
            channel = self.channels.find(path.split("/")[-2])
            if channel is not None:
                self.streaming.confirm(channel.names)

    def _ended(self, closure: Closure) -> None:
        self.streaming.close(closure.connection)
        self.connections = [known for known in self.connections if known.number != closure.connection]
        self.ledger.closures.append(closure)
        self._notify()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


async def _outcome(task: asyncio.Task[None]) -> None:
    """Waits for a cancelled task and raises its own error, if it had one."""
    await asyncio.wait([task])
    if not task.cancelled():
        task.result()
