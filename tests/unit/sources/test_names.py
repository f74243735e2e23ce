"""Names of users: asked for together, once, and again when they could not be had."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import anyio
import pytest

from genscribe.errors import GenscribeError, NotPermitted, Unreachable
from genscribe.sources import names
from genscribe.sources.names import AGAIN_S, CAPACITY, REFUSED_S, NameBook
from genscribe.telemetry import Telemetry
from tests.virtual_time import VIRTUAL

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> object:
    return VIRTUAL


class Users:
    """Answers for `directory.users`, and what was asked."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.known = {"u1": "Ada", "u2": "Ben"}
        self.error: GenscribeError | None = None

    async def __call__(self, api: object, users: list[str]) -> dict[str, str]:
        self.asked.append(list(users))
        if self.error is not None:
            raise self.error
        return {user: self.known[user] for user in users if user in self.known}


@pytest.fixture
def users(monkeypatch: pytest.MonkeyPatch) -> Users:
    made = Users()
    monkeypatch.setattr(names.directory, "users", made)
    return made


@asynccontextmanager
async def running() -> AsyncIterator[NameBook]:
    book = NameBook(cast("Any", None), Telemetry())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(book.run)
        yield book
        tasks.cancel_scope.cancel()


async def test_those_of_a_moment_are_asked_for_together_and_once(users: Users) -> None:
    async with running() as book:
        assert not book.known(["u1"])
        assert not book.known(["u2", "nobody", "u1"])
        await anyio.sleep(10)
        assert (book.user("u1"), book.user("u2"), book.user("nobody"), book.user(None)) == ("Ada", "Ben", None, None)
        assert book.known(["u1", "u2", "nobody"]), "who has no name is known to have none"
        await anyio.sleep(10)
        assert users.asked == [["u1", "u2", "nobody"]]


@pytest.mark.parametrize(
    ("error", "again_s"), [(Unreachable("no"), AGAIN_S), (NotPermitted("no"), REFUSED_S)], ids=["down", "forbidden"]
)
async def test_what_could_not_be_had_is_waited_for_by_nobody_and_asked_for_again(
    users: Users, error: GenscribeError, again_s: float
) -> None:
    users.error = error
    async with running() as book:
        book.known(["u1"])
        await anyio.sleep(5)
        assert book.known(["u1"]), "nobody waits for it"
        assert book.user("u1") is None
        users.error = None
        await anyio.sleep(again_s)
        assert not book.known(["u1"])
        await anyio.sleep(5)
        assert book.user("u1") == "Ada"


async def test_a_hundred_are_asked_for_at_a_time(users: Users) -> None:
    async with running() as book:
        book.known([f"x{number}" for number in range(250)])
        await anyio.sleep(10)
        assert [len(asked) for asked in users.asked] == [100, 100, 50]


async def test_names_that_came_with_something_else_are_not_asked_for(users: Users) -> None:
    async with running() as book:
        book.learn({"u1": "Ada", "u3": None})
        assert book.known(["u1"])
        assert not book.known(["u3"])


async def test_it_holds_no_more_than_its_capacity(users: Users) -> None:
    async with running() as book:
        book.learn({f"x{number}": "X" for number in range(CAPACITY + 1)})
        book.known(["u1"])
        await anyio.sleep(5)
        assert book.user("u1") == "Ada"
        assert book.user("x0") is None


async def test_requests_are_two_seconds_apart_but_full_ones(users: Users) -> None:
    async with running() as book:
        book.known(["u1"])
        await anyio.sleep(0.5)
        assert users.asked == [["u1"]]
        book.known(["u2"])
        await anyio.sleep(names.APART_S - 0.5)
        book.known(["u3"])
        await anyio.sleep(0.5)
        assert users.asked == [["u1"], ["u2", "u3"]]
        book.known([f"x{number}" for number in range(100)])
        await anyio.sleep(0.5)
        assert len(users.asked) == 3


async def test_a_pause_gathers_and_forgets_nothing(users: Users) -> None:
    async with running() as book:
        book.paused = True
        book.known([f"x{number}" for number in range(150)])
        await anyio.sleep(60)
        assert users.asked == []
        book.paused = False
        await anyio.sleep(1)
        assert [len(asked) for asked in users.asked] == [100, 50]
