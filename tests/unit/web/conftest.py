"""What the tests of the page share."""

from __future__ import annotations

import logging

import pytest


@pytest.fixture(autouse=True)
def _heard(caplog: pytest.LogCaptureFixture) -> None:
    """Another test of this process may have set up logging as a command does."""
    caplog.set_level(logging.DEBUG, logger="genscribe")
    caplog.set_level(logging.DEBUG, logger="genscribe.web")
