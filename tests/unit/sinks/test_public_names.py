"""The names that people import who write sinks: `genscribe.sinks` has them, and they are those that we use."""

from __future__ import annotations

import re
from pathlib import Path

import genscribe.sinks
from genscribe import events, settings
from genscribe.sinks import base

PAGE = Path(__file__).parents[3] / "docs" / "sinks" / "python.md"


def test_the_names_are_those_that_delivery_looks_for() -> None:
    for name in genscribe.sinks.__all__:
        ours = next(getattr(home, name) for home in (base, events, settings) if hasattr(home, name))
        assert getattr(genscribe.sinks, name) is ours, name


def test_the_page_for_authors_imports_from_there_and_names_all() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for imported in re.findall(r"from (genscribe[\w.]*) import", page):
        assert imported in ("genscribe", "genscribe.sinks", "genscribe.testing")
    for name in genscribe.sinks.__all__:
        assert f"`{name}`" in page, name
