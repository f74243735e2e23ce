"""What a view has set going ends with it: nothing of it acts once another view is there."""

from __future__ import annotations

import pytest

from tests.browser.studio import Studio
from tests.browser.tab import Tab

_TIMERS = """
window.timers = new Map();
const start = window.setInterval, stop = window.clearInterval;
window.setInterval = (act, ...rest) => {
  const name = start(act, ...rest);
  timers.set(name, act);
  return name;
};
window.clearInterval = (name) => { timers.delete(name); stop(name); };
"""
_LEAVE = """async (link) => {
  document.querySelector(link).click();
  for (let turn = 0; turn < 20; turn++) await null;  // the other view is drawn now; no frame, no timer has been since
  for (const act of [...timers.values()]) act();
  dispatchEvent(new Event("resize"));
  document.getElementById("main").dispatchEvent(new Event("scroll"));
  return document.querySelector("main > *").className;
}"""


@pytest.mark.parametrize("to", ["/", "/search", "/health"])
@pytest.mark.parametrize("view", ["wall", "search", "health", "conversation"])
def test_a_timer_that_rings_between_two_views_harms_nothing(studio: Studio, tab: Tab, view: str, to: str) -> None:
    call = studio.begin()
    studio.say("hello there", call)
    tab.context.add_init_script(_TIMERS)
    tab.go({"wall": "/", "conversation": f"/conversations/{call}"}.get(view, f"/{view}"))
    tab.page.locator(f"main > .{view}").wait_for()
    tab.page.wait_for_timeout(200)
    name = tab.page.evaluate(_LEAVE, f'header nav a[href="{to}"]')
    assert name == {"/": "wall"}.get(to, to[1:])
    studio.cloud.end(call)
