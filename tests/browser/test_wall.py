"""The wall of conversations in progress: they come, say their last line, light up, and go."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser.studio import Studio
from tests.browser.tab import Tab


def test_a_call_appears_with_its_names_and_its_last_line(studio: Studio, tab: Tab) -> None:
    tab.go("/")
    call = studio.begin(agent="Priya Patel", queue="Billing")
    studio.say("how can i help", call)
    card = tab.card(call)
    for words in ("Priya Patel", "Billing", "how can i help"):
        expect(card).to_contain_text(words)
    studio.say("my card was charged twice", call, "customer")
    expect(card).to_contain_text("my card was charged twice")
    expect(card).not_to_contain_text("how can i help")
    tab.open_card(call)
    expect(tab.lines()).to_have_count(2)
    tab.page.go_back()
    expect(tab.card(call)).to_be_visible()
    studio.cloud.end(call)


def test_a_text_chat_appears(studio: Studio, tab: Tab) -> None:
    tab.go("/")
    chat = studio.begin(media_type="message")
    studio.cloud.message("do you read this", chat)
    expect(tab.card(chat)).to_contain_text("do you read this")
    studio.cloud.end(chat)


def test_watched_words_light_a_card_when_they_are_said(studio: Studio, tab: Tab) -> None:
    calm, angry = studio.begin(), studio.begin()
    studio.say("i was at a Lawyer once", calm, "customer")
    tab.go("/")
    words = tab.page.get_by_label(re.compile("^Watch"))
    words.fill("lawyer, cancel")
    words.press("Enter")
    for call in (calm, angry):
        expect(tab.card(call)).to_be_visible()
    studio.say("then i will call my Lawyer", angry, "customer")
    expect(tab.card(angry)).to_have_class(re.compile(r"\blit\b"))
    expect(tab.card(angry).locator("mark")).to_have_text("Lawyer")
    expect(tab.card(calm)).not_to_have_class(re.compile(r"\blit\b"))
    studio.say("the lawyers left, i can cel it", calm, "customer")
    studio.say("have a nice day", calm, "agent")
    expect(tab.card(calm)).to_contain_text("have a nice day")
    for call in (calm, angry):
        studio.cloud.end(call)


def test_filters_are_in_the_url_and_choose(studio: Studio, tab: Tab) -> None:
    sales, billing = studio.begin(queue="Sales"), studio.begin(queue="Billing")
    tab.go("/")
    expect(tab.card(sales)).to_be_visible()
    tab.page.get_by_role("combobox", name="Queue").select_option(label="Billing")
    expect(tab.card(sales)).to_have_count(0)
    expect(tab.card(billing)).to_be_visible()
    assert "queue=" in tab.page.url
    tab.page.reload()
    expect(tab.card(billing)).to_be_visible()
    expect(tab.card(sales)).to_have_count(0)
    for call in (sales, billing):
        studio.cloud.end(call)


def test_a_transferred_call_stands_under_both_of_its_queues(studio: Studio, tab: Tab) -> None:
    call = studio.begin(queue="Sales")
    tab.go("/")
    expect(tab.card(call).locator(".queue")).to_contain_text("Sales")
    studio.cloud.transfer(call, queue="Billing")
    expect(tab.card(call).locator(".queue")).to_contain_text("Billing")
    for _ in ("as it comes", "as it is loaded"):
        for queue in ("Sales", "Billing"):
            tab.page.get_by_role("combobox", name="Queue").select_option(label=queue)
            expect(tab.card(call).locator(".queue")).to_contain_text("Billing")
        tab.page.reload()
    tab.open_card(call)
    expect(tab.page.locator(".head")).to_contain_text(re.compile("Sales.*Billing"))
    studio.cloud.end(call)


_ENDED = """async () => {
  const { live } = await import("/page/live.mjs"), gone = (seconds) => Date.now() - 1000 * seconds;
  const past = (id, seconds) => live.cards.set(id, { id, agents: [], queues: [], touched: 0, gone: gone(seconds) });
  for (let number = 0; number < 60; number += 1) past("new " + number, 5);
  past("of late", 30);
  past("long over", 300);
  while (live.cards.has("long over")) await new Promise((resolve) => { setTimeout(resolve, 50); });
  return live.cards.has("of late");
}"""


def test_a_call_that_has_just_ended_is_known_so_that_a_late_line_makes_no_card_of_it(studio: Studio, tab: Tab) -> None:
    tab.go("/health")
    assert tab.page.evaluate(_ENDED), "however many ended since"


def test_an_ended_call_stays_reachable(studio: Studio, tab: Tab) -> None:
    call = studio.begin()
    studio.say("goodbye", call)
    tab.go("/")
    expect(tab.card(call)).to_contain_text("goodbye")
    studio.cloud.end(call)
    expect(tab.card(call)).to_have_class(re.compile(r"\bending\b"))
    tab.open_card(call)
    expect(tab.page.locator(".note", has_text="The conversation ended")).to_be_visible()
