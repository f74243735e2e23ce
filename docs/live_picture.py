"""Draws `docs/images/live-page.png`: the live page over a real run of `genscribe demo`.

    .venv/bin/python docs/live_picture.py

It needs chromium (`make browser`) and waits until enough of the demo's calls talk: half a minute.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

PICTURE = Path(__file__).parent / "images" / "live-page.png"
SIZE = {"width": 1280, "height": 800}
TALKING = 6
"""Cards that say something before the picture is taken."""
MOST_BYTES = 200_000
WATCHED = "cancel, order, card, account"

FOREIGN = re.compile("[\\u3000-\\uffff]")
"""Writing for which a plain machine has no letters; a picture without it is waited for."""


def main() -> None:
    """Runs the demo, and takes the picture."""
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("There is no chromium here. `make browser` installs Debian's.")
    with tempfile.TemporaryDirectory() as folder:
        command = ["demo", "--for", "120s", "--store", f"{folder}/demo.db", "--web", "127.0.0.1:0"]
        demo = subprocess.Popen(  # noqa: S603  # this Python, and arguments of ours
            [sys.executable, "-m", "genscribe", *command],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
                page = browser.new_page(viewport=SIZE, color_scheme="light", reduced_motion="reduce", locale="en-GB")
                _take(page, _url(demo))
                browser.close()
        finally:
            demo.kill()
            demo.wait()
    size = PICTURE.stat().st_size
    if size > MOST_BYTES:
        sys.exit(f"{PICTURE} has {size} bytes, more than {MOST_BYTES}.")


def _url(demo: subprocess.Popen[str]) -> str:
    assert demo.stderr is not None
    for line in demo.stderr:
        if found := re.search(r"http://\S+", line):
            return found[0].rstrip("/")
    sys.exit("genscribe demo did not say where its page is.")


def _take(page: Page, url: str) -> None:
    page.goto(f"{url}/?watch={WATCHED}")
    page.locator(".wall li .speech").nth(TALKING - 1).wait_for(timeout=60_000)
    page.wait_for_timeout(20_000)  # until the strips show who talked when
    for _ in range(60):
        if not FOREIGN.search(page.locator(".wall").inner_text()):
            break
        page.wait_for_timeout(500)
    page.screenshot(path=PICTURE)


if __name__ == "__main__":
    main()
