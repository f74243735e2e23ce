"""What people say, and what they and things are called, enters the page as text, whatever it is."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import HOSTILE
from tests.browser.studio import Studio
from tests.browser.tab import Tab
from tests.process.runner import rows, until

SPEECH = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "<svg/onload=alert(3)><iframe src=javascript:alert(4)></iframe>",
    "javascript:alert(5)//{{7*7}}${7*7}`<!--",
    "</p></div></script><base href=//evil.example><style>*{display:none}</style>",
    "&lt;b&gt;not bold&lt;/b&gt; &amp; &#x3c;script&#x3e;",
    "\u202eevig ot enola\u2066 \u200f\u061c right to left",
    "bell\x07 escape\x1b[31m del\x7f back\x08 zero\u200bwidth \ufeff",
    "a\u0300" * 300,
    "W" * 4000,
    "🦓" * 200 + "\u200d👩‍👩‍👧",
    "line\nbreak\r\nand\u2028more",
]
ID = "../../<script>alert(9)</script>?a=b&c#d%00%2e%2e/'\"\u202e ü"


def harmless(tab: Tab) -> None:
    """Nothing of it became an element, ran, or spilled out of the window."""
    assert (
        tab.page.evaluate("document.querySelectorAll('[onerror], [onload], [onclick], a[href^=javascript]').length")
        == 0
    )
    assert (
        tab.page.evaluate("document.querySelectorAll('style, body > :not(#app):not(noscript):not(#said)').length") == 0
    )
    assert tab.too_wide() == []
    tab.check()


def test_hostile_speech_is_text_in_every_view(verbatim: Studio, plain: Tab) -> None:
    tab, call = plain, "hostile"
    tab.go("/")
    for text in SPEECH:
        verbatim.say(text, call, "customer")
        expect(tab.card(call)).to_contain_text(text[:8].strip())
        harmless(tab)
    tab.open_card(call)
    expect(tab.lines()).to_have_count(len(SPEECH))
    shown = tab.texts()
    assert [text for text in SPEECH if text not in shown] == [], "as it was said, character by character"
    harmless(tab)
    directions = tab.page.locator(".speech").evaluate_all(
        "(all) => all.map((one) => getComputedStyle(one).unicodeBidi)"
    )
    assert set(directions) <= {"isolate", "isolate-override", "plaintext"}, (
        "what turns the direction of text ends with its line"
    )
    tab.go("/search?q=" + quote("alert"))
    expect(tab.page.locator(".results .hit")).not_to_have_count(0)
    harmless(tab)


def test_a_line_of_no_conversation_costs_nothing_but_its_link(verbatim: Studio, plain: Tab) -> None:
    """The platform's `conversationId` is optional like every field: such a line can be searched for, and no more."""

    def nobody_says(text: str) -> None:
        line = {"timestamp": "2026-11-23T16:00:00.000Z", "speaker": "customer", "text": text, "type": "final"}
        verbatim.cloud.send(json.dumps({"mediaType": "voice", "timestamp": line["timestamp"], "transcript": [line]}))
        verbatim.stored(text)

    tab = plain
    verbatim.say("an okapi of one", "one")
    nobody_says("an okapi of nobody")
    tab.go("/search?q=okapi")
    expect(tab.page.locator(".results .hit")).to_have_count(2)
    tab.page.locator(".results .hit", has_text="nobody").click()
    expect(tab.page.locator(".results .hit")).to_have_count(2)
    tab.go("/?watch=okapi")
    tab.go("/conversations/one")
    expect(tab.lines()).to_have_count(1)
    nobody_says("another okapi of nobody")
    verbatim.say("another okapi of one", "one")
    expect(tab.lines()).to_have_count(2)
    tab.check()


def test_a_megabyte_of_speech_is_cut_and_can_be_had(verbatim: Studio, plain: Tab) -> None:
    tab, call = plain, "long"
    verbatim.say("first a few", call)
    verbatim.stored("first a few")
    tab.go(f"/conversations/{call}")
    expect(tab.lines()).to_have_count(1)
    verbatim.say("many words " * 95_000, call)
    expect(tab.lines()).to_have_count(2)
    assert len(tab.texts()[1]) <= 4001
    expect(tab.lines().last).to_contain_text("in the downloads")
    harmless(tab)
    until(lambda: rows(verbatim.store, "select 1 from utterances where length(text) > 1000000"))
    with tab.page.expect_download() as download:
        tab.page.get_by_role("link", name="Text").click()
    assert Path(download.value.path()).stat().st_size > 1_000_000


def test_hostile_names_are_text(studio: Studio, tab: Tab) -> None:
    tab.go("/")
    call = studio.begin(queue=HOSTILE, agent=HOSTILE)
    studio.say("my name is strange", call)
    expect(tab.card(call)).to_contain_text('<img src=x onerror=alert("name")>')
    harmless(tab)
    tab.open_card(call)
    expect(tab.page.get_by_role("heading", level=1)).to_contain_text('onerror=alert("name")')
    harmless(tab)
    tab.go("/search?q=strange")
    expect(tab.page.locator(".results li")).to_contain_text('onerror=alert("name")')
    harmless(tab)
    studio.cloud.end(call)


def test_hostile_ids_and_speakers_are_text(verbatim: Studio, plain: Tab) -> None:
    tab = plain
    tab.go("/")
    verbatim.say("what an id", ID, "<script>alert(6)</script>")
    verbatim.say("what else", ID, "customer")
    expect(tab.card(ID)).to_contain_text("what else")
    harmless(tab)
    tab.open_card(ID)
    expect(tab.lines()).to_have_count(2)
    expect(tab.page.locator(".dialogue")).to_contain_text("script>alert(6)</script>")
    assert tab.page.evaluate("decodeURIComponent(location.pathname)") == "/conversations/" + ID
    verbatim.say("and more", ID, "customer")
    expect(tab.lines()).to_have_count(3)
    tab.page.reload()
    expect(tab.lines()).to_have_count(3)
    harmless(tab)


@pytest.mark.parametrize("key", ["x\\'\"]<script>", "\u202e"])
def test_a_hostile_link_to_a_line_does_nothing(studio: Studio, tab: Tab, key: str) -> None:
    call = studio.begin()
    studio.say("just a line", call)
    studio.stored("just a line")
    tab.go(f"/conversations/{call}?" + "line=" + quote(key))
    expect(tab.lines()).to_have_count(1)
    harmless(tab)


def test_a_hostile_health_report_is_text(studio: Studio, tab: Tab) -> None:
    def answer(route, request):  # type: ignore[no-untyped-def]
        found = route.fetch().json()
        found["status"]["warnings"] = [["2026-11-23T08:00:00.000Z", SPEECH[1]]]
        found["status"]["sinks"] = [
            {
                "name": HOSTILE, "state": SPEECH[0], "since": "never", "lag_events": 1, "lag_seconds": 1.0,
                "dead_letters": 1, "last_error": SPEECH[2],
            }
        ]  # fmt: skip
        found["unreadable"] = [{"seq": 1, "received_at": "2026-11-23T08:00:00.000Z", "reason": SPEECH[4] * 20}]
        found["gaps"] = [
            {"key": "k", "started_at": SPEECH[0], "ended_at": None, "reason": SPEECH[1], "conversation_ids": [ID]}
        ]
        route.fulfill(body=json.dumps(found), content_type="application/json")

    tab.page.route("**/api/status", answer)
    tab.go("/health")
    expect(tab.page.locator(".panels")).to_contain_text("onerror=alert(2)")
    harmless(tab)
