from __future__ import annotations

from types import ModuleType

import pytest

from genscribe.settings import load, values
from genscribe.settings.values import BadValue, Keep, WebAddress


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("5m", 300), ("12h", 43200), ("30d", 2592000), ("1.5h", 5400), ("0", 0), ("2 M", 120)],
)
def test_durations(text: str, seconds: float) -> None:
    assert values.duration_s(text) == seconds


@pytest.mark.parametrize("text", ["", "-1", "1w", "five", "1h30m", "٣s", "1e3", "9" * 400, "200000000d", "inf", "s"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(BadValue):
        values.duration_s(text)


@pytest.mark.parametrize("text", ["30d", "12h", "5m", "90s", "36500d"])
def test_duration_text_is_read_back(text: str) -> None:
    assert values.duration_text(values.duration_s(text)) == text


@pytest.mark.parametrize(
    ("text", "keep"),
    [
        ("30d", Keep(2592000, None)),
        ("12h", Keep(43200, None)),
        ("200GB", Keep(None, 200 * 10**9)),
        ("200gb", Keep(None, 200 * 10**9)),
        ("1.5TB", Keep(None, 1_500_000_000_000)),
        ("1GiB", Keep(None, 2**30)),
        ("30d,200GB", Keep(2592000, 200 * 10**9)),
        ("200GB, 30d", Keep(2592000, 200 * 10**9)),
        ("forever", Keep(None, None)),
        ("FOREVER", Keep(None, None)),
        ("30m", Keep(1800, None)),
        ("500MB", Keep(None, 500_000_000)),
    ],
)
def test_keep(text: str, keep: Keep) -> None:
    assert values.keep(text) == keep


@pytest.mark.parametrize("text", ["30", "0d", "0GB", "", "30d,12h", "1GB,2GB", "ever", "-30d", "9" * 40 + "GB", "30d,"])
def test_a_keep_that_would_lose_data_by_accident_is_refused(text: str) -> None:
    with pytest.raises(BadValue):
        values.keep(text)


@pytest.mark.parametrize("text", ["30d", "200GB", "30d,200GB", "forever", "1536B"])
def test_keep_says_itself(text: str) -> None:
    assert str(values.keep(text)) == text


@pytest.mark.parametrize(
    ("texts", "types"),
    [(["voice", "chat"], ("voice", "chat")), (["Voice", "voice"], ("voice",)), (["all"], None), (["ALL"], None)],
)
def test_media_types(texts: list[str], types: tuple[str, ...] | None) -> None:
    assert values.media_types(texts) == types


@pytest.mark.parametrize("texts", [[], ["all", "voice"]])
def test_media_types_that_say_nothing_clear(texts: list[str]) -> None:
    with pytest.raises(BadValue):
        values.media_types(texts)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8080", ("127.0.0.1", 8080)),
        ("localhost:0", ("localhost", 0)),
        ("[::1]:65535", ("::1", 65535)),
    ],
)
def test_web_address(text: str, address: tuple[str, int]) -> None:
    assert values.web_address(text) == WebAddress(*address)
    assert str(values.web_address(text)) == text


@pytest.mark.parametrize("text", ["8080", ":8080", "host:", "host:65536", "::1:80", "ho st:1", "host:-1", "a:١"])
def test_what_is_no_web_address(text: str) -> None:
    with pytest.raises(BadValue):
        values.web_address(text)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://proxy:3128", "http://proxy:3128"),
        ("proxy:3128", "http://proxy:3128"),
        ("https://me:pw@proxy:3128", "https://me:pw@proxy:3128"),
    ],
)
def test_a_proxy_is_a_secret(text: str, url: str) -> None:
    secret = values.proxy(text)
    assert secret.reveal() == url
    assert "proxy" not in repr(secret)


@pytest.mark.parametrize("text", ["socks5://proxy:1080", "http://", "http://[::1", "http://a b:1", "http://p:notaport"])
def test_what_is_no_proxy(text: str) -> None:
    with pytest.raises(BadValue):
        values.proxy(text)


def test_a_path_may_begin_at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert str(values.path("~/calls.db")) == "/home/me/calls.db"
    with pytest.raises(BadValue):
        values.path("a\0b")


def test_a_choice_is_taken_in_any_case_and_named_when_missed() -> None:
    parse = values.choice("auto", "transcripts")
    assert parse("AUTO") == "auto"
    with pytest.raises(BadValue, match="none of auto, transcripts"):
        parse("both")


def test_a_kind_of_conversation_that_is_none_is_told_and_not_refused() -> None:
    assert load({"media_types": ("vioce", "chat", "fax")}, environ={}).media_types == ("vioce", "chat", "fax")
    typo, fax = values.unknown_media_types(("vioce", "chat", "fax"))
    assert typo.endswith("(did you mean voice?)")
    assert "did you mean" not in fax


@pytest.mark.slow
def test_kinds_of_conversations_are_those_of_the_official_sdk(sdk: ModuleType) -> None:
    session = sdk.AnalyticsSession()
    for kind in values.MEDIA_TYPES:
        session.media_type = kind
        assert session.media_type == kind
