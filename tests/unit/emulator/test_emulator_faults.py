from __future__ import annotations

import pytest

from genscribe.emulator.faults import FAULTS, Orders, Stage, find
from genscribe.errors import ConfigError


def test_the_faults_of_the_platform_are_there() -> None:
    wanted = "401 403 404 429 503 drop clean-close silence stall close-without-tcp-close malformed duplicate"
    wanted += " out-of-order burst oversized slow flap redirect invalid_client refuse-basic"
    assert set(wanted.split()) <= FAULTS.keys()
    assert all(fault.summary for fault in FAULTS.values())


def test_any_error_status_and_any_close_code_is_a_name() -> None:
    assert find("418").stage is Stage.ANSWER
    assert find("1011").settings["code"] == 1011
    assert find("4999").stage is Stage.CONNECTION


@pytest.mark.parametrize("name", ["200", "399", "600", "999", "5000", "nonsense", "", "٤٠٤"])
def test_what_is_no_name(name: str) -> None:
    with pytest.raises(ConfigError):
        find(name)


def test_settings_are_checked() -> None:
    with pytest.raises(ConfigError, match="no setting cood"):
        Orders().place("clean-close", cood=1000)
    with pytest.raises(ConfigError, match="no place named 'tokn'"):
        Orders().place("429", at=("probe", "tokn"))


def test_once_n_times_and_until_lifted() -> None:
    orders = Orders()
    orders.place("503")
    orders.place("429", times=2)
    orders.place("401", times=None)
    names = [order.name for order in (orders.answer("handshake") for _ in range(6)) if order]
    assert names == ["503", "429", "429", "401", "401", "401"]
    orders.lift("401")
    assert orders.answer("handshake") is None


def test_an_answer_fault_strikes_only_at_its_place() -> None:
    orders = Orders()
    orders.place("404", times=None, at=("probe", "handshake"))
    struck = {place: orders.answer(place) is not None for place in ("token", "handshake", "probe", "api")}
    assert struck == {"token": False, "handshake": True, "probe": True, "api": False}


def test_refusing_one_authentication_leaves_the_other() -> None:
    orders = Orders()
    orders.place("refuse-basic", times=None)
    assert orders.answer("token", basic=False) is None
    assert orders.answer("token", basic=True) is not None
    orders.lift()
    orders.place("refuse-form")
    assert orders.answer("token", basic=True) is None
    assert orders.answer("token", basic=False) is not None


def test_a_connection_fault_strikes_as_many_openings_as_ordered() -> None:
    orders = Orders()
    orders.place("clean-close", times=2)
    assert [len(orders.opening(number)) for number in (1, 2, 3)] == [1, 1, 0]


def test_a_fault_for_one_connection_leaves_the_others() -> None:
    orders = Orders()
    orders.place("drop", connection=2)
    orders.place("duplicate", connection=2, times=None)
    assert [len(orders.opening(number)) for number in (1, 2, 2)] == [0, 1, 0]
    assert orders.frame([1, 3]) == []
    assert len(orders.frame([1, 2])) == 1


def test_frame_faults_are_counted_by_the_caller() -> None:
    orders = Orders()
    order = orders.place("duplicate")
    assert orders.frame([1]) == [order]
    assert orders.frame([]) == []
    order.use()
    assert (order.used, order.left) == (1, 0)
    assert orders.frame([1]) == []


def test_lifting_by_name_leaves_the_others() -> None:
    orders = Orders()
    orders.place("silence", times=None)
    orders.place("stall", times=None)
    orders.lift("silence")
    assert [order.name for order in orders.opening(1)] == ["stall"]
    orders.lift()
    assert orders.opening(1) == []
