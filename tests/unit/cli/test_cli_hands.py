"""`sinks`, `dead-letters`, `replay` and `backup` on a store that nothing runs on."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from genscribe.cli import control
from genscribe.cli.dead_letters import Letter
from genscribe.cli.dead_letters import drawn as dead_letters_drawn
from genscribe.cli.sinks import drawn, together
from genscribe.control.protocol import Answer, Request
from genscribe.errors import StoreBusy
from genscribe.store.hands import Hold
from genscribe.telemetry.status import SinkStatus
from genscribe.terminal import Screen
from tests.unit.cli.filled import Filled, Result

Run = Callable[..., Result]
SAID = "charged twice"


@pytest.fixture
def kept(filled: Filled) -> Filled:
    """Two cursors, and two dead letters; one is an utterance, one is of an event that is gone."""
    db = filled.db
    ours = "(select value from meta where name = 'store_id')"
    for name, seq in (("lake", 3), ("warehouse", 5)):
        db.execute(f"insert into cursors values (?, {ours}, ?, null, '2026-03-21T01:00:00.000Z')", (name, seq))
    said = db.execute("select seq from journal where body like '%charged twice%'").get
    for sink, seq in (("lake", said), ("warehouse", 999)):
        db.execute("insert into dead_letters values (?, ?, 'too wide', '2026-03-21T01:01:00.000Z')", (sink, seq))
    return filled


def sinks(run: Run) -> dict[str, dict[str, object]]:
    return {each["name"]: each for each in map(json.loads, run("sinks", "--json").lines)}


def test_sinks_that_nothing_runs_for_are_listed_with_what_they_lack(run: Run, kept: Filled) -> None:
    found = sinks(run)
    assert list(found) == ["lake", "warehouse"]
    assert (found["lake"]["state"], found["lake"]["lag_events"], found["lake"]["dead_letters"]) == (
        "absent", kept.head - 3, 1,
    )  # fmt: skip
    plain = run("sinks").lines
    assert [line.split("\t")[0] for line in plain] == ["lake", "warehouse"]
    assert "\x1b" not in run("sinks").out


def test_pause_resume_remove_where_nothing_runs(run: Run, kept: Filled) -> None:
    assert run("sinks", "pause", "lake").code == 0
    assert sinks(run)["lake"]["state"] == "paused"
    assert run("sinks", "resume", "lake").code == 0
    assert sinks(run)["lake"]["state"] == "absent"
    assert run("sinks", "pause", "lake").code == 0
    assert run("sinks", "remove", "lake").code == 0
    assert list(sinks(run)) == ["warehouse"]
    assert kept.db.execute("select count(*) from paused_sinks").get == 0


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["sinks", "pause", "lak"], 78, "there is no sink 'lak'. Did you mean lake? There are: lake, warehouse."),
        (["sinks", "pause"], 2, "takes a NAME"),
        (["sinks", "list", "lake"], 2, "takes no NAME"),
        (["sinks", "stop", "lake"], 2, "'stop'"),
        (["dead-letters", "drop", "--sink", "lak"], 78, "there is no sink 'lak'"),
        (["dead-letters", "retry"], 78, "nothing delivers to 'lake' here"),
        (["dead-letters", "--seq", "0"], 2, "--seq"),
        (["replay", "--to", "lake", "--since", "1h"], 78, "nothing delivers to 'lake' here"),
        (["replay", "--to", "lake", "--since", "soon"], 2, "is no time"),
        (["replay", "--to", "lake", "--since", "14:00", "--until", "13:00"], 2, "is not after"),
        (["backup", "/no/such/folder/copy"], 78, "There is no folder"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(
    run: Run, kept: Filled, arguments: list[str], code: int, says: str
) -> None:
    result = run(*arguments)
    assert (result.code, says.lower() in result.err.lower()) == (code, True), result.err
    assert len(result.err.splitlines()) == 1
    assert result.out == ""


def test_dead_letters_show_what_was_said_only_when_asked(run: Run, kept: Filled) -> None:
    for arguments in (["dead-letters"], ["dead-letters", "--json"]):
        assert SAID not in run(*arguments).out
        assert "too wide" in run(*arguments).out
        assert SAID in run(*arguments, "--show-text").out
    first, gone = map(json.loads, run("dead-letters", "--json").lines)
    assert (first["sink"], first["kind"], "text" in first) == ("lake", "utterance", False)
    assert (gone["seq"], "kind" in gone) == (999, False)
    assert [json.loads(line)["sink"] for line in run("dead-letters", "--json", "--sink", "warehouse").lines] == [
        "warehouse"
    ]


def test_dead_letters_are_dropped_by_sink_and_number(run: Run, kept: Filled) -> None:
    assert "0 dead letters" in run("dead-letters", "drop", "--seq", "4242").out
    assert "1 dead letter dropped" in run("dead-letters", "drop", "--sink", "warehouse").out
    assert json.loads(run("dead-letters", "drop", "--json").out)["done"] == 1
    assert kept.db.execute("select count(*) from dead_letters").get == 0
    assert "No dead letters" in run("dead-letters").err


def test_dead_letters_are_tried_again_with_the_sinks_of_the_settings(
    run: Run, kept: Filled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENSCRIBE_TO", f"lake=jsonl:{tmp_path}/lake")
    kept.db.execute("delete from dead_letters where sink = 'warehouse'")
    kept.db.execute("update cursors set seq = ?", (kept.head,))
    result = run("dead-letters", "retry")
    assert (result.code, result.out) == (0, "lake: 1 event written once more.\n"), result.err
    assert SAID in (tmp_path / "lake").read_text()
    assert kept.db.execute("select count(*) from dead_letters").get == 0


def test_a_sink_that_never_ran_is_not_replayed_to(
    run: Run, kept: Filled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENSCRIBE_TO", f"new=jsonl:{tmp_path}/new now=jsonl:{tmp_path}/now?from=now")
    refused = run("replay", "--to", "new", "--since", "2020-01-01")
    assert refused.code == 78
    assert "new has not got these events yet" in refused.err
    assert "come by themselves" in refused.err
    assert not (tmp_path / "new").exists()
    assert kept.db.execute("select count(*) from cursors where name = 'new'").get == 0
    assert run("replay", "--to", "now", "--since", "2020-01-01").code == 0
    seqs = [json.loads(line)["seq"] for line in (tmp_path / "now").read_text().splitlines()]
    assert seqs
    assert len(seqs) == len(set(seqs)), "what it was never to get by itself comes once"


PROGRESS = Answer("progress", sink="lake", done=1200, total=5000, sink_state="running")


@pytest.mark.parametrize("json_too", [[], ["--json"]])
def test_a_replay_that_is_interrupted_says_how_far_it_got(
    run: Run, kept: Filled, monkeypatch: pytest.MonkeyPatch, json_too: list[str]
) -> None:
    def ask(*_: Any, **__: Any) -> Iterator[Answer]:
        yield PROGRESS
        raise KeyboardInterrupt

    monkeypatch.setattr(control, "held", lambda store: True)
    monkeypatch.setattr(control, "ask", ask)
    result = run("replay", "--to", "lake", "--since", "1h", *json_too)
    assert result.code == 130
    assert result.err.splitlines()[-1] == (
        "genscribe: lake: stopped after 1,200 of 5,000 events. It does not go on by itself: give the command once "
        "more. What comes twice has the same key."
    )


@pytest.mark.parametrize("progress", [True, False])
def test_a_replay_whose_process_ends_says_how_far_it_got(
    run: Run, kept: Filled, monkeypatch: pytest.MonkeyPatch, progress: bool
) -> None:
    def ask(*_: Any, **__: Any) -> Iterator[Answer]:
        if progress:
            yield PROGRESS
        raise StoreBusy("It has ended.", advice="Try again.")

    monkeypatch.setattr(control, "held", lambda store: True)
    monkeypatch.setattr(control, "ask", ask)
    result = run("replay", "--to", "lake", "--since", "1h")
    assert result.code == 75
    assert ("1,200 of 5,000" in result.err) == progress
    assert ("It does not go on by itself" in result.err) == progress


def test_sinks_are_listed_as_the_running_process_has_them_now(
    run: Run, kept: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = SinkStatus("lake", "retrying", "2026-03-21T01:00:00.000Z", 7, 1.5, 0, "Down.")

    def ask(store: Path, store_id: str, request: Request, **_: Any) -> Iterator[Answer]:
        assert request == Request("list")
        yield Answer("done", sinks=(now,))

    monkeypatch.setattr(control, "held", lambda store: True)
    monkeypatch.setattr(control, "ask", ask)
    assert (sinks(run)["lake"]["state"], sinks(run)["lake"]["lag_events"]) == ("retrying", 7)

    def hangs(*_: Any, **__: Any) -> Iterator[Answer]:
        raise StoreBusy("It does not answer.")
        yield

    monkeypatch.setattr(control, "ask", hangs)
    assert sinks(run)["lake"]["state"] == "absent", "what it said last: nothing"


def test_a_backup_is_a_store(run: Run, kept: Filled, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    result = json.loads(run("backup", str(copy), "--json").out)
    assert result == {"file": str(copy), "bytes": copy.stat().st_size}
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert run("backup", str(copy)).code == 78
    assert run("backup", str(copy), "--force").code == 0


def test_running_sinks_come_first_and_a_screen_has_titles() -> None:
    running = [SinkStatus("b", "retrying", "2026-03-21T01:00:00.000Z", 7, 12.34, 0, "It is \x1b[31mdown.")]
    lines = together(running, [Hold("a", 3), Hold("b", 1, dead_letters=2), Hold("only-letters", dead_letters=1)], 10)
    assert [(each.name, each.state, each.lag_events, each.dead_letters) for each in lines] == [
        ("b", "retrying", 7, 2), ("a", "absent", 7, 0),
    ]  # fmt: skip
    shown = drawn(lines, Screen(columns=120))
    assert "sink" in shown.splitlines()[0]
    assert "\x1b[31m" not in shown
    narrow = drawn(lines, Screen(columns=60)).splitlines()
    assert narrow[1].split() == ["b", "retrying", "7", "(12", "s)", "2", "2026-03-21", narrow[1].split()[-1]]
    assert any("down." in line for line in narrow), "what is wrong stands there whole"
    assert max(map(len, narrow)) < 60
    assert drawn(lines, Screen()).splitlines()[1] == "a\tabsent\t-\t7\t-\t0\t-"


def test_dead_letters_fit_a_narrow_screen() -> None:
    letter = Letter("lake", 7, "too wide", "2026-03-21T01:01:00.000Z", "utterance", "0f2b7c1e-5a01-4e6e-9d3a-6ad9cd53")
    shown = dead_letters_drawn([letter], Screen(columns=80))
    assert "too wide" in shown
    assert "0f2b7c1e " in shown
    assert letter.conversation_id is not None
    assert letter.conversation_id in dead_letters_drawn([letter], Screen()), "whole in a pipe"
