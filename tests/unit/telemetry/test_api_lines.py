"""The lines about REST calls say what is lost meanwhile and what to do."""

from __future__ import annotations

import logging

import pytest

from genscribe.telemetry import api
from genscribe.telemetry.base import Counters

LINES = {
    api.CallThrottled("GET /x", 30): (
        logging.WARNING,
        "the platform has had too many requests from us and refused GET /x: none is sent for 30 s, and calls that "
        "begin meanwhile are heard late. If this repeats, another program uses this OAuth client: give each its own.",
    ),
    api.CallFailing("api.x failed at GET /x (502).", 1.5, 0): (
        logging.WARNING,
        "api.x failed at GET /x (502). Trying again in 1.5 s.",
    ),
    api.CallFailing("api.x failed at GET /x (502).", 60, 12): (
        logging.WARNING,
        "api.x failed at GET /x (502). Trying again in 60 s (12 more failed since the last such line).",
    ),
    api.PermissionMissing("routing:queue:view", "GET /x"): (
        logging.WARNING,
        "the OAuth client lacks the permission routing:queue:view: the platform refuses GET /x. Give it a role with "
        "that permission, in all divisions, in Genesys Cloud (Admin, Integrations, OAuth).",
    ),
    api.BudgetNearlyUsed(280, 300, 0): (
        logging.WARNING,
        "280 requests in the last minute; the platform allows 300. Subscriptions go first: sweeps, names and texts "
        "come later, nothing is lost. If this lasts, narrow it with --queues.",
    ),
    api.BudgetNearlyUsed(280, 300, 90): (
        logging.WARNING,
        "280 requests in the last minute, 90 of them by other programs with the same token; the platform allows 300. "
        "Subscriptions go first: sweeps, names and texts come later, nothing is lost. If this lasts, narrow it with "
        "--queues.",
    ),
}


@pytest.mark.parametrize(("happening", "told"), LINES.items(), ids=lambda each: type(each).__name__)
def test_lines(happening, told):
    assert (happening.level, str(happening)) == told


@pytest.mark.parametrize("happening", LINES, ids=lambda each: type(each).__name__)
def test_they_move_no_counter(happening):
    counters = Counters()
    happening.count(counters)
    assert counters == Counters()
    assert happening.room == "api"
