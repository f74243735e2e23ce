"""One browser, one platform and one run for all tests of the page that need no other; a context for each test."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.studio import Studio
from tests.browser.studio import studio as make_studio

try:
    from playwright.sync_api import Browser, Page, sync_playwright
except ImportError:  # Python 3.10's minimal set, or a user's own
    pytest.skip("NO PLAYWRIGHT HERE: THE LIVE PAGE IS NOT TESTED. pip install playwright", allow_module_level=True)

from tests.browser.tab import Tab

CHROMIUM = "chromium"
NOT_TESTED = "NO CHROMIUM HERE: THE LIVE PAGE IS NOT TESTED. `make browser` installs Debian's"
HOSTILE = '<img src=x onerror=alert("name")>\u202e"\''
"""A name of a queue and of an agent."""
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of them are slow, and share one browser."""
    for item in items:
        if HERE in item.path.parents:
            for mark in (pytest.mark.slow, pytest.mark.timeout(120)):
                item.add_marker(mark)


# The scope is not the session: playwright's loop would be in the way of tests with a loop of their own.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Debian's chromium, without a window."""
    path = shutil.which(CHROMIUM)
    if path is None:
        pytest.skip(NOT_TESTED)
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield made
        made.close()


@pytest.fixture(scope="package")
def studio(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A run on a platform of its own; calls are this test's, the platform is everybody's."""
    with make_studio(tmp_path_factory.mktemp("studio"), names=[HOSTILE]) as made:
        yield made


@pytest.fixture(scope="package")
def verbatim(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A run on the transcripts endpoint: what is said there comes as it is, with any id, by any speaker."""
    with make_studio(tmp_path_factory.mktemp("verbatim"), transcripts=True) as made:
        yield made


@pytest.fixture(scope="module")
def modules(browser: Browser, studio: Studio) -> Iterator[Page]:
    """A page in which a test asks the page's modules: they are pure, so one does for all."""
    with_modules = Tab(browser.new_context(locale="en-GB", timezone_id="UTC"), studio.url)
    yield with_modules.go("/health")
    with_modules.check()
    with_modules.context.close()


OpenTab = Callable[..., Tab]


@pytest.fixture
def open_tab(browser: Browser) -> Iterator[OpenTab]:
    """Opens tabs: `open_tab(url, **what a context takes)`; in the end each must have behaved."""
    tabs: list[Tab] = []

    def make(url: str, **options: Any) -> Tab:
        known = {"locale": "en-GB", "timezone_id": "UTC", "viewport": {"width": 1280, "height": 800}}
        tabs.append(Tab(browser.new_context(**{**known, **options}), url))
        return tabs[-1]

    yield make
    for tab in tabs:
        tab.check()
        tab.context.close()


@pytest.fixture
def tab(open_tab: OpenTab, studio: Studio) -> Tab:
    """A tab at the page of the run."""
    return open_tab(studio.url)


@pytest.fixture
def plain(open_tab: OpenTab, verbatim: Studio) -> Tab:
    """A tab at its page."""
    return open_tab(verbatim.url)
