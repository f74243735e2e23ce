"""Names of queues and users: queues from their list, users looked up once and kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

import anyio

from genscribe.errors import GenscribeError, NotPermitted
from genscribe.genesys import directory
from genscribe.genesys.api import ApiClient
from genscribe.telemetry import Telemetry
from genscribe.telemetry.notifications import NamesRefused

GATHER_S = 0.25
"""How long ids gather before they are asked for together."""
APART_S = 2.0
"""From one request to the next, unless it is a full one: they share the budget with the sweeps. A change waits 3 s for
its names.
"""
AT_ONCE = 100
AGAIN_S = 30.0
"""After a failure; until then the names are simply not known."""
REFUSED_S = 3600.0
CAPACITY = 50_000


@dataclass
class NameBook:
    """What ids are called.

    Args:
        api: For the look-ups.
        telemetry: Where happenings go.
    """

    api: ApiClient
    telemetry: Telemetry
    queues: dict[str, str] = field(default_factory=dict)
    learned: Callable[[AbstractSet[str]], None] = lambda users: None
    """Told the ids of users whose names have just become known."""
    paused: bool = field(default=False, init=False)
    """No look-ups until the first sweep is done: it needs all of their budget."""
    _users: dict[str, str | None] = field(default_factory=dict, init=False)
    _wanted: dict[str, None] = field(default_factory=dict, init=False)
    _asked: anyio.Event = field(default_factory=anyio.Event, init=False)

    def user(self, user_id: str | None) -> str | None:
        """A user's name, as far as known."""
        return self._users.get(user_id) if user_id else None

    def queue(self, queue_id: str | None) -> str | None:
        """A queue's name, as far as known."""
        return self.queues.get(queue_id) if queue_id else None

    def known(self, users: Iterable[str]) -> bool:
        """Whether all of these were looked up; those that were not are asked for."""
        missing = [user for user in users if user not in self._users]
        if missing:
            self._wanted.update(dict.fromkeys(missing))
            self._asked.set()
        return not missing

    def learn(self, users: Mapping[str, str | None]) -> None:
        """Takes names that came along with something else."""
        self._users.update({user: name for user, name in users.items() if name})

    async def run(self) -> None:
        """Looks up what is asked for, until cancelled."""
        last = float("-inf")
        while True:
            await self._asked.wait()
            await anyio.sleep(GATHER_S)
            while self.paused or (len(self._wanted) < AT_ONCE and anyio.current_time() < last + APART_S):
                await anyio.sleep(GATHER_S)
            self._asked = anyio.Event()
            while self._wanted:
                last = anyio.current_time()
                await self._look_up(list(self._wanted)[:AT_ONCE])

    async def _look_up(self, users: list[str]) -> None:
        try:
            found = await directory.users(self.api, users)
        except NotPermitted as error:
            self.telemetry.emit(NamesRefused(str(error)))
            await self._do_without(users, REFUSED_S)
        except GenscribeError:
            await self._do_without(users, AGAIN_S)
        else:
            self._settle(users, found)

    async def _do_without(self, users: Iterable[str], seconds: float) -> None:
        """Nobody waits for these names meanwhile; then they may be asked for again."""
        self._settle(users, {})
        await anyio.sleep(seconds)
        for user in users:
            if self._users.get(user) is None:
                self._users.pop(user, None)

    def _settle(self, users: Iterable[str], found: Mapping[str, str]) -> None:
        if len(self._users) > CAPACITY:
            self._users.clear()
        for user in users:
            self._wanted.pop(user, None)
            self._users[user] = found.get(user)
        if found:
            self.learned(found.keys())
