"""A browser's tab that tells all it should not do: errors, foreign requests, dialogs, what its policy forbids."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Dialog, Error, Locator, Page, Request, expect

PATIENCE_MS = 15_000
LOCAL = ("127.0.0.1", "localhost")
_WATCH = """
window.violations = [];
addEventListener("securitypolicyviolation", (event) =>
  violations.push(`${event.violatedDirective} ${event.blockedURI}`));
"""
FOREIGN = "img, iframe, object, embed, video, audio, base, meta[http-equiv], script:not([src]):not([type=importmap])"
"""Elements that the page has none of: one of these came out of somebody's text."""

expect.set_options(timeout=PATIENCE_MS)


class Tab:
    """A tab at a page of ours.

    Attributes:
        page: The browser's.
        wrongs: What it should not have done, in words.
        forgiven: Beginnings of console errors that this test causes itself.
    """

    def __init__(self, context: BrowserContext, base: str) -> None:
        context.set_default_timeout(PATIENCE_MS)
        context.add_init_script(_WATCH)
        self.context = context
        self.base = base
        self.page: Page = context.new_page()
        self.wrongs: list[str] = []
        self.forgiven: list[str] = []
        self.page.on("console", self._said)
        self.page.on("pageerror", self._failed)
        self.page.on("request", self._asked)
        self.page.on("dialog", self._dialog)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.wrongs.append(f"console: {message.text}")

    def _failed(self, error: Error) -> None:
        self.wrongs.append(f"error: {error}")

    def _asked(self, request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme not in ("data", "blob") and address.hostname not in LOCAL:
            self.wrongs.append(f"request: {request.url}")

    def _dialog(self, dialog: Dialog) -> None:
        self.wrongs.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def go(self, path: str = "/") -> Page:
        """Opens a view."""
        self.page.goto(self.base + path)
        return self.page

    def forgive(self, *beginnings: str) -> None:
        """These console errors are what the test does to the page."""
        self.forgiven += [f"console: {beginning}" for beginning in beginnings]

    def check(self) -> None:
        """Raises `AssertionError` for anything it should not have done."""
        wrongs = [one for one in self.wrongs if not one.startswith(tuple(self.forgiven))]
        assert not wrongs, wrongs
        if self.page.url.startswith(self.base):
            assert self.page.evaluate("window.violations") == [], "the page's policy forbids something that it does"
            assert self.page.locator(FOREIGN).count() == 0, "an element came out of a text"

    # What one looks at.

    def lines(self) -> Locator:
        """The lines of an open conversation."""
        return self.page.locator(".dialogue .line")

    def texts(self) -> list[str]:
        """What they say, in the order shown."""
        return self.page.locator(".dialogue .line .speech").all_text_contents()

    def card(self, conversation: str) -> Locator:
        """A conversation on the wall."""
        return self.page.locator(f".wall li[data-id={json.dumps(conversation, ensure_ascii=False)}]").first

    def open_card(self, conversation: str) -> None:
        """Opens it by a click."""
        self.card(conversation).get_by_role("link").first.click()

    def in_view(self, locator: Locator) -> bool:
        """Whether the whole element can be seen."""
        box, size = locator.bounding_box(), self.page.viewport_size
        return bool(box and size) and box["y"] >= 0 and box["y"] + box["height"] <= size["height"]  # type: ignore[index]

    def too_wide(self) -> list[Any]:
        """Elements that stick out to the right, and do not scroll by themselves; [] = all fits."""
        found: list[Any] = self.page.evaluate(_TOO_WIDE)
        return found


_TOO_WIDE = """() => {
  const cut = (element) => {
    for (let one = element.parentElement; one; one = one.parentElement) {
      if (one === document.body) return false;
      if (getComputedStyle(one).overflowX !== "visible" && one.getBoundingClientRect().right <= innerWidth + 1
        && one.scrollWidth <= one.clientWidth + 1) return true;
      if (one.matches("nav") && getComputedStyle(one).overflowX !== "visible") return true;
    }
    return false;
  };
  const wide = [...document.body.querySelectorAll("*")].filter((element) =>
    element.getBoundingClientRect().right > innerWidth + 1 && !element.closest("svg") && !cut(element));
  const names = wide.map((one) => `${one.tagName}.${one.className} to ${one.getBoundingClientRect().right}`);
  const { scrollWidth } = document.documentElement;
  if (scrollWidth > innerWidth) names.push(`document is ${scrollWidth} wide`);
  return names;
}"""
