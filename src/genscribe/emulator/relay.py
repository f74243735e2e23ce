"""What happens in the organisation, told on the topics that it concerns: queues, users, transcription.

Assumed: a queue's topic has every change of every conversation that ever was in the queue, until that is over; a user's
topic likewise; each event shows the whole conversation.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from genscribe import clock
from genscribe.emulator import shapes, speech, topics
from genscribe.emulator.conversation import TEXT, VOICE, Conversation, fresh_uuid
from genscribe.emulator.faults import Orders
from genscribe.emulator.ledger import Emission
from genscribe.emulator.organisation import Organisation
from genscribe.emulator.streaming import Streaming


@dataclass
class Relay:
    """Listens to the organisation and publishes.

    Attributes:
        session_end_delay_s: From the end of a communication to the word that its transcription has ended.
    """

    organisation: Organisation
    streaming: Streaming
    orders: Orders
    session_end_delay_s: float = 1.0
    _timers: dict[str, asyncio.TimerHandle] = field(default_factory=dict)
    _carried: tuple[Emission, ...] = ()

    def __post_init__(self) -> None:
        self.organisation.on_change(self.changed)

    def changed(self, conversation: Conversation) -> None:
        """Tells the queues and users that a conversation has changed, and what its sessions have to say."""
        places = [topics.queue(queue.id) for queue in conversation.queues]
        places += [topics.user(user.id) for user in conversation.users]
        heard = [place for place in places if self.streaming.channels.audience(place)]
        if heard and self.orders.event() is None:
            body = shapes.queue_event(conversation)
            for place in heard:
                self.streaming.publish(place, body, self._carried)
        self._sessions(conversation)
        self.streaming.notify()

    def say(self, said: Emission, at: int | None, duration_ms: int = 0) -> None:
        """A line was said: speech goes to the conversation's topic, a text message to the queue's.

        Raises:
            ConfigError: Nobody of that sort takes part in the text conversation.
        """
        conversation = self.organisation.conversations.get(said.conversation_id)
        over = conversation is not None and not conversation.live
        if conversation is None or (over and conversation.media_type == TEXT):
            # As on the transcripts endpoint, where no word says that a conversation begins.
            conversation = self.organisation.begin(
                said.conversation_id, now=min(said.at_ms, at or said.at_ms), media_type=said.media_type
            )
        if not said.text or said.type == "system":
            return
        if conversation.media_type == TEXT:
            self._write(conversation, said)
        elif conversation.media_type == VOICE and self.transcribes(conversation):
            self._speak(conversation, said, said.at_ms if at is None else at, duration_ms)

    def transcribes(self, conversation: Conversation) -> bool:
        """Whether Voice Transcription is on for it."""
        switch = self.organisation.settings["transcription"]
        queue = conversation.queue_at()
        return switch == "EnabledGlobally" or (
            switch == "EnabledQueueFlow" and queue is not None and queue.transcription
        )

    def stop(self) -> None:
        """Cancels what is still to be told."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _speak(self, conversation: Conversation, said: Emission, spoken_at: int, duration_ms: int) -> None:
        topic = topics.transcription(conversation.id)
        said.confirmed = topic in self.streaming.confirmed
        said.communication_id = conversation.leg_at(spoken_at).id
        said.utterance_id = said.utterance_id or fresh_uuid()
        if not self.streaming.channels.audience(topic):
            speech.session_of(conversation, said.communication_id, spoken_at)
            return
        body = speech.transcription(
            conversation,
            said.text or "",
            side=speech.side(said.speaker),
            communication_id=said.communication_id,
            now=said.at_ms,
            spoken_at=spoken_at,
            duration_ms=duration_ms,
            utterance_id=said.utterance_id,
            is_final=not said.interim,
        )
        self.streaming.publish(topic, body, (said,))

    def _write(self, conversation: Conversation, said: Emission) -> None:
        told = {topics.queue(queue.id) for queue in conversation.queues}
        said.confirmed = not told.isdisjoint(self.streaming.confirmed)
        self._carried = (said,)
        try:
            self.organisation.message(
                conversation.id, said.text or "", now=said.at_ms, speaker=said.speaker or "customer"
            )
        finally:
            self._carried = ()

    def _sessions(self, conversation: Conversation) -> None:
        """Sends the statuses that are due, and looks again when the next one will be."""
        if conversation.media_type != VOICE or not self.transcribes(conversation):
            return
        now, linger_ms = clock.wall_ms(), round(1000 * self.session_end_delay_s)
        topic = topics.transcription(conversation.id)
        for communication, word in speech.due(conversation, now, linger_ms=linger_ms):
            self.streaming.publish(topic, speech.status(conversation, communication, word, now))
        self._look_again(conversation, now, linger_ms)

    def _look_again(self, conversation: Conversation, now: int, linger_ms: int) -> None:
        timer = self._timers.pop(conversation.id, None)
        if timer is not None:
            timer.cancel()
        moments = []
        for leg in conversation.transcribed_legs():
            session = conversation.sessions.get(leg.id)
            if session is not None and not session.ended:
                told = (session.told_at or now) + speech.STATUS_EVERY_MS
                moments.append(told if leg.ended_at is None else leg.ended_at + linger_ms)
        if moments:
            wait_s = max(1, min(moments) - now) / 1000
            loop = asyncio.get_running_loop()
            self._timers[conversation.id] = loop.call_later(wait_s, self._sessions, conversation)
