from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from genscribe.emulator import load_calls
from genscribe.errors import ConfigError

CANARY = "canary-speech"


def line(**changes: object) -> str:
    said = {"speaker": "customer", "offset_ms": 900, "duration_ms": 400, "text": "two", "words": [], "confidence": 1}
    first = {"speaker": "agent", "offset_ms": 100, "text": "one"}
    return json.dumps({"id": "a", "source": "x", "utterances": [said, first], **changes})


def test_calls_are_read_with_utterances_in_order(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    path.write_text(f"{line()}\n\n{line(id='b', media_type='chat', topic='t')}\n")
    first, second = load_calls(path)
    assert [(one.speaker, one.text, one.offset_ms, one.duration_ms) for one in first.utterances] == [
        ("agent", "one", 100, 0),
        ("customer", "two", 900, 400),
    ]
    assert (first.id, first.media_type, first.topic) == ("a", "voice", "")
    assert (second.id, second.media_type, second.topic) == ("b", "chat", "t")
    assert all(1250 <= one.delay_ms < 7000 for one in first.utterances)
    assert load_calls(str(path), seed=1)[0] != first
    assert load_calls(str(path))[0] == first


def test_gzip_is_known_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl.gz"
    path.write_bytes(gzip.compress(line().encode()))
    assert len(load_calls(path)) == 1


@pytest.mark.parametrize(
    "bad",
    [
        f'{{"id": "{CANARY}"',
        f'["{CANARY}"]',
        line(id=5),
        line(utterances=[{"speaker": "agent", "offset_ms": CANARY, "text": CANARY}]),
        line(utterances=[{"speaker": "agent", "offset_ms": 5}]),
        "[" * 100_000,
        "\ufeff{}",
    ],
)
def test_a_bad_line_is_named_by_its_number_and_not_shown(tmp_path: Path, bad: str) -> None:
    path = tmp_path / "calls.jsonl"
    path.write_text(f"{line()}\n\n{bad}\n")
    with pytest.raises(ConfigError, match=r"line 3, is not a call") as refused:
        load_calls(path)
    assert CANARY not in str(refused.value)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    path.write_bytes(b'{"id": "\xff"}\n')
    with pytest.raises(ConfigError, match="line 1"):
        load_calls(path)


@pytest.mark.parametrize("content", [b"not gzip", gzip.compress(b"x" * 1000, mtime=0)[:-12]])
def test_a_file_that_is_no_gzip(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "calls.gz"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="cannot read the calls"):
        load_calls(path)


def test_a_missing_and_an_empty_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load_calls(tmp_path / "none")
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(ConfigError, match="holds no call"):
        load_calls(tmp_path / "empty")


def test_the_shared_calls_can_be_played_when_they_are_here() -> None:
    shared = Path(__file__).parents[4] / "shared/data/calls.jsonl.gz"
    if not shared.exists():
        pytest.skip("../shared/data is not here")
    calls = load_calls(shared)
    assert len(calls) == 1011
    assert {one.speaker for call in calls for one in call.utterances} == {"agent", "customer"}
