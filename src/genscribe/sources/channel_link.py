"""One open socket of one channel: it hands over what is said, obeys what is said of the channel, and tells its end."""

from __future__ import annotations

from dataclasses import dataclass, field

import anyio

from genscribe import clock
from genscribe.core.channel import Action, ChannelLife, Decision, Happened
from genscribe.core.decode import notifications as decode
from genscribe.core.subscriptions import Subscribed
from genscribe.errors import Disconnected, GenscribeError, Unauthorized
from genscribe.genesys.notifications import Channel
from genscribe.genesys.oauth import Token, TokenManager
from genscribe.sources.base import Binary, Frame
from genscribe.sources.websocket import Socket

PING = '{"message":"ping"}'
"""Answered with a pong on `channel.metadata`. [genesys-cloud.md 2.4]"""
_CONTROL = (b'"channel.metadata"', b'"v2.system.', b'"result"')
_CONTROL_BYTES = 4096


@dataclass(eq=False)
class ChannelLink:
    """One open socket of one channel (see `sources.base.Link`)."""

    socket: Socket
    channel: Channel
    token: Token
    own: bool
    """`token` made the channel; otherwise a token of an earlier run did."""
    life: ChannelLife
    subscribed: Subscribed
    tokens: TokenManager
    turn: anyio.Semaphore
    """One handover at a time, over all channels."""
    reconciled_at: float = field(default_factory=anyio.current_time, init=False)
    open: bool = field(default=True, init=False)
    lost: Decision | None = field(default=None, init=False)
    """Why it ended, once it has."""
    _dead_since: int | None = field(default=None, init=False)
    _frame_at: int = field(default_factory=lambda: clock.wall_ms(), init=False)
    _due: anyio.Event = field(default_factory=anyio.Event, init=False)
    _why: str = field(default="", init=False)
    _turn: bool = field(default=False, init=False)

    @property
    def heard_at(self) -> int:
        """Epoch milliseconds of the last sign of life; of the last frame when the channel died behind its socket."""
        return self.socket.heard_at if self._dead_since is None else self._dead_since

    async def receive(self) -> list[Frame]:
        """The frames that have arrived, without those about the channel itself."""
        try:
            frames = await self.socket.receive()
        except (Disconnected, Unauthorized) as error:
            raise self._ended(error) from None
        self._frame_at = self.socket.heard_at
        self._obey(self.life.on(Happened.FRAME, anyio.current_time()))
        return [frame for frame in frames if not self._controls(frame)]

    def _ended(self, error: Disconnected | Unauthorized) -> Disconnected:
        """How the socket's end is told; a Close of 1008 is the channel's end, not that of the token we hold."""
        code = error.code if isinstance(error, Disconnected) else 1008
        if self.lost is not None:  # by our own reckoning: the socket only followed
            return Disconnected(self.lost.why, code=code)
        self.lost = self.life.on(Happened.CLOSED, anyio.current_time(), code=code)
        if error.reason == "silent":
            self.lost = self.lost._replace(gap_reason="silent")
        return Disconnected(f"{error.message} {self.lost.why}".strip(), code=code, advice=error.advice)

    def _controls(self, frame: Frame) -> bool:
        """Whether a frame is about the channel; then it is obeyed here."""
        if len(frame) > _CONTROL_BYTES or isinstance(frame, Binary) or not any(word in frame for word in _CONTROL):
            return False
        messages = decode.decode(frame, binary=False, received_at=clock.now()).messages
        return bool(messages) and all(map(self._obeys, messages))

    def _obeys(self, message: decode.Message) -> bool:
        """Whether it was for us."""
        happened = _HAPPENED.get(type(message))
        if isinstance(message, decode.Lost):
            revoked = "token_revoked" in message.topic or "token" in message.reason
            happened = Happened.REVOKED if revoked else Happened.TAKEN
            if revoked:
                self.tokens.drop(self.token)
        elif isinstance(message, decode.Reply) and message.result == 404:
            happened = Happened.GONE
        if happened is None:
            return False
        self._obey(self.life.on(happened, anyio.current_time()))
        return True

    def replace(self, why: str) -> None:
        """It should be replaced while it still works."""
        if not self._due.is_set():
            self._why = why
            self._due.set()

    def _obey(self, decision: Decision) -> None:
        if decision.action is Action.REPLACE:
            self.replace(decision.why)
        elif decision.action in (Action.RECONNECT, Action.RENEW) and self.lost is None:
            self.lost = decision
            self._dead_since = self._frame_at
            self.socket.give_up()

    async def keepalive(self) -> None:
        """Watches socket and heartbeat until cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.socket.keepalive)
            await self._watch()

    async def _watch(self) -> None:
        while True:
            await anyio.sleep(max(0.05, self.life.due(anyio.current_time())))
            decision = self.life.on(Happened.TIMER, anyio.current_time())
            if decision.action is Action.PING:
                try:
                    await self.socket.send(PING)
                except GenscribeError:
                    return  # `receive` says why
            else:
                self._obey(decision)

    async def handover_due(self) -> str:
        """Waits until the channel should be replaced, and until it is its turn.

        Raises:
            Fatal: There will be no other token.
        """
        fatal: GenscribeError | None = None

        async def renewal() -> None:
            nonlocal fatal
            try:
                await self.tokens.renewed(self.token)
                self._obey(self.life.on(Happened.RENEWED, anyio.current_time()))
            except GenscribeError as error:  # raised here it would leave as a group
                fatal = error
                self._due.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(renewal)
            await self._due.wait()
            tasks.cancel_scope.cancel()
        if fatal is not None:
            raise fatal
        await self.turn.acquire()
        self._turn = True
        return self._why

    async def ping(self) -> None:
        """One ping of the socket and its pong."""
        await self.socket.ping()

    async def aclose(self) -> None:
        """Closes with 1000, and passes the turn on."""
        self.open = False
        if self._turn:
            self._turn = False
            self.turn.release()
        await self.socket.aclose()


_HAPPENED = {
    decode.Heartbeat: Happened.FRAME,
    decode.Pong: Happened.PONG,
    decode.Closing: Happened.CLOSING,
}
