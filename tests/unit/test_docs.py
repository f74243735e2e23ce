"""Docs that are generated are up to date, and every setting is in them."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from genscribe.genesys.permissions import PERMISSIONS
from genscribe.settings import OPTIONS, Option
from genscribe.settings.credentials import VARIABLES
from genscribe.telemetry import admin

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_docs", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_of_the_command_line_is_up_to_date(generator: ModuleType) -> None:
    assert (DOCS / "cli.md").read_text(encoding="utf-8") == generator.page(), "run docs/generate.py"


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_every_option_is_documented(option: Option) -> None:
    page = (DOCS / "cli.md").read_text(encoding="utf-8")
    for variable in option.variables:
        assert f"`{variable}`" in page
    assert option.help in page
    assert not option.flag or f"`--{option.name} " in page


def test_credentials_are_documented() -> None:
    page = (DOCS / "cli.md").read_text(encoding="utf-8")
    for key, variable in VARIABLES.items():
        assert f"`{variable}` | `[genesys] {key}`" in page


def test_the_page_for_administrators_has_every_permission(generator: ModuleType) -> None:
    page = (DOCS / "genesys-admin.md").read_text(encoding="utf-8")
    assert page == generator.admin_page(page), "run docs/generate.py"
    for permission in PERMISSIONS:
        assert f"`{permission.names[0]}`" in page
        assert permission.in_admin in page


def test_the_page_for_administrators_names_the_same_places_as_the_program() -> None:
    page = " ".join((DOCS / "genesys-admin.md").read_text(encoding="utf-8").split())
    for place in (
        admin.OAUTH,
        admin.ROLES,
        admin.TRANSCRIPTION,
        admin.LOW_LATENCY,
        admin.queue("QUEUE"),
    ):
        assert place in page
