"""What docs/web-api.md shows is what is answered."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.unit.web.serving import client, serving
from tests.unit.web.test_api import EVENTS, stored

pytestmark = pytest.mark.anyio

PAGE = (Path(__file__).parents[3] / "docs" / "web-api.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^`GET (\S+)`\n\n<!-- run: api -->\n```json\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture
async def ask(tmp_path: Path) -> AsyncIterator[httpx2.AsyncClient]:
    path = await stored(tmp_path / "s.db", EVENTS)
    async with serving(path) as page, client(page) as made:
        yield made


def like(shown: Any, got: Any, where: str) -> None:
    """The same keys, the same kinds of values; where either has nothing, there is nothing to compare."""
    if shown is None or got is None:
        return
    if isinstance(shown, dict):
        assert isinstance(got, dict), where
        assert set(shown) == set(got), where
        for key, value in shown.items():
            like(value, got[key], f"{where}.{key}")
    elif isinstance(shown, list):
        assert isinstance(got, list), where
        assert bool(got) >= bool(shown), f"{where} is empty"
        for value, other in zip(shown, got):  # noqa: B905  # the shorter ends it
            like(value, other, where)
    else:
        assert isinstance(got, type(shown)), where


def test_every_answer_has_an_example() -> None:
    assert len(EXAMPLES) == PAGE.count("<!-- run: api -->") == 6


@pytest.mark.parametrize(("path", "shown"), EXAMPLES, ids=[path for path, _ in EXAMPLES])
async def test_an_example_has_the_shape_of_the_answer(ask: httpx2.AsyncClient, path: str, shown: str) -> None:
    answer = await ask.get(path)
    assert answer.status_code == 200
    like(json.loads(shown), answer.json(), path)


def test_every_route_is_described() -> None:
    app = (Path(__file__).parents[3] / "src" / "genscribe" / "web" / "app.py").read_text(encoding="utf-8")
    for route in re.findall(r'"(/api/[a-z]+)', app):
        assert route in PAGE or route == "/api/session"
