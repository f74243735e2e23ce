"""The health view: in words, for people."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import OpenTab
from tests.browser.studio import Studio, served
from tests.browser.studio import studio as make_studio
from tests.browser.tab import Tab

SINCE = "2020-01-02T08:14:00.000Z"
WELL: dict[str, Any] = {
    "connected": True, "since": SINCE, "missing_since": None, "why": None, "store_full_since": None, "hearing": None,
    "sinks": [],
}  # fmt: skip
HEARING = {"unheard": 0, "waiting_s": 0}
SINK = {"name": "kafka", "state": "paused", "since": SINCE}


def panel(page: Page, name: str) -> Locator:
    """The part of the view with that heading."""
    return page.locator(".panel", has=page.get_by_role("heading", name=name))


@pytest.mark.parametrize(
    ("changes", "reason", "tone", "words"),
    [
        ({}, None, "good", "Hearing everything since 2 Jan 2020, 08:14:00 Nothing is being missed."),
        (
            {"connected": False, "missing_since": SINCE, "why": "connection refused."}, "disconnected", "bad",
            "Not hearing since 2 Jan 2020, 08:14:00: connection refused. What is said now is not recorded.",
        ),
        ({"connected": False}, "connecting", "warn", "Connecting… Nothing is recorded before that."),
        (
            {"store_full_since": SINCE}, "store-full", "bad",
            "Not recording since 2 Jan 2020, 08:14:00: the disk is full. What is said now is not recorded. "
            "Free some room, or keep less of what is old (--keep).",
        ),
        (
            {"hearing": {**HEARING, "unheard": 2}}, None, "warn",
            "Connected since 2 Jan 2020, 08:14:00, but 2 conversations are not heard. "
            "All others are recorded.",
        ),
        (
            {"hearing": {**HEARING, "waiting_s": 20}}, "waiting", "warn",
            "A conversation has been waiting 20 s to be heard. All others are recorded.",
        ),
        (
            {"sinks": [SINK]}, None, "warn",
            "Hearing everything since 2 Jan 2020, 08:14:00, but not everything is sent on. "
            "Nothing is lost: what kafka has not taken stays in the store.",
        ),
        (
            None, None, "idle",
            "Nothing is being recorded by this store now. What was recorded before can be read and searched.",
        ),
    ],
)  # fmt: skip
def test_the_sentence_that_matters(
    modules: Page, changes: dict[str, Any] | None, reason: str | None, tone: str, words: str
) -> None:
    status = None if changes is None else {**WELL, **changes}
    answer = {"running": status is not None, "status": status, "ready": {"ok": reason is None, "reason": reason}}
    found = modules.evaluate('async (answer) => (await import("/page/verdict.mjs")).verdict(answer)', answer)
    assert (found["tone"], f"{found['head']} {found['more']}") == (tone, words)


def test_all_is_well_and_drawn(studio: Studio, tab: Tab) -> None:
    call = studio.begin_known()
    studio.say("measure this", call)
    page = tab.go("/health")
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile(r"^Hearing everything since \d\d:\d\d:\d\d$"))
    expect(page.get_by_role("meter", name="Topics")).to_have_attribute("aria-valuetext", re.compile(r"^\d+ of 19,000$"))
    charts = page.locator(".chart svg")
    expect(charts).to_have_count(3)
    for number, title in enumerate(("Lines and events", "Until it is safe", "How late lines")):
        expect(charts.nth(number)).to_have_attribute(
            "aria-label", re.compile(f"^{title}.*: (nothing yet|.* now; between )")
        )
    expect(charts.first).to_have_attribute("aria-label", re.compile("now; between"))
    box = page.locator(".chart .area").first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] - 1, box["y"] + 20)
    expect(page.locator(".chart .tip")).to_have_text(re.compile(r"^[\d.]+/s · \d\d:\d\d:\d\d$"))
    expect(panel(page, "Sent on to")).to_contain_text("Nothing is sent on")


def test_what_was_not_recorded_not_readable_and(open_tab: OpenTab, tmp_path: Path) -> None:
    with make_studio(tmp_path, transcripts=True) as studio:
        tab = open_tab(studio.url)
        studio.say("something", "c1")
        for number in range(3):
            studio.cloud.send(f"this is no JSON {number}")
        studio.say("something more", "c1")
        studio.stored("something more")
        page = tab.go("/health")
        unreadable = panel(page, "Could not be read")
        expect(unreadable.locator("li")).to_have_count(1)
        expect(unreadable.locator("li")).to_contain_text("3 times")
        studio.cloud.fault("503", times=None)
        studio.cloud.fault("drop")
        expect(page.get_by_role("heading", level=1)).to_have_text(
            re.compile(r"^Not hearing since \d\d:\d\d:\d\d: .*\.$")
        )
        expect(page.get_by_text("What is said now is not recorded.")).to_be_visible()
        missing = panel(page, "Not recorded").locator("li")
        expect(missing).to_have_text(re.compile(r"^\d\d:\d\d:\d\d until now.*connection lost$"))
        studio.cloud.lift()
        expect(page.get_by_role("heading", level=1)).to_have_text(
            re.compile("^Hearing everything since"), timeout=30_000
        )
        expect(missing).to_have_text(re.compile(r"^\d\d:\d\d:\d\d–\d\d:\d\d:\d\d.*connection lost$"))
        for word in ("utterance", "dead letter", "seq ", "gap"):
            assert word not in page.locator(".health").inner_text().lower()
        page.goto("about:blank")


def test_a_store_without_a_run(open_tab: OpenTab, tmp_path: Path) -> None:
    with make_studio(tmp_path, transcripts=True) as studio:
        studio.say("kept for later", "c1")
        studio.stored("kept for later")
        studio.server.stop()
        with served(tmp_path, "serve", "--store", str(studio.store)) as server:
            tab = open_tab(server.url)
            page = tab.go("/health")
            expect(page.get_by_role("heading", level=1)).to_have_text("Nothing is being recorded by this store now.")
            expect(page.locator(".chart")).to_have_count(0)
            expect(panel(page, "Store")).to_contain_text("Lines1")
            page.goto(server.url + "/search?q=later")
            expect(page.locator(".results .hit")).to_have_count(1)
            page.goto("about:blank")


def test_the_page_says_that_its_server_is_gone(open_tab: OpenTab, tmp_path: Path) -> None:
    with make_studio(tmp_path, transcripts=True) as studio:
        tab = open_tab(studio.url)
        tab.forgive("Failed to load resource: net::ERR_")
        page = tab.go("/health")
        expect(page.get_by_role("heading", level=1)).to_contain_text("Hearing everything")
        studio.server.stop()
        expect(page.get_by_role("heading", level=1)).to_contain_text("genscribe has not answered since", timeout=20_000)
        studio.server.start()
        expect(page.get_by_role("heading", level=1)).to_contain_text("Hearing everything", timeout=20_000)
        page.goto("about:blank")
