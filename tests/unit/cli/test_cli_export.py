from __future__ import annotations

import csv
import io
import json
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from genscribe.cli import export, tables
from genscribe.events import KINDS, Participant
from tests.unit.cli.filled import ALPHA, Filled, Result, said

Run = Callable[..., Result]


def test_utterances_once_each_as_json_lines(run: Run) -> None:
    events = [json.loads(line) for line in run("export").lines]
    assert [event["seq"] for event in events] == [3, 4, 6, 7, 10]
    assert {event["kind"] for event in events} == {"utterance"}


@pytest.mark.parametrize(
    ("arguments", "seqs"),
    [
        (["--kinds", "gap"], [8, 9]),
        (["--kinds", "conversation,Participant"], [1, 2]),
        (["--kinds", "utterance,gap", "--conversation", "3f9b"], [6]),
        (["--speakers", "customer"], [4, 6]),
        (["--since", "02:00:30", "--json"], [7, 10]),
        (["--format", "JSONL", "--media-types", "chat"], [6]),
        (["--until", "2020-01-01"], []),
    ],
)
def test_what_is_asked_for(run: Run, arguments: list[str], seqs: list[int]) -> None:
    result = run("export", *arguments)
    assert [json.loads(line)["seq"] for line in result.lines] == seqs
    assert result.code == 0


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_csv(run: Run) -> None:
    result = run("export", "--format", "csv")
    (first, *_) = table = rows(result.out)
    assert len(table) == 5
    assert (first["seq"], first["text"], first["is_final"], first["offset_ms"]) == (
        "3", "Thank you for calling, how can I help?", "true", "",
    )  # fmt: skip
    assert result.lines[0].startswith('"seq","kind","key"')


def test_csv_of_nothing_has_its_titles(run: Run) -> None:
    (line,) = run("export", "--format", "csv", "--until", "2020-01-01").lines
    assert line.startswith('"seq","kind"')


def test_csv_of_several_kinds_has_the_columns_of_all(run: Run) -> None:
    table = rows(run("export", "--format", "csv", "--kinds", ",".join(KINDS)).out)
    assert {row["kind"] for row in table} == {"utterance", "conversation", "participant", "gap"}
    assert table[0].keys() >= {"text", "state", "user_name", "conversation_ids", "ended_at", "reason"}
    assert "raw" not in table[0]
    (gap,) = [row for row in table if row["reason"] == "late"]
    assert json.loads(gap["conversation_ids"])


FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "＋1", "－1", "＠1", "=cmd|' /C calc'!A0")


@pytest.mark.parametrize("text", FORMULAS)
def test_no_cell_is_a_formula(run: Run, filled: Filled, text: str) -> None:
    filled.add(said("x", text, 50, text, text), Participant(key="p", revision=1, conversation_id=ALPHA, user_name=text))
    out = run("export", "--format", "csv", "--kinds", "utterance,participant").out
    table = rows(out)
    mine = [row for row in table if "'" + text in (row["text"], row["user_name"])]
    assert len(mine) == 2
    assert mine[0]["speaker"] == mine[0]["conversation_id"] == "'" + text
    for line in csv.reader(io.StringIO(out, newline="")):
        assert not [
            cell for cell in line if cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"))
        ]


def test_every_cell_is_quoted(run: Run, filled: Filled) -> None:
    filled.add(said("x", 'say "hi", you', 50))
    line = run("export", "--format", "csv", "--since", "02:00:50").lines[1]
    assert '"say ""hi"", you"' in line
    assert line.startswith('"11","utterance","x","1",')


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), (True, "true"), (-5, "-5"), (0.94, "0.94"), ([], "[]"), ("-5", "'-5"), ("ok", "ok"), (["é"], '["é"]')],
)
def test_cells(value: Any, text: str) -> None:
    assert tables.cell(value) == text


def test_a_file_is_this_users_alone(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    before = os.umask(0)
    try:
        result = run("export", "--output", str(path))
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(path.read_text().splitlines()) == 5
    assert (result.out, result.err) == ("", f"5 written to {path}\n")


def test_a_file_is_replaced_only_by_a_whole_one(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "calls.jsonl"
    path.write_text("yesterday's")

    def lines(*arguments: object) -> Any:
        yield b"half"
        assert path.read_text() == "yesterday's"
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(export, "lines", lines)
        result = run("export", "--output", str(path))
    assert (result.code, result.err) == (78, f"genscribe: {path} cannot be written: No space left on device.\n")
    assert path.read_text() == "yesterday's"
    assert [each.name for each in tmp_path.iterdir() if "calls" in each.name] == ["calls.jsonl"]
    assert run("export", "--output", str(path)).code == 0
    assert len(path.read_text().splitlines()) == 5


@pytest.mark.parametrize("where", ["nowhere/calls.jsonl", "."])
def test_a_place_that_cannot_be_written(run: Run, tmp_path: Path, where: str) -> None:
    result = run("export", "--output", str(tmp_path / where))
    assert result.code == 78
    assert result.err.startswith("genscribe: ")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--kinds", "smell"], 2, "there is no kind 'smell'"),
        (["--kinds", ","], 2, "name one"),
        (["--format", "csv", "--json"], 2, "contradict"),
        (["--format", "xlsx"], 2, "xlsx"),
        (["--since", "soon"], 2, "is no time"),
        (["--speakers", ","], 2, "is empty"),
    ],
)
def test_mistakes(run: Run, arguments: list[str], code: int, message: str) -> None:
    result = run("export", *arguments)
    assert result.code == code
    assert message in result.err
    assert result.out == ""


def test_parquet_names_the_extra_it_needs(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export.importlib.util, "find_spec", lambda name: None)
    result = run("export", "--format", "parquet", "--output", "x.parquet")
    assert result.code == 78
    assert "pip install 'genscribe[parquet]'" in result.err


def test_parquet(run: Run, tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    path = tmp_path / "calls.parquet"
    assert run("export", "--format", "parquet", "--output", str(path)).code == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    found = duckdb.sql(f"select seq, text, spoken_at::varchar from '{path}' order by seq").fetchall()
    assert [row[0] for row in found] == [3, 4, 6, 7, 10]
    assert run("export", "--format", "parquet").code == 2


@pytest.mark.usefixtures("on_terminal")
@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_on_a_terminal_nothing_acts(run: Run, filled: Filled, form: str) -> None:
    filled.add(said("x", "zebra\x1b[2J\x9b2J\u202e", 50))
    out = run("export", "--format", form, "--since", "02:00:50").out
    assert "zebra" in out
    assert not {"\x1b", "\x9b", "\u202e"} & set(out)


def test_a_bar_for_those_who_watch(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[int] = []
    assert list(export._counted(iter(range(5)), told.append, every=2)) == [0, 1, 2, 3, 4]  # type: ignore[arg-type]
    assert told == [2, 2]
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    result = run("export", "--output", str(tmp_path / "x"))
    assert "5 written" in result.err
