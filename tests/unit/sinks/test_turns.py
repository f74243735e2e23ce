"""Long work on a batch lets the others have their turns."""

from __future__ import annotations

import anyio
import anyio.lowlevel
import pytest

from genscribe.sinks.turns import EVENTS_A_TURN, in_turns


@pytest.mark.anyio
async def test_all_items_come_in_order_and_others_have_their_turns() -> None:
    seen: list[object] = []

    async def other() -> None:
        while True:
            seen.append("other")
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(other)
        async for number in in_turns(range(4 * EVENTS_A_TURN)):
            seen.append(number)
        tasks.cancel_scope.cancel()
    assert [one for one in seen if one != "other"] == list(range(4 * EVENTS_A_TURN))
    assert seen.count("other") >= 4, "one for every few items"
