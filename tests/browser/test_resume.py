"""A page that lost its server, its network, or its sleep knows everything in the end, once."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import expect

from genscribe.emulator.platform import Line
from genscribe.web.hub import RING_BYTES
from tests.browser.conftest import OpenTab
from tests.browser.studio import Studio
from tests.browser.studio import studio as make_studio
from tests.browser.tab import Tab

MUCH = 2 * RING_BYTES // 4200
"""Lines of 4,200 characters."""
LOST = ("Failed to load resource: net::ERR_", "Failed to load resource: the server responded with a status of 503")


def test_a_restart_of_the_server_loses_and_repeats_nothing(open_tab: OpenTab, tmp_path: Path) -> None:
    with make_studio(tmp_path) as studio:
        tab = open_tab(studio.url)
        tab.forgive(*LOST)
        call = studio.begin()
        studio.say("before the restart", call)
        tab.go(f"/conversations/{call}")
        expect(tab.lines()).to_have_count(1)
        studio.server.stop()
        studio.say("while nobody listened", call)
        studio.server.start()
        studio.cloud.wait_subscribed(call)
        studio.say("behind the restart", call)
        expect(tab.lines().locator(".speech")).to_have_text(["before the restart", "behind the restart"])
        expect(tab.page.locator(".dialogue .gap")).to_contain_text("Not recorded")
        expect(tab.page.locator(".dialogue .gap")).to_have_count(1)
        studio.say("and it goes on", call)
        expect(tab.lines()).to_have_count(3)
        tab.page.goto("about:blank")


def test_a_sleeping_tab_wakes_up_and_knows_everything_once(studio: Studio, tab: Tab) -> None:
    tab.forgive(*LOST)
    call = studio.begin()
    studio.say("line 0", call)
    tab.go(f"/conversations/{call}")
    expect(tab.lines()).to_have_count(1)
    devtools = tab.context.new_cdp_session(tab.page)
    devtools.send("Page.setWebLifecycleState", {"state": "frozen"})
    for number in range(1, 60):
        studio.say(f"line {number}", call)
    studio.stored("line 59")
    devtools.send("Page.setWebLifecycleState", {"state": "active"})
    expect(tab.lines()).to_have_count(60)
    assert tab.texts() == [f"line {number}" for number in range(60)]


def test_a_lost_network_is_said_and_comes_back(studio: Studio, tab: Tab) -> None:
    tab.forgive(*LOST)
    call = studio.begin()
    studio.say("line 0", call)
    tab.go(f"/conversations/{call}")
    expect(tab.lines()).to_have_count(1)
    tab.context.set_offline(True)
    for number in range(1, 40):
        studio.say(f"line {number}", call)
    studio.stored("line 39")
    tab.context.set_offline(False)
    expect(tab.lines()).to_have_count(40)
    studio.say("line 40", call)
    expect(tab.lines()).to_have_count(41)
    assert tab.texts() == [f"line {number}" for number in range(41)]


def test_a_tab_that_slept_too_long_loads_itself_anew(verbatim: Studio, plain: Tab) -> None:
    """More was said meanwhile than is kept for browsers that lag."""
    plain.forgive(*LOST)
    verbatim.say("line 0", "slept")
    verbatim.stored("line 0")
    plain.go("/conversations/slept")
    expect(plain.lines()).to_have_count(1)
    plain.context.set_offline(True)
    verbatim.say("line 1", "slept")
    for number in range(MUCH // 100):
        verbatim.cloud.emit(
            [Line(f"{number} {one} {'words ' * 700}") for one in range(100)], conversation="long-winded"
        )
    verbatim.say("line 2", "slept")
    verbatim.stored("line 2")
    plain.context.set_offline(False)
    expect(plain.lines()).to_have_count(3)
    assert plain.texts() == ["line 0", "line 1", "line 2"]
    verbatim.say("line 3", "slept")
    expect(plain.lines()).to_have_count(4)


def test_another_store_at_the_same_address_is_loaded_anew(open_tab: OpenTab, tmp_path: Path) -> None:
    with make_studio(tmp_path) as studio:
        tab = open_tab(studio.url)
        tab.forgive(*LOST)
        call = studio.begin()
        for number in range(3):
            studio.say(f"old {number}", call)
        tab.go(f"/conversations/{call}")
        expect(tab.lines()).to_have_count(3)
        studio.server.stop()
        for file in tmp_path.glob(studio.store.name + "*"):
            file.rename(tmp_path / ("moved-" + file.name))
        studio.server.start()
        studio.cloud.wait_subscribed(call)
        studio.say("new 0", call)
        expect(tab.lines().locator(".speech")).to_have_text(["new 0"])
        studio.say("new 1", call)
        expect(tab.lines()).to_have_count(2)
        assert tab.texts() == ["new 0", "new 1"]
        tab.page.goto("about:blank")


def test_a_call_that_begins_gets_its_card_its_line_and_its_names_without_a_load(studio: Studio, tab: Tab) -> None:
    tab.go("/health")
    tab.page.evaluate('async () => { window.live = (await import("/page/live.mjs")).live; }')
    tab.page.wait_for_function('() => live.state === "open"')
    loads: list[str] = []
    tab.page.on("request", lambda request: loads.append(request.url) if "/api/conversations" in request.url else None)
    call = studio.begin(agent="Priya Patel", queue="Billing")
    studio.say("how can i help", call)
    card = tab.page.wait_for_function(
        """(id) => {
          const card = live.cards.get(id);
          return card?.last && card.agents[0]?.name && card.started_at && card;
        }""",
        arg=call,
    ).json_value()
    found = (card["queues"][0]["name"], card["agents"][0]["name"], card["last"]["text"], card["gone"])
    assert found == ("Billing", "Priya Patel", "how can i help", None)
    assert loads == []
    studio.cloud.end(call)
