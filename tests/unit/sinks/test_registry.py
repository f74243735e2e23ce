"""Settings become sinks, ours and others'."""

from __future__ import annotations

import ssl
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from typing import Any

import pytest

from genscribe.errors import ConfigError
from genscribe.secrets import Secret
from genscribe.settings import SinkSetting, schemes
from genscribe.settings.sinks import sink_setting
from genscribe.sinks import registry
from genscribe.sinks.base import Means, SinkMisconfigured
from genscribe.sinks.console import Console
from genscribe.sinks.jsonl import JsonLinesOutput
from genscribe.sinks.registry import make_sink
from tests.fakes import MemorySink

MEANS = Means("n", "s", tls=ssl.create_default_context)


def setting(text: str) -> SinkSetting:
    return sink_setting(text, lambda what: what)


def test_ours() -> None:
    assert isinstance(make_sink(setting("console"), MEANS), Console)
    assert isinstance(make_sink(setting("jsonl:-"), MEANS), JsonLinesOutput)


@pytest.mark.parametrize("scheme", sorted({one.module for one in schemes.SCHEMES.values()}))
def test_every_scheme_has_its_module(scheme: str) -> None:
    assert find_spec(f"genscribe.sinks.{scheme}") is not None


@pytest.mark.parametrize("scheme", [one for one in schemes.SCHEMES.values() if one.extra], ids=lambda one: one.name)
def test_without_its_library_it_names_the_extra(scheme: schemes.Scheme, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []

    def absent(name: str) -> None:
        looked.append(name)

    monkeypatch.setattr(registry, "find_spec", absent)
    with pytest.raises(SinkMisconfigured) as found:
        make_sink(setting(scheme.example), MEANS)
    assert found.value.advice == f"Install it: pip install 'genscribe[{scheme.extra}]'"
    assert [find_spec(name) is not None for name in looked] == [True], "a module that there is"


def published(monkeypatch: pytest.MonkeyPatch, value: str) -> SinkSetting:
    entry = EntryPoint("teletype", f"{__name__}:{value}", schemes.GROUP)
    monkeypatch.setattr("importlib.metadata.entry_points", lambda *, group: [entry])
    monkeypatch.setattr(EntryPoint, "load", lambda self: found(self.value.partition(":")[2]))
    return setting("t=teletype://me:pw-value@h/x?baud=50")


def found(name: str) -> Any:
    if name == "gone":
        raise ImportError("pw-value")
    return globals()[name]


def make(given: SinkSetting, means: Means) -> MemorySink:
    assert given.url == Secret("teletype://me:pw-value@h/x?baud=50")
    assert means is MEANS
    return MemorySink()


def refuses(given: SinkSetting, means: Means) -> MemorySink:
    raise SinkMisconfigured("it wants more paper.", advice="Load some.")


def breaks(given: SinkSetting, means: Means) -> MemorySink:
    raise ValueError(f"bad {given.url and given.url.reveal()}")


def test_a_published_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(make_sink(published(monkeypatch, "make"), MEANS), MemorySink)


@pytest.mark.parametrize(
    ("value", "says"),
    [("refuses", "more paper"), ("breaks", "ValueError"), ("gone", "cannot be loaded"), ("MEANS", "is no function")],
)
def test_what_others_get_wrong_is_told_without_their_words(
    value: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        make_sink(published(monkeypatch, value), MEANS)
    assert "pw-value" not in str(caught.value)
    assert caught.value.exit_code == 78
