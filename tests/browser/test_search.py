"""What was said is found while one types, and opens at the line."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from genscribe import clock
from tests.browser.studio import Studio
from tests.browser.tab import Tab
from tests.process.runner import rows, until


@pytest.fixture(scope="module")
def call(studio: Studio) -> str:
    """A long call; one of its lines is about a zebra."""
    made, begin = studio.begin(agent="Alicia Foster"), clock.wall_ms() - 300_000
    for number in range(80):
        text = "is the Zebra crossing at the harbour open" if number == 40 else f"we talk of this and that {number}"
        studio.say(text, made, "agent" if number % 2 else "customer", at=begin + number * 1000)
    studio.stored("we talk of this and that 79")
    until(lambda: rows(studio.store, "select 1 from participants where user_name = 'Alicia Foster'"))
    return made


def test_search_finds_and_opens_the_line(call: str, tab: Tab) -> None:
    page = tab.go("/search")
    box = page.get_by_role("searchbox")
    expect(box).to_be_focused()
    page.keyboard.type("zebra harb")
    hit = page.locator(".results a.hit")
    expect(hit).to_have_count(1)
    expect(hit.locator("mark").first).to_have_text(re.compile("zebra", re.IGNORECASE))
    expect(hit.locator("mark").nth(1)).to_have_text("harbour")
    assert "q=zebra" in page.url
    hit.click()
    picked = tab.lines().and_(page.locator(".picked"))
    expect(picked).to_have_count(1)
    expect(picked).to_contain_text("Zebra crossing")
    expect(picked).to_be_in_viewport(ratio=1)
    assert re.search(rf"/conversations/{call}\?line=", page.url)
    page.reload()
    expect(picked).to_be_in_viewport(ratio=1)
    page.go_back()
    expect(box).to_have_value("zebra harb")
    expect(hit).to_have_count(1)


def test_words_anywhere_in_a_call(call: str, tab: Tab) -> None:
    page = tab.go("/search?q=zebra+that+79")
    expect(page.get_by_role("status").filter(has_text="Nothing was found")).to_be_visible()
    page.get_by_text("anywhere in a call").click()
    expect(page.locator(".results li")).to_have_count(1)
    expect(page.locator(".results li")).to_contain_text("Alicia Foster")
    assert "in=call" in page.url


def test_whatever_one_types_is_no_error(call: str, tab: Tab) -> None:
    page = tab.go("/search")
    box = page.get_by_role("searchbox")
    for words in ('"', "NEAR(", "a AND", "*", "zebra'; --", "(", "-", "🦓", '"zebra crossing"'):
        box.fill(words)
        expect(page.locator(".told")).to_have_text(re.compile(r"Nothing|line|Type what was said"))
    expect(page.locator(".results a.hit")).to_have_count(1)


def test_results_by_keyboard(call: str, tab: Tab) -> None:
    page = tab.go("/search?q=talk+this")
    hits = page.locator(".results a.hit")
    expect(hits.nth(2)).to_be_visible()
    page.keyboard.press("ArrowDown")
    expect(hits.nth(0)).to_be_focused()
    page.keyboard.press("j")
    expect(hits.nth(1)).to_be_focused()
    page.keyboard.press("k")
    expect(hits.nth(0)).to_be_focused()
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(tab.lines().and_(page.locator(".picked"))).to_be_in_viewport(ratio=1)


def test_a_conversation_that_there_is_not(tab: Tab) -> None:
    tab.forgive("Failed to load resource: the server responded with a status of 404")
    page = tab.go("/conversations/nobody")
    expect(page.get_by_role("heading", name="There is no such conversation")).to_be_visible()
