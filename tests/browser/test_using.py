"""By keyboard, on a narrow screen, in the dark, with a token: the page is there for everybody who may see it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenTab
from tests.browser.studio import Studio, served
from tests.browser.tab import Tab

NARROW = {"width": 360, "height": 640}
VIEWS = ("/", "/search?q=narrow", "/health", "/conversations/{call}")


@pytest.fixture(scope="module")
def call(studio: Studio) -> str:
    made = studio.begin_known(agent="Renee Moreau")
    for number in range(12):
        studio.say(
            f"a narrow line {number} " + "and some more words " * (number % 5),
            made,
            "agent" if number % 2 else "customer",
        )
    studio.say("anarrowlinewithoutanyblank" * 12, made, "customer")
    studio.stored("anarrowlinewithoutanyblank" * 12)
    return made


def loaded(page: Page) -> None:
    """Waits until the view shows what it is about."""
    expect(page.locator(".wall li, .results .hit, .panels, .dialogue .line").first).to_be_visible()


def focused(page: Page) -> str:
    """What the keyboard is at: tag, and its text or name."""
    found: str = page.evaluate(
        "(() => { const at = document.activeElement;"
        " return at.tagName + ' ' + (at.textContent.trim() || at.getAttribute('aria-label') || ''); })()"
    )
    return found


def test_keys_go_through_the_views(call: str, tab: Tab) -> None:
    page = tab.go("/")
    expect(tab.card(call)).to_be_visible()
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox", name="Words")).to_be_focused()
    page.keyboard.type("j")
    expect(page.get_by_role("searchbox", name="Words")).to_have_value("j")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(page).to_have_url(re.compile(r"/$"))
    expect(tab.card(call)).to_be_visible()
    page.keyboard.press("j")
    expect(page.locator(".wall li a:focus")).to_have_count(1)
    first = focused(page)
    if page.locator(".wall li").count() > 1:
        page.keyboard.press("j")
        assert focused(page) != first
        page.keyboard.press("k")
        assert focused(page) == first
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/conversations/"))
    expect(page.locator(".dialogue")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page).to_have_url(re.compile(r"/$"))


def test_lines_of_a_conversation_by_keyboard(call: str, tab: Tab) -> None:
    page = tab.go(f"/conversations/{call}")
    expect(tab.lines()).to_have_count(13)
    page.keyboard.press("k")
    picked = page.locator(".dialogue .picked")
    expect(picked).to_contain_text("anarrowline")
    page.keyboard.press("k")
    expect(picked).to_contain_text("a narrow line 11")
    expect(picked).to_be_in_viewport()
    page.keyboard.press("j")
    expect(picked).to_contain_text("anarrowline")
    assert "line=" in page.url


def test_tab_goes_from_the_bar_to_the_content(call: str, tab: Tab) -> None:
    page = tab.go("/health")
    loaded(page)
    order = []
    for _ in range(6):
        page.keyboard.press("Tab")
        order.append(focused(page))
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none", f"nobody sees where the keyboard is: {order[-1]}"
    places = [
        next((at for at, text in enumerate(order) if text.startswith(f"A {name}")), -1)
        for name in ("genscribe", "Live", "Search", "Health")
    ]
    assert -1 not in places, order
    assert places == sorted(places), order


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("width", [360, 768])
def test_nothing_sticks_out_on_a_narrow_screen(
    call: str, open_tab: OpenTab, studio: Studio, view: str, width: int
) -> None:
    tab = open_tab(studio.url, viewport={"width": width, "height": 640})
    loaded(tab.go(view.format(call=call)))
    assert tab.too_wide() == []


NAMELESS = """() => {
  const told = "button, a[href], input, select, [role=img], [role=meter], nav";
  const name = (one) => one.getAttribute("aria-label") || one.getAttribute("title") || one.textContent.trim()
    || one.labels?.[0]?.textContent.trim();
  return [...document.querySelectorAll(told)].filter((one) => !name(one)).map((one) => one.outerHTML.slice(0, 80));
}"""


def test_everything_has_a_name_for_a_screen_reader(call: str, tab: Tab) -> None:
    for view in VIEWS:
        loaded(tab.go(view.format(call=call)))
        nameless = tab.page.evaluate(NAMELESS)
        assert nameless == []
        assert tab.page.locator("main").count() == 1
        assert tab.page.title()


def luminance(page: Page) -> float:
    """Of the page's ground, 0 to 255."""
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    numbers = [float(number) for number in re.findall(r"[\d.]+", colour)[:3]]
    return sum(numbers) / 3


def test_the_page_is_dark_where_the_system_is(open_tab: OpenTab, studio: Studio) -> None:
    dark = open_tab(studio.url, color_scheme="dark").go("/health")
    light = open_tab(studio.url, color_scheme="light").go("/health")
    assert luminance(dark) < 60
    assert luminance(light) > 200


def test_a_chosen_theme_stays(open_tab: OpenTab, studio: Studio) -> None:
    page = open_tab(studio.url, color_scheme="light").go("/health")
    button = page.get_by_role("button", name=re.compile("^Colours"))
    for _ in range(3):
        if luminance(page) < 60:
            break
        button.click()
    assert luminance(page) < 60
    page.reload()
    expect(button).to_be_visible()
    assert luminance(page) < 60


CONTRAST = """() => {
  const parse = (text) => { const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number); return [[r, g, b], a]; };
  const over = ([top, a], ground) => top.map((value, at) => value * a + ground[at] * (1 - a));
  const linear = (value) => (value <= 10 ? value / 255 / 12.92 : ((value / 255 + .055) / 1.055) ** 2.4);
  const light = (rgb) => { const [r, g, b] = rgb.map(linear); return .2126 * r + .7152 * g + .0722 * b; };
  const words = (one) => [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
  const bad = new Set();
  for (const element of document.querySelectorAll("body *")) {
    if (!words(element) || element.closest("svg, .hidden, [disabled], option")) continue;
    if (!element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
    let grounds = [], seen = 1;
    for (let one = element; one; one = one.parentElement) {
      const style = getComputedStyle(one);
      seen *= Number(style.opacity);
      grounds.unshift(parse(style.backgroundColor));
    }
    if (seen < 1) continue;
    const ground = grounds.reduce((below, top) => over(top, below), [255, 255, 255]);
    const style = getComputedStyle(element), size = parseFloat(style.fontSize);
    const [most, least] = [light(over(parse(style.color), ground)), light(ground)].sort((one, other) => other - one);
    const ratio = (most + .05) / (least + .05), large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    if (ratio < (large ? 3 : 4.5)) bad.add(`${element.tagName}.${element.className}: ${ratio.toFixed(2)}`);
  }
  return [...bad];
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out_from_their_ground(call: str, open_tab: OpenTab, studio: Studio, scheme: str) -> None:
    """WCAG AA: 4.5 to 1, large ones 3 to 1."""
    tab = open_tab(studio.url, color_scheme=scheme, reduced_motion="reduce")
    for view in VIEWS:
        loaded(tab.go(view.format(call=call)))
        assert tab.page.evaluate(CONTRAST) == [], view


TOKEN = "a-token-of-these-tests-that-is-long-enough"


def test_a_token_lets_a_browser_in(open_tab: OpenTab, tmp_path: Path) -> None:
    store = tmp_path / "s.db"
    with served(tmp_path, "demo", "--store", str(store), "--web-token-file", str(_file(tmp_path, TOKEN))) as server:
        tab = open_tab(server.url)
        tab.forgive("Failed to load resource: the server responded with a status of 401")
        page = tab.go("/health")
        field = page.get_by_label("Token")
        expect(field).to_be_focused()
        field.fill("not the token")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_have_text("That is not the token.")
        page.get_by_label("Token").fill(TOKEN)
        page.keyboard.press("Enter")
        page.wait_for_url(server.url + "/health")
        expect(page.get_by_role("navigation", name="Views")).to_be_visible()
        assert [cookie["httpOnly"] for cookie in tab.context.cookies()] == [True]
        assert TOKEN not in str(tab.context.cookies())
        page.goto(server.url + "/health")
        expect(page.get_by_role("heading", level=1)).to_contain_text("Hearing everything")
        page.goto("about:blank")


def _file(folder: Path, text: str) -> Path:
    path = folder / "token"
    path.touch(0o600)
    path.write_text(text)
    return path
