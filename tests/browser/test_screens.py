"""Pictures of each view, dark and light, wide and narrow, for people to look at: in build/screenshots."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from genscribe import clock
from tests.browser.conftest import OpenTab
from tests.browser.studio import Studio
from tests.browser.test_using import loaded

SCREENS = Path(__file__).parents[2] / "build" / "screenshots"
SPOKEN = (
    ("Maya Castillo", "Billing", ("how can i help you today", "my card was charged twice for the same order")),
    ("Derek Lindqvist", "Retentions", ("thank you for waiting", "i would like to cancel my contract")),
    ("Priya Patel", "Support", ("let me look into that", "the app says i am not logged in", "one moment please")),
    ("Tom Whitaker", "Sales", ("which size would you like", "a large one and two small ones if you have them")),
)
SIZES = {"wide": {"width": 1280, "height": 800}, "narrow": {"width": 360, "height": 740}}


@pytest.fixture(scope="module")
def calls(studio: Studio) -> list[str]:
    """A few calls; the first is longer, with all that a call can have."""
    made = [studio.begin_known(agent=agent, queue=queue) for agent, queue, _ in SPOKEN]
    for call, (_, _, lines) in zip(made, SPOKEN, strict=True):
        for number, text in enumerate(lines):
            studio.say(text, call, "customer" if number % 2 else "agent")
    first = made[0]
    studio.heard(first, 2)
    studio.cloud.fault("drop")
    studio.cloud.wait_disconnected()
    studio.cloud.wait_subscribed(first)
    at = clock.wall_ms()
    for number in range(14):
        text = f"so i looked at my statement and there it was, {number + 2} times " + "and again " * (number % 4)
        studio.say(text, first, "agent" if number % 3 == 2 else "customer", at=at + number * 10, duration_ms=9)
    studio.cloud.transfer(first, agent="Alicia Foster")
    studio.say("good morning, this is billing", first, "agent")
    studio.say("and now i am still spea", first, "customer", interim=True, utterance_id="i1")
    studio.heard(first, 18)
    return made


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_pictures(calls: list[str], open_tab: OpenTab, studio: Studio, scheme: str, size: str) -> None:
    views = {
        "wall": "/?watch=cancel",
        "conversation": f"/conversations/{calls[0]}",
        "search": "/search?q=card+order",
        "nothing-found": "/search?q=xyzzy",
        "health": "/health",
        "unknown": "/conversations/nobody",
    }
    tab = open_tab(studio.url, color_scheme=scheme, viewport=SIZES[size], reduced_motion="reduce")
    tab.forgive("Failed to load resource: the server responded with a status of 404")
    SCREENS.mkdir(parents=True, exist_ok=True)
    for name, path in views.items():
        tab.go(path)
        if name in ("nothing-found", "unknown"):
            expect(tab.page.get_by_text("Nothing was found").or_(tab.page.get_by_text("no such"))).to_be_visible()
        else:
            loaded(tab.page)
        if name == "wall":
            expect(tab.page.locator('.talk .agent[d^="M"]')).not_to_have_count(0)
        picture = tab.page.screenshot(path=SCREENS / f"{name}-{size}-{scheme}.png")
        assert len(picture) > 5000, "nothing is on it"
