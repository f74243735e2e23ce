from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from genscribe.events import Gap
from tests.unit.cli.filled import ALPHA, BETA, Filled, Result, at, said

Run = Callable[..., Result]


@pytest.mark.usefixtures("on_terminal")
def test_a_conversation_as_a_dialogue_with_what_is_missing(run: Run) -> None:
    assert run("show", "3f9a").out == (
        f"{ALPHA}\n"
        "voice, inbound, Billing, 4 utterances, not ended\n"
        "Priya (agent)\n"
        "── Saturday, 21 March 2026 ────────────────────────────────────────────────────\n"
        "02:00:02  agent     Thank you for calling, how can I help?\n"
        "02:00:10  customer  I was charged twice for order AC-130\n"
        "── not recorded 02:00:12–02:00:25 (connection lost) ───────────────────────────\n"
        "02:00:30  agent     Let me look at the order\n"
        "02:00:40  agent     the second charge is refunded\n"
    )


def test_plain_in_a_pipe(run: Run) -> None:
    result = run("show", ALPHA)
    assert [line.split("\t")[2] for line in result.lines] == ["agent", "customer", "gap", "agent", "agent"]


def test_json(run: Run) -> None:
    events = [json.loads(line) for line in run("show", ALPHA, "--json").lines]
    assert [event["seq"] for event in events] == [3, 4, 8, 7, 10]
    assert [event["kind"] for event in events].count("gap") == 1


def test_a_line_is_one_object_with_each_field_once(run: Run) -> None:
    line = run("show", ALPHA, "--json").lines[2]
    assert line.count('"seq"') == 1


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("3f9", f"'3f9' is the beginning of several: {ALPHA}, {BETA}."),
        ("zzz", "no conversation begins with 'zzz'."),
        ("", "no conversation begins with ''."),
        ("3f9a1c22\x1b[2J", "no conversation begins with"),
        ("\udcff", "no conversation begins with"),
        ("%", "no conversation begins with '%'."),
    ],
)
def test_which_conversation(run: Run, typed: str, message: str) -> None:
    result = run("show", typed)
    assert result.code == 2
    assert message in result.err
    assert "\x1b" not in result.err


def test_an_id_that_another_one_continues_is_meant_itself(run: Run, filled: Filled) -> None:
    filled.add(said("x", "short", 50, call="3f9a"))
    assert run("show", "3f9a").texts == ["short"]


@pytest.mark.parametrize(
    ("arguments", "speakers"),
    [
        (["--speakers", "customer"], ["customer", "gap"]),
        (["--since", "02:00:26"], ["agent", "agent"]),
        (["--until", "02:00:11"], ["agent", "customer"]),
        (["--since", "02:00:13", "--until", "02:00:14"], ["gap"]),
    ],
)
def test_filters(run: Run, arguments: list[str], speakers: list[str]) -> None:
    assert [line.split("\t")[2] for line in run("show", ALPHA, *arguments).lines] == speakers


def test_gaps_outside_the_conversation_are_left_out(run: Run, filled: Filled) -> None:
    times = [(41, 45), (0, 0)]
    filled.add(*(Gap(f"o{n}", 1, at(start), at(end), "silent") for n, (start, end) in enumerate(times)))
    assert [line.split("\t")[2] for line in run("show", ALPHA).lines].count("gap") == 1


def test_a_gap_that_is_open_is_shown_and_is_no_event_yet(run: Run, filled: Filled) -> None:
    filled.db.execute(f"insert into open_gaps values ('open', '{at(35)}', 'silent', null, null)")
    assert "not recorded since 02:00:35" in run("show", ALPHA).out
    assert "silent" not in run("show", ALPHA, "--json").out


def test_nothing_passes(run: Run) -> None:
    result = run("show", ALPHA, "--speakers", "ivr", "--until", "2026-03-20")
    assert (result.out, result.err) == ("", "Nothing of it passes the filters.\n")
