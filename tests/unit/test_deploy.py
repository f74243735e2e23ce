"""What deploy/ names is there: metrics, alerts in the runbook, and files that their programs can read."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from genscribe.telemetry import Counters
from genscribe.web import metrics

ROOT = Path(__file__).parents[2]
RULES: list[dict[str, Any]] = yaml.safe_load((ROOT / "deploy" / "prometheus-alerts.yml").read_text("utf-8"))["groups"][
    0
]["rules"]
DASHBOARD: dict[str, Any] = json.loads((ROOT / "deploy" / "grafana-dashboard.json").read_text("utf-8"))
SUFFIXES = re.compile(r"_(total|bucket|count|sum)$")


def known() -> set[str]:
    """The names of all metrics, without the endings that the format adds."""
    text = Path(metrics.__file__).read_text("utf-8")
    names = set(re.findall(r'"(genscribe_[a-z_]+)"', text))
    names |= {f"genscribe_{name}" for name in re.findall(r'^        \("([a-z_]+)",', text, re.MULTILINE)}
    assert {f.name for f in metrics._heard(Counters(), "transcripts")} <= names
    return names


def used(expression: str) -> set[str]:
    return {SUFFIXES.sub("", name) for name in re.findall(r"genscribe_[a-z_]+", expression)}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_says_what_it_means_and_what_to_do(rule: dict[str, Any]) -> None:
    assert used(rule["expr"]) <= known()
    assert rule["annotations"]["lost"].startswith("Is speech being lost now?")
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["action"]
    runbook = (ROOT / "docs" / "operations.md").read_text("utf-8")
    line = next((line for line in runbook.splitlines() if line.startswith(f"| `{rule['alert']}` |")), "")
    assert line.count("|") == 5, "no line in the runbook"


def test_the_runbook_has_no_alert_that_is_not_there() -> None:
    runbook = (ROOT / "docs" / "operations.md").read_text("utf-8")
    assert set(re.findall(r"^\| `(Genscribe\w+)`", runbook, re.MULTILINE)) == {rule["alert"] for rule in RULES}


def test_alerts_cover_what_the_issue_of_silence_is_about() -> None:
    watched = set().union(*(used(rule["expr"]) for rule in RULES))
    assert watched >= {
        "genscribe_connected",
        "genscribe_sink_lag_seconds",
        "genscribe_silent_conversations",
        "genscribe_subscribe_seconds",
        "genscribe_token_expiry_seconds",
        "genscribe_disk_free_bytes",
        "genscribe_unreadable",
    }


def test_the_dashboard_draws_metrics_that_there_are() -> None:
    expressions = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    assert len(expressions) >= 15
    for expression in expressions:
        assert used(expression) <= known(), expression
        assert expression.count("(") == expression.count(")")


def test_the_dashboards_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
