"""An organisation on the platform: its queues and users, its conversations and what happens to them. No I/O.

A reading of the platform's documents of its own. What they do not say is assumed: a consulted user is a participant of
the same conversation whose communication faces the one who asks; a participant's text messages are those it sent.
`now` is epoch milliseconds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

from genscribe.emulator.conversation import (
    CALLERS,
    TEXT,
    VOICE,
    Conversation,
    Leg,
    Message,
    Party,
    Queue,
    User,
    fresh_uuid,
)
from genscribe.emulator.premises import Premises, stable_id
from genscribe.errors import ConfigError

REMEMBERED = 5_000
"""Conversations that are over and still known; the oldest are forgotten first."""

Listener = Callable[[Conversation], None]


class Organisation(Premises):
    """Queues, users and conversations; every change is told to the listeners, after it took effect.

    Args:
        analytics_lag_s: How long after a change analytics shows it.
        transcribed: Whose communication carries a call's transcription, see `Conversation.transcribed`.

    Attributes:
        conversations: Those that are live, and the last that are over, by id.
        settings: What the transcription settings say.
    """

    def __init__(self, *, analytics_lag_s: float = 0, transcribed: str = "agent") -> None:
        super().__init__()
        self.id = stable_id("organisation", "stand-in")
        self.analytics_lag_s = analytics_lag_s
        self.transcribed = transcribed
        self.settings: dict[str, object] = {
            "transcription": "EnabledGlobally",
            "transcriptionConfidenceThreshold": 1,
            "lowLatencyTranscriptionEnabled": True,
            "contentSearchEnabled": True,
            "pciDssRedactionEnabled": False,
            "piiRedactionEnabled": False,
        }
        self.conversations: dict[str, Conversation] = {}
        self._over: deque[str] = deque()
        self._listeners: list[Listener] = []
        self._turn = 0

    def on_change(self, listener: Listener) -> None:
        """Calls `listener` with the conversation after each change, inside the call that made it."""
        self._listeners.append(listener)

    def live(self) -> Iterator[Conversation]:
        """The conversations that are not over."""
        return (conversation for conversation in self.conversations.values() if conversation.live)

    # What happens to a conversation.

    def begin(
        self,
        conversation_id: str,
        *,
        now: int,
        media_type: str = VOICE,
        queue: str | None = "Support",
        direction: str = "inbound",
        agent: str | None = None,
        connected: bool = True,
        language: str = "en-US",
        ivr: bool = False,
        caller: str | None = None,
    ) -> Conversation:
        """A conversation begins.

        Args:
            conversation_id: A new id, or that of a conversation that is over and is replaced.
            now: Epoch milliseconds.
            media_type: `voice`, `message`, or what else the platform has; `chat` is taken for `message`.
            queue: Name or id; `None` is a direct call, in which nobody is an agent or a customer.
            direction: `outbound` was dialled by the agent, on behalf of the queue if there is one.
            agent: Name or id; `None` takes turns.
            connected: Whether an agent has answered. If not, one is alerting; with `ivr` the caller is still there.
            language: The dialect of what will be said.
            ivr: Whether a flow comes before the queue.
            caller: A user who calls another, with `queue=None`: an internal call.

        Raises:
            ConfigError: It is live already, or queue, agent or caller do not exist.
        """
        known = self.conversations.get(conversation_id)
        if known is not None and known.live:
            raise ConfigError(f"conversation {conversation_id} is live already.")
        media = TEXT if media_type == "chat" else media_type
        conversation = Conversation(
            conversation_id, self.id, media, direction, language, now, transcribed=self.transcribed
        )
        target = None if queue is None else self.queue(queue)
        called = None if agent is None else self.user(agent)
        self._arrive(conversation, now, None if caller is None else self.user(caller), direct=target is None)
        if ivr and target is not None and direction == "inbound":
            conversation.bound_for = target
            self._join(conversation, "ivr" if media == VOICE else "workflow", now, name="Welcome", answered=True)
        if conversation.bound_for is None or connected:
            self._ring(conversation, now, target, called)
        if connected:
            self._answer(conversation, now)
        self.conversations.pop(conversation_id, None)
        self.conversations[conversation_id] = conversation
        return self._changed(conversation, now)

    def enqueue(
        self, conversation_id: str, *, now: int, queue: str | None = None, agent: str | None = None
    ) -> Conversation:
        """The caller leaves the flow (or the agent) and waits in a queue while an agent's telephone rings.

        `queue` is a name or id; `None` is the queue that `begin` named. Raises `ConfigError`, as do all, when the
        conversation is not live or a name is not known.
        """
        conversation = self._get(conversation_id)
        target = self.queue(queue) if queue is not None else conversation.bound_for or conversation.queue_at()
        called = None if agent is None else self.user(agent)
        self._ring(conversation, now, target, called)
        return self._changed(conversation, now)

    def connect(self, conversation_id: str, *, now: int, agent: str | None = None) -> Conversation:
        """An agent answers: the one who is alerting, or `agent` in his place."""
        conversation = self._get(conversation_id)
        ringing = conversation.ringing()
        called = None if agent is None else self.user(agent)
        if ringing is not None and called not in (None, ringing.user):
            ringing.leg.end(now, "transfer.noanswer")
            ringing = None
        if ringing is None:
            if not any(party.purpose == "acd" and party.leg.live for party in conversation.facing()):
                self._wait(conversation, now, conversation.bound_for or conversation.queue_at())
            self._alert(conversation, now, conversation.queue_at(), called)
        self._answer(conversation, now)
        return self._changed(conversation, now)

    def decline(self, conversation_id: str, *, now: int, agent: str | None = None) -> Conversation:
        """The agent who is alerting does not answer; another one is alerted, and the caller waits on."""
        conversation = self._get(conversation_id)
        ringing = conversation.ringing()
        if ringing is None:
            raise ConfigError(f"nobody is alerting in conversation {conversation_id}.")
        called = self._next_user(conversation) if agent is None else self.user(agent)
        ringing.leg.end(now, "transfer.noanswer")
        self._join(conversation, ringing.purpose, now, user=called, queue=ringing.queue)
        return self._changed(conversation, now)

    def transfer(
        self,
        conversation_id: str,
        *,
        now: int,
        queue: str | None = None,
        agent: str | None = None,
        connected: bool = True,
    ) -> Conversation:
        """The agent hands the caller on and leaves; the next one has a communication of his own.

        To a queue, where someone answers (`connected`) or is only alerting; to `agent` directly when `queue` is
        `None`; to one who is being consulted, who then takes over. Neither given: back to the same queue.
        """
        conversation = self._get(conversation_id)
        called = None if agent is None else self.user(agent)
        target = self.queue(queue) if queue is not None else conversation.queue_at()
        consulted = next((p for p in self._consulted(conversation) if called in (None, p.user)), None)
        if consulted is not None and queue is None:
            self._withdraw(conversation, now, "transfer.consult")
            consulted.consulted_for = None
            consulted.leg.peer_id, consulted.leg.facing_at = conversation.caller.leg.id, now
            self._release(conversation)
            return self._changed(conversation, now)
        for party in self._consulted(conversation):
            party.leg.end(now, "client")
        self._release(conversation)
        if queue is None and called is not None:
            self._withdraw(conversation, now, "transfer")
            self._alert(conversation, now, target, called)
        else:
            self._ring(conversation, now, target, called)
        if connected:
            self._answer(conversation, now)
        return self._changed(conversation, now)

    def consult(self, conversation_id: str, *, now: int, agent: str | None = None) -> Conversation:
        """The agent asks another user for advice while the caller hears music."""
        conversation = self._get(conversation_id)
        asking = conversation.agent
        if asking is None:
            raise ConfigError(f"no agent is connected in conversation {conversation_id}.")
        called = self._next_user(conversation) if agent is None else self.user(agent)
        advisor = self._join(conversation, asking.purpose, now, user=called, queue=asking.queue, answered=True)
        advisor.consulted_for = conversation.caller.id
        advisor.leg.peer_id, advisor.leg.facing_at = asking.leg.id, None
        conversation.caller.leg.confined = True
        return self._changed(conversation, now)

    def leave(self, conversation_id: str, *, now: int, agent: str | None = None) -> Conversation:
        """A user leaves and the conversation goes on: `agent`, or whoever joined last."""
        conversation = self._get(conversation_id)
        called = None if agent is None else self.user(agent)
        present = [party for party in conversation.parties[1:] if party.user is not None and party.leg.live]
        leaving = next((party for party in reversed(present) if called in (None, party.user)), None)
        if leaving is None:
            raise ConfigError(f"no such user is in conversation {conversation_id}.")
        leaving.leg.end(now, "client")
        if not self._consulted(conversation):
            self._release(conversation)
        return self._changed(conversation, now)

    def message(self, conversation_id: str, text: str, *, now: int, speaker: str = "customer") -> str:
        """A text message is sent; returns its id. `speaker` is `customer`, `agent`, or a word for a machine.

        Raises:
            ConfigError: It is no text conversation, or nobody of that sort takes part.
        """
        conversation = self._get(conversation_id)
        if conversation.media_type != TEXT:
            raise ConfigError(f"conversation {conversation_id} is not a text conversation.")
        party = _sender(conversation, speaker)
        if party is None:
            raise ConfigError(f"no {speaker} is connected in conversation {conversation_id}.")
        user = party.user if speaker == "agent" else None
        message = Message(fresh_uuid(), conversation_id, party.leg.id, speaker, text, now, user, conversation.caller.id)
        party.leg.messages.append(message)
        self._changed(conversation, now)
        return message.id

    def end(self, conversation_id: str, *, now: int) -> Conversation | None:
        """The conversation is over: nothing happens when it already was; `None` when it is not known."""
        conversation = self.conversations.get(conversation_id)
        if conversation is None or not conversation.live:
            return conversation
        for party in conversation.parties:
            party.leg.end(now, "peer" if party is conversation.caller else "client")
        conversation.ended_at = now
        self._over.append(conversation_id)
        while len(self._over) > REMEMBERED:
            self._forget(self._over.popleft())
        return self._changed(conversation, now)

    # Inside.

    def _get(self, conversation_id: str) -> Conversation:
        conversation = self.conversations.get(conversation_id)
        if conversation is None or not conversation.live:
            raise ConfigError(f"conversation {conversation_id} is not live.")
        return conversation

    def _changed(self, conversation: Conversation, now: int) -> Conversation:
        conversation.changed_at = now
        for listener in self._listeners:
            listener(conversation)
        return conversation

    def _forget(self, conversation_id: str) -> None:
        """One that began again under the same id is live, and stays."""
        conversation = self.conversations.get(conversation_id)
        if conversation is not None and not conversation.live:
            del self.conversations[conversation_id]

    def _arrive(self, conversation: Conversation, now: int, user: User | None, *, direct: bool) -> None:
        purpose = "user" if user is not None else "external" if direct else "customer"
        name = None if user is not None else "Mobile Number"
        answered = conversation.direction == "inbound"
        self._join(conversation, purpose, now, user=user, name=name, answered=answered)

    def _join(
        self,
        conversation: Conversation,
        purpose: str,
        now: int,
        *,
        user: User | None = None,
        queue: Queue | None = None,
        name: str | None = None,
        answered: bool = False,
    ) -> Party:
        initial = _initial_state(conversation, purpose)
        leg = Leg(fresh_uuid(), conversation.media_type, conversation.direction, initial, now)
        if answered:
            leg.connect(now)
        if conversation.parties:
            leg.peer_id = conversation.caller.leg.id
        party = Party(fresh_uuid(), purpose, leg, name or (user.name if user else None), user, queue)
        conversation.parties.append(party)
        return party

    def _ring(self, conversation: Conversation, now: int, queue: Queue | None, user: User | None) -> None:
        """Through the queue, if there is one, to a user whose telephone rings."""
        self._wait(conversation, now, queue)
        self._alert(conversation, now, queue, user)

    def _wait(self, conversation: Conversation, now: int, queue: Queue | None) -> None:
        """In the queue, but for a call that its agent dials on behalf of one."""
        dialled = conversation.direction == "outbound" and len(conversation.parties) == 1
        self._withdraw(conversation, now, "transfer")
        conversation.bound_for = None
        if queue is not None and not dialled:
            self._join(conversation, "acd", now, queue=queue, name=queue.name, answered=True)

    def _alert(self, conversation: Conversation, now: int, queue: Queue | None, user: User | None) -> None:
        purpose = "user" if queue is None else "agent"
        self._join(conversation, purpose, now, user=user or self._next_user(conversation), queue=queue)

    def _answer(self, conversation: Conversation, now: int) -> None:
        ringing = conversation.ringing()
        if ringing is None:
            return
        for party in conversation.facing():
            if party is not ringing:
                party.leg.end(now, "transfer")
        ringing.leg.connect(now)
        conversation.caller.leg.connect(now)

    def _withdraw(self, conversation: Conversation, now: int, why: str) -> None:
        for party in conversation.facing():
            party.leg.end(now, why)

    def _consulted(self, conversation: Conversation) -> list[Party]:
        return [party for party in conversation.parties if party.consulted_for is not None and party.leg.live]

    def _release(self, conversation: Conversation) -> None:
        conversation.caller.leg.confined = False

    def _next_user(self, conversation: Conversation) -> User:
        """In turn, and none who is in it."""
        users = list(self.users.values())
        present = {party.user for party in conversation.parties if party.leg.live}
        self._turn += 1
        following = [users[(self._turn + step) % len(users)] for step in range(len(users))]
        return next((user for user in following if user not in present), following[0])


def _initial_state(conversation: Conversation, purpose: str) -> str:
    """What is written knows only alerting; a call that is dialled is contacting here and dialing there."""
    ringing = purpose in ("agent", "user") and bool(conversation.parties)
    if conversation.media_type != VOICE or conversation.direction == "inbound":
        return "alerting" if ringing or conversation.media_type in (TEXT, "email") else "offering"
    return "contacting" if ringing else "dialing"


def _sender(conversation: Conversation, speaker: str) -> Party | None:
    if speaker in CALLERS:
        return conversation.caller
    if speaker == "agent":
        return conversation.agent
    machines = [party for party in conversation.facing() if party.user is None]
    return machines[-1] if machines else conversation.agent
