from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from genscribe import clock
from genscribe.cli.conversations import COLUMNS
from genscribe.events import Conversation
from tests.unit.cli.filled import ALPHA, BETA, NOW_MS, Filled, Result, at, said

Run = Callable[..., Result]


@pytest.mark.usefixtures("on_terminal")
def test_a_table(run: Run) -> None:
    assert run("conversations").out == (
        "id      began                lasted  lines  medium   direction  state  queue\n"
        "3f9bb0  2026-03-21 02:00:11  0:00    1      message\n"
        "3f9a1c  2026-03-21 02:00:00  0:40    4      voice    inbound    open   Billing\n"
    )


def test_plain_in_a_pipe(run: Run) -> None:
    rows = [line.split("\t") for line in run("conversations").lines]
    assert rows[1] == [
        ALPHA, "2026-03-21T01:00:00.000Z", "2026-03-21T01:00:40.000Z", "4", "voice", "inbound", "open", "Billing",
    ]  # fmt: skip
    assert all(len(row) == len(COLUMNS) for row in rows)


def test_json(run: Run) -> None:
    (first, second) = map(json.loads, run("conversations", "--json").lines)
    assert (first["conversation_id"], second["utterance_count"]) == (BETA, 4)


@pytest.mark.parametrize(
    ("arguments", "ids"),
    [
        ([], [BETA, ALPHA]),
        (["--limit", "1"], [BETA]),
        (["--conversation", "3f9a"], [ALPHA]),
        (["--media-types", "chat"], [BETA]),
        (["--speakers", "agent"], [ALPHA]),
        (["--speakers", "customer"], [BETA, ALPHA]),
        (["--since", "02:00:12"], [ALPHA]),
        (["--until", "02:00:05"], [ALPHA]),
    ],
)
def test_filters(run: Run, arguments: list[str], ids: list[str]) -> None:
    assert [line.split("\t")[0] for line in run("conversations", *arguments).lines] == ids


def test_live(run: Run, filled: Filled, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("conversations", "--live").out == "", "nothing runs"
    filled.beat(NOW_MS)
    assert len(run("conversations", "--live").lines) == 2
    ended = Conversation[str](f"{ALPHA}:ended", 1, ALPHA, "ended", at=at(50))
    filled.add(ended)
    assert [line.split("\t")[0] for line in run("conversations", "--live").lines] == [BETA]
    monkeypatch.setattr(clock, "wall_ms", lambda: NOW_MS + 3_600_000)
    filled.beat(NOW_MS + 3_600_000)
    result = run("conversations", "--live")
    assert (result.code, result.out, result.err) == (0, "", "No conversation goes on.\n")


@pytest.mark.usefixtures("on_terminal")
def test_names_cannot_act(run: Run, filled: Filled) -> None:
    filled.add(said("x", "hi", 50, call="\x1b[2J\n"))
    assert "\x1b" not in run("conversations").out
    assert len(run("conversations").lines) == 4
