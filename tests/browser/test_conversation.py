"""A conversation while it goes on: every line once and in order, in place, with its holes and those who come and go."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Page, expect

from genscribe import clock
from tests.browser.conftest import OpenTab
from tests.browser.studio import Studio, served
from tests.browser.tab import Tab

_NOT_RECORDED = re.compile(r"^Not recorded \d\d:\d\d:\d\d–\d\d:\d\d:\d\d \(connection lost\)$")


def test_the_demo_runs_and_a_call_appears(open_tab: OpenTab, tmp_path: Path) -> None:
    with served(tmp_path, "demo", "--speed", "3", "--store", str(tmp_path / "demo.db")) as demo:
        tab = open_tab(demo.url)
        page = tab.go()
        page.locator('.wall a[href^="/conversations/"]').filter(has_text="Call").first.click()
        expect(tab.lines().first).to_be_visible()
        assert page.url.startswith(demo.url + "/conversations/")
        assert page.get_by_role("heading", level=1).inner_text()
        page.goto("about:blank")


def test_lines_come_in_order_of_speech_and_once(studio: Studio, tab: Tab) -> None:
    call, begin = studio.begin(), clock.wall_ms()
    said = [f"line number {number}" for number in range(120)]

    def say(part: list[str]) -> None:
        for number, text in enumerate(part):
            at = begin + said.index(text) * 10
            studio.say(text, call, "agent" if number % 3 else "customer", at=at, duration_ms=5)

    say(said[:40])
    studio.stored(said[39])
    tab.go(f"/conversations/{call}")
    say(said[80:])  # while the page loads; and what was said before comes last, as it does on the platform
    say(said[40:80])
    expect(tab.lines()).to_have_count(len(said))
    assert tab.texts() == said
    tab.page.reload()
    expect(tab.lines()).to_have_count(len(said))
    assert tab.texts() == said


def test_interim_becomes_final_in_place(studio: Studio, tab: Tab) -> None:
    call, at = studio.begin_known(), clock.wall_ms()
    tab.go(f"/conversations/{call}")
    studio.say("i would", call, "customer", interim=True, utterance_id="u1", at=at)
    expect(tab.lines()).to_have_count(1)
    expect(tab.lines()).to_have_class("line customer interim")
    tab.lines().first.evaluate("(element) => { element.known = true; }")
    studio.say("i would like to", call, "customer", interim=True, utterance_id="u1", at=at)
    expect(tab.lines().locator(".speech")).to_have_text("i would like to")
    studio.say("i would like to cancel", call, "customer", utterance_id="u1", at=at)
    expect(tab.lines()).to_have_class("line customer")
    assert tab.texts() == ["i would like to cancel"]
    assert tab.lines().first.evaluate("(element) => element.known"), "the same element says more"


_REVISED = """async () => {
  const { begin, take, items } = await import("/page/dialogue.mjs");
  const line = (key, revision, seq, second) => ({
    kind: "utterance", conversation_id: "c", key, revision, seq, speaker: "customer", text: key + revision,
    is_final: revision > 0, spoken_at: `2026-01-02T03:04:${second}.000Z`,
  });
  const times = new Map(), loaded = (...lines) => begin(
    { conversation: { id: "c", agents: [], queues: [] }, lines, participants: [], gaps: [], earlier: 0 }, times);
  const shown = (state) => items(state, 0).map(({ time, line }) => [line.text, new Date(time).getUTCSeconds()]);
  const state = loaded(line("one", 0, 1, 10), line("two", 1, 2, 14));
  take(state, line("one", 1, 3, 19));
  return [shown(state), shown(loaded(line("two", 1, 2, 14), line("one", 1, 3, 19)))];
}"""


def test_a_line_keeps_its_place_and_time_when_its_final_tells_another(modules: Page) -> None:
    """And when the view loads itself anew."""
    assert modules.evaluate(_REVISED) == [[["one1", 10], ["two1", 14]]] * 2


def test_a_server_that_does_not_answer_is_said_and_asked_again(studio: Studio, tab: Tab) -> None:
    tab.forgive("Failed to load resource: net::ERR_")
    call = studio.begin()
    studio.say("there it is", call)
    studio.stored("there it is")
    tab.page.route("**/api/conversations/*", lambda route: route.abort())
    tab.go(f"/conversations/{call}")
    expect(tab.page.get_by_role("heading", name="This could not be loaded")).to_be_visible()
    expect(tab.page.get_by_text("The server does not answer.")).to_be_visible()
    tab.page.unroute("**/api/conversations/*")
    expect(tab.lines().locator(".speech")).to_have_text("there it is")


def test_a_transfer_is_shown(studio: Studio, tab: Tab) -> None:
    call = studio.begin(agent="Maya Castillo")
    studio.say("one moment please", call)
    studio.stored("one moment please")
    tab.go(f"/conversations/{call}")
    expect(tab.page.get_by_role("heading", level=1)).to_have_text("Maya Castillo")
    studio.cloud.transfer(call, agent="Derek Lindqvist")
    expect(tab.page.locator(".note", has_text="Derek Lindqvist joined")).to_be_visible()
    expect(tab.page.locator(".note", has_text="Maya Castillo left")).to_be_visible()


def test_a_conversation_that_is_opened_before_it_begins(studio: Studio, tab: Tab) -> None:
    tab.forgive("Failed to load resource: the server responded with a status of 404")
    call = "9d0d7b39-6f3c-4b0e-9a55-77b5a1b1c3aa"
    tab.go(f"/conversations/{call}")
    expect(tab.page.get_by_role("heading", name="There is no such conversation")).to_be_visible()
    studio.begin(conversation=call)
    studio.say("here we are", call)
    expect(tab.lines().locator(".speech")).to_have_text("here we are")


def test_the_view_follows_unless_the_reader_went_elsewhere(studio: Studio, tab: Tab) -> None:
    call = studio.begin_known()
    tab.go(f"/conversations/{call}")
    for number in range(40):
        studio.say(f"so much to read {number}", call, "agent" if number % 2 else "customer")
    expect(tab.lines()).to_have_count(40)
    expect(tab.lines().last).to_be_in_viewport(ratio=1)
    tab.page.locator(".dialogue").evaluate("(box) => { box.scrollTop = 0; }")
    expect(tab.lines().first).to_be_in_viewport()
    studio.say("news from below", call)
    expect(tab.page.get_by_role("button", name="new line")).to_be_visible()
    expect(tab.lines().first).to_be_in_viewport()
    tab.page.get_by_role("button", name="new line").click()
    expect(tab.lines().last).to_be_in_viewport(ratio=1)
    expect(tab.page.get_by_role("button", name="new line")).to_have_count(0)


def test_a_hole_is_drawn_with_its_words(studio: Studio, tab: Tab) -> None:
    call = studio.begin_known()
    tab.go(f"/conversations/{call}")
    studio.say("before the hole", call, at=clock.wall_ms() - 5000)
    expect(tab.lines()).to_have_count(1)
    studio.cloud.fault("drop")
    hole = tab.page.locator(".dialogue .gap")
    expect(hole).to_have_text(_NOT_RECORDED)
    studio.cloud.wait_subscribed(call)
    studio.say("behind the hole", call)
    expect(tab.lines()).to_have_count(2)
    expect(hole).to_have_count(1)
    order = tab.page.locator(".dialogue .line, .dialogue .gap").evaluate_all(
        "(all) => all.map((one) => one.classList[0])"
    )
    assert order == ["line", "gap", "line"]
    expect(tab.page.locator(".timeline .hole")).to_have_count(1)
    tab.context.grant_permissions(["clipboard-read", "clipboard-write"])
    tab.page.get_by_role("button", name="Copy").click()
    expect(tab.page.get_by_role("button", name="Copied")).to_be_visible()
    before, lost, behind = str(tab.page.evaluate("navigator.clipboard.readText()")).split("\n")
    assert before.endswith(": before the hole")
    assert _NOT_RECORDED.match(lost), "what is copied does not hide it"
    assert behind.endswith(": behind the hole")
