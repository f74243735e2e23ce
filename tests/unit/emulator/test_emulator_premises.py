from __future__ import annotations

import uuid

import pytest

from genscribe.emulator.premises import QUEUES, USERS, Premises, stable_id
from genscribe.errors import ConfigError


def test_ids_follow_from_names_and_never_change() -> None:
    one, other = Premises(), Premises()
    assert [queue.name for queue in one.queues.values()] == list(QUEUES)
    assert [user.name for user in one.users.values()] == list(USERS)
    assert (list(one.queues), list(one.users)) == (list(other.queues), list(other.users))
    for identity in (*one.queues, *one.users, *one.divisions):
        assert str(uuid.UUID(identity)) == identity
    assert stable_id("queue", "Sales") != stable_id("user", "Sales")


def test_queues_divisions_and_users_are_added_at_run_time() -> None:
    house = Premises()
    north = house.add_queue("North", division="Nordics")
    assert house.queue("North") is house.queue(north.id) is north
    assert house.add_queue("North") is north
    assert house.divisions[north.division].name == "Nordics"
    house.remove_queue("North")
    with pytest.raises(ConfigError, match="North"):
        house.queue("North")
    assert house.user(house.add_user("Ida Berg").id).name == "Ida Berg"
    with pytest.raises(ConfigError, match="Nobody"):
        house.user("Nobody")


def test_a_client_sees_the_divisions_of_its_role() -> None:
    house = Premises()
    north, sales = house.add_queue("North", division="Nordics"), house.queue("Sales")
    assert [house.visible(queue) for queue in (north, sales)] == [True, True]
    house.visible_divisions = frozenset({sales.division})
    assert [house.visible(queue) for queue in (north, sales)] == [False, True]
