"""`open_store(...).frame(...)`, with pandas where it is installed; what is asked of it is checked without."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest

import genscribe
from genscribe import clock, reading
from genscribe.errors import ConfigError, UsageError
from genscribe.store.frames import FRAMES

NOW_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z


@pytest.fixture
def calls(store, said, other) -> None:  # type: ignore[no-untyped-def]
    store.add(
        said("k1", "old", spoken_at="2025-12-01T00:00:00.000Z", speaker="agent"),
        said("k2", "new", spoken_at="2025-12-31T23:00:00.225Z", speaker="customer", confidence=0.5),
        said("k3", "undated"),
        other("gap", "g1", conversation_ids=["c1"]),
    )


@pytest.fixture
def opened(store, calls, monkeypatch: pytest.MonkeyPatch) -> Iterator[genscribe.Store]:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(clock, "wall_ms", lambda: NOW_MS)
    with genscribe.open_store(store.path) as made:
        yield made


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames as the columns that pandas would get."""
    monkeypatch.setattr(reading, "_pandas", lambda: None)
    monkeypatch.setattr(reading, "_framed", lambda pandas, name, columns: columns)


def test_conversations_and_gaps_have_aware_times(opened: genscribe.Store) -> None:
    (call,) = opened.conversations()
    assert call.first_spoken_at == datetime(2025, 12, 1, tzinfo=timezone.utc)
    assert call.last_spoken_at == datetime(2025, 12, 31, 23, 0, 0, 225_000, tzinfo=timezone.utc)
    (gap,) = opened.gaps()
    assert gap.started_at is not None
    assert gap.started_at.tzinfo is not None


@pytest.mark.usefixtures("asked")
@pytest.mark.parametrize(
    ("given", "texts"),
    [
        ({}, ["old", "new", "undated"]),
        ({"since": "7d"}, ["new"]),
        ({"since": "2025-12-31T23:00:00.226Z"}, []),
        ({"since": datetime(2025, 12, 31, tzinfo=timezone.utc)}, ["new"]),
        ({"since": datetime(2025, 12, 31, tzinfo=timezone(timedelta(hours=-23)))}, ["new"]),
        ({"since": datetime(2025, 12, 31, tzinfo=timezone(timedelta(hours=-23, minutes=-1)))}, []),
        ({"until": "2d"}, ["old"]),
        ({"until": None, "speakers": ["agent", "ivr"]}, ["old"]),
        ({"speakers": "agent"}, ["old"]),
        ({"conversation_ids": ("c1", "c1")}, ["old", "new", "undated"]),
        ({"conversation_ids": []}, []),
    ],
)
def test_what_is_asked_for(opened: genscribe.Store, given: dict[str, Any], texts: list[str]) -> None:
    frame: Any = opened.frame("utterances", **given)
    assert frame["text"] == texts


@pytest.mark.usefixtures("asked")
@pytest.mark.parametrize(
    ("ask", "complaint"),
    [
        (lambda store: store.frame("words"), "no frame 'words'.*utterances, conversations, participants, gaps"),
        (lambda store: store.frame("gaps", speakers=["agent"]), "gaps cannot be filtered by speakers"),
        (lambda store: store.frame("utterances", since="soon"), "'soon' is no time"),
        (lambda store: store.frame("utterances", until="9" * 20), "is no time"),
    ],
)
def test_what_there_is_not(opened: genscribe.Store, ask: Callable[[Any], object], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        ask(opened)


def test_without_pandas_it_says_what_to_install(opened: genscribe.Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        assert name == "pandas"
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(reading, "importlib", SimpleNamespace(import_module=missing))
    with pytest.raises(ConfigError, match="pip install pandas"):
        opened.frame("utterances")


@pytest.fixture
def pandas() -> Any:
    try:
        return importlib.import_module("pandas")
    except ImportError:
        pytest.skip("pandas is not installed: what a DataFrame holds is NOT tested here")


def test_a_data_frame_has_real_times_and_numbers(opened: genscribe.Store, pandas: Any) -> None:
    frame = opened.frame("utterances", since="7d")
    assert list(frame.columns) == list(FRAMES["utterances"].columns)
    (row,) = frame.to_dict("records")
    assert row["spoken_at"].to_pydatetime() == datetime(2025, 12, 31, 23, 0, 0, 225_000, tzinfo=timezone.utc)
    assert row["text"] == "new"
    assert row["confidence"] == 0.5
    everything = opened.frame("utterances")
    assert str(everything["spoken_at"].dt.tz) == "UTC"
    assert list(everything["spoken_at"].isna()) == [False, False, True]
    assert everything["confidence"].dtype == "float64"
    assert everything["revision"].dtype == "int64"
    assert everything.groupby("conversation_id")["text"].count().to_dict() == {"c1": 3}
    assert opened.frame("gaps")["conversation_ids"].tolist() == [["c1"]]


@pytest.mark.parametrize("name", list(FRAMES))
@pytest.mark.parametrize("since", [None, "1s"])
def test_every_frame_has_its_types_also_when_it_is_empty(
    opened: genscribe.Store, pandas: Any, name: Any, since: str | None
) -> None:
    frame = opened.frame(name, since=since)
    for column in FRAMES[name].times:
        assert isinstance(frame[column].dtype, pandas.DatetimeTZDtype), column
    for column in FRAMES[name].numbers:
        assert frame[column].dtype == "float64", column
