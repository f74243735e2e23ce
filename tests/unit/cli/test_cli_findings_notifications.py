"""The road of `genscribe check` for notifications, against the emulator."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import anyio
import pytest

from genscribe import clock
from genscribe.cli import findings, findings_notifications
from genscribe.cli.finding import Finding
from genscribe.cli.main import main
from genscribe.core.subscriptions import TopicAnswer
from genscribe.emulator import Emulator
from genscribe.emulator import topics as kinds
from genscribe.emulator.thread import GenesysCloud, running
from genscribe.genesys import permissions
from genscribe.genesys.directory import Queue, TranscriptionSettings
from genscribe.genesys.notifications import AvailableTopic
from genscribe.telemetry import admin

CALLS, QUEUE = findings_notifications.CALLS, findings_notifications.QUEUE


@pytest.fixture(autouse=True)
def quiet_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("GENSCRIBE_STORE", str(tmp_path / "genscribe.db"))
    before = logging.getLogger().handlers[:]
    yield
    logging.getLogger().handlers[:] = before
    logging.captureWarnings(False)


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[GenesysCloud]:
    with running(transcripts=False) as cloud:
        for name, value in cloud.settings().items():
            monkeypatch.setenv(name, value)
        yield cloud


Run = Callable[..., tuple[int, dict[str, Finding]]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `check`: its exit code, and what it found by name; nothing secret is ever printed."""

    def act(*arguments: str) -> tuple[int, dict[str, Finding]]:
        found: dict[str, Finding] = {}

        def drawn(finding: Finding, _: object) -> str:
            found[finding.what] = finding
            return f"{finding.text} {finding.advice}"

        monkeypatch.setattr("genscribe.cli.check.drawn", drawn)
        code = main(["check", *arguments])
        out = capsys.readouterr().out
        assert "/channels/" not in out, "a channel's address is a secret"
        return code, found

    return act


def topics(cloud: GenesysCloud) -> list[int]:
    return cloud.run(lambda emulator: [len(channel.topics) for channel in emulator.channels.all])


def deny(cloud: GenesysCloud, *names: str) -> None:
    cloud.run(lambda emulator: emulator.permissions.difference_update(names))


# The road.


@pytest.mark.parametrize("source", ["auto", "notifications"])
def test_all_is_well(source: str, cloud: GenesysCloud, run: Run) -> None:
    code, found = run("--source", source)
    assert code == 0
    road = [
        "queues",
        "live conversations",
        "topics",
        "channels",
        "hearing queues",
        "hearing calls",
        "WebSocket",
        "transcription",
        "low latency",
        "source notifications",
    ]
    assert [name for name in found if name in road] == road
    assert {name: found[name].ok for name in road} == dict.fromkeys(road, True)
    assert found["source transcripts"].ok is None
    assert found["text of messages"].ok is None
    assert topics(cloud) == [0], "one channel, and no topic is left on it"


def test_the_source_is_not_looked_at_unless_it_would_run(cloud: GenesysCloud, run: Run) -> None:
    _, found = run("--source", "transcripts")
    assert found["source notifications"].ok is None
    assert topics(cloud) == []


@pytest.mark.parametrize(
    ("missing", "what", "code"),
    [
        ("conversation:transcription:view", "hearing calls", 77),
        ("conversation:communication:view", "hearing queues", 77),
        ("routing:queue:view", "queues", 77),
    ],
)
def test_a_missing_permission_is_named_with_its_page(
    missing: str, what: str, code: int, cloud: GenesysCloud, run: Run
) -> None:
    deny(cloud, missing)
    ended, found = run()
    assert ended == code
    assert found[what].ok is False
    assert missing in found[what].text
    assert missing in found[what].advice
    assert admin.ROLES in found[what].advice
    assert found["source notifications"] == Finding(
        "source notifications", False, f"not all is well, see {what}.", "", code
    )
    assert topics(cloud) == [0]


def test_the_list_of_live_conversations_forbidden(cloud: GenesysCloud, run: Run) -> None:
    deny(cloud, *permissions.SWEEPS.names)
    code, found = run()
    assert code == 77
    assert "analytics:conversationDetail:view" in found["live conversations"].advice
    assert "not heard" in found["live conversations"].advice


def test_settings_that_may_not_be_read_are_no_failure(cloud: GenesysCloud, run: Run) -> None:
    deny(cloud, *permissions.SETTINGS.names)
    code, found = run()
    assert code == 0
    assert found["transcription"].ok is None
    assert "routing:transcriptionSettings:view is missing" in found["transcription"].text


def test_no_queue_is_visible(cloud: GenesysCloud, run: Run) -> None:
    def hide(emulator: Emulator) -> None:
        emulator.organisation.visible_divisions = frozenset()

    cloud.run(hide)
    code, found = run()
    assert code == 77
    assert admin.DIVISIONS in found["queues"].advice
    assert found["hearing calls"].ok, "a topic of a queue that is not there does not spoil it"


def test_a_full_quota_is_left_alone(cloud: GenesysCloud, run: Run) -> None:
    def fill(emulator: Emulator) -> None:
        token = emulator.platform.issue(anyio.current_time())
        for _ in range(20):
            emulator.channels.create(token, anyio.current_time(), clock.wall_ms())

    cloud.run(fill)
    before = cloud.run(lambda emulator: [channel.id for channel in emulator.channels.all])
    code, found = run()
    assert code == 1
    assert "20 of 20" in found["channels"].text
    assert admin.OAUTH in found["channels"].advice
    assert found["hearing calls"].ok is None
    assert found["WebSocket"].ok is None
    assert found["transcription"].ok, "the rest is looked at"
    assert cloud.run(lambda emulator: [channel.id for channel in emulator.channels.all]) == before


def test_an_idle_channel_of_the_same_token_is_used_again(
    cloud: GenesysCloud, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    def make(emulator: Emulator) -> None:
        token, now, wall_ms = next(iter(emulator.platform._tokens)), anyio.current_time(), clock.wall_ms()
        busy, idle = (emulator.channels.create(token, now, wall_ms) for _ in range(2))
        ruling = kinds.rule(kinds.queue("q"), emulator.permissions)
        emulator.channels.subscribe(busy, [ruling], now, wall_ms, replace=True)
        made.extend((busy.id, idle.id))

    first = findings_notifications._live

    async def live(*arguments: object) -> None:
        cloud.run(make)
        await first(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(findings_notifications, "_live", live)
    code, found = run()
    assert code == 0
    assert "idle" in found["channels"].text
    assert cloud.run(lambda emulator: [channel.id for channel in emulator.channels.all]) == made
    assert topics(cloud) == [1, 0], "the other one keeps its topics"


def test_a_websocket_that_a_proxy_does_not_pass(cloud: GenesysCloud, run: Run) -> None:
    cloud.fault("403", at="handshake")
    code, found = run()
    assert code == 1
    assert found["WebSocket"].ok is False
    assert "HTTP Upgrade" in found["WebSocket"].advice
    assert "transcripts" not in found["WebSocket"].text


def test_a_websocket_that_stays_mute(cloud: GenesysCloud, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(findings_notifications, "PONG_DEADLINE_S", 0.05)
    cloud.fault("silence")
    code, found = run()
    assert code == 1
    assert "answers no ping" in found["WebSocket"].text


@pytest.mark.parametrize(
    ("place", "what"),
    [
        ("queues", "queues"),
        ("analytics", "live conversations"),
        ("topics", "topics"),
        ("channels", "channels"),
        ("subscriptions", "subscribing"),
    ],
)
def test_a_step_that_gets_no_answer_does_not_hold_up_the_rest(
    place: str, what: str, cloud: GenesysCloud, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(findings_notifications, "STEP_DEADLINE_S", 0.2)
    cloud.fault("no-answer", at=place, times=None)
    code, found = run()
    assert code == 1
    assert "no answer within" in found[what].text
    assert found["transcription"].ok


# What single answers mean.


def test_channels_in_use() -> None:
    assert findings_notifications.of_channels(3).ok
    near = findings_notifications.of_channels(15)
    assert (near.ok, near.exit_code) == (False, 0)
    assert findings_notifications.of_channels(20).exit_code == 1
    assert findings_notifications.of_channels(20, reused=True).exit_code == 0


def test_topics_that_are_not_offered() -> None:
    offered = [AvailableTopic(CALLS, ("a:b:c",)), AvailableTopic(QUEUE)]
    assert findings_notifications.of_catalogue(offered).text == "offered; they ask for a:b:c."
    lacking = findings_notifications.of_catalogue([AvailableTopic(QUEUE)])
    assert (lacking.ok, lacking.exit_code) == (False, 78)
    assert CALLS in lacking.text
    assert QUEUE not in lacking.text


def of_topic(answer: TopicAnswer | None, needed: tuple[str, ...] = ()) -> Finding:
    return findings_notifications.of_topic("hearing calls", CALLS, answer, needed)


def test_what_the_platform_says_of_a_topic() -> None:
    assert of_topic(None).ok is None
    assert of_topic(TopicAnswer(CALLS)).ok
    named = of_topic(TopicAnswer(CALLS, False, "", ("conversation:transcription:view",)))
    assert permissions.advice(permissions.TRANSCRIPTION) in named.advice
    listed = of_topic(TopicAnswer(CALLS, False, "No."), ("conversation:transcription:view",))
    assert listed.text == f"{CALLS} is forbidden: conversation:transcription:view is missing."
    unknown = of_topic(TopicAnswer(CALLS, False, "", ("new:thing:view",)))
    assert "new:thing:view is missing" in unknown.text
    assert admin.ROLES in unknown.advice
    assert "(Not for you.)" in of_topic(TopicAnswer(CALLS, False, "Not for you.")).text


def settings_of(found: list[Finding]) -> list[tuple[str, bool | None, int]]:
    return [(each.what, each.ok, each.exit_code) for each in found]


def test_transcription_settings() -> None:
    of_settings = findings_notifications.of_settings
    off = of_settings(TranscriptionSettings("Disabled", True))
    assert settings_of(off) == [("transcription", False, 1)]
    assert admin.TRANSCRIPTION in off[0].advice
    slow = of_settings(TranscriptionSettings("EnabledGlobally", False))
    assert settings_of(slow) == [("transcription", True, 0), ("low latency", False, 0)]
    assert admin.LOW_LATENCY in slow[1].advice
    untold = of_settings(TranscriptionSettings())
    assert settings_of(untold) == [("transcription", True, 0), ("low latency", None, 0)]


def test_queues_without_transcription() -> None:
    queues = [Queue("1", "Sales", transcription=True), Queue("2", "Care", transcription=False)]
    some = findings_notifications.of_settings(TranscriptionSettings("EnabledQueueFlow", True), queues)[0]
    assert (some.ok, some.exit_code) == (False, 0)
    assert "on for 1 of 2 queues, such as not for Care" in some.text
    assert admin.queue("Care") in some.advice
    every = findings_notifications.of_settings(TranscriptionSettings("EnabledQueueFlow", True), queues[:1])[0]
    assert every.ok


def test_queues_and_divisions() -> None:
    queues = [Queue(str(n), f"q{n}", f"d{n % 7}", f"Division {n % 7}") for n in range(412)]
    line = findings_notifications.of_queues(queues).text
    assert line.startswith("412 queues visible in 7 divisions (Division 0, Division 1,")
    assert "…" in line
    assert "calls of other divisions will not be heard" in line.lower()


def test_the_sum() -> None:
    well, better = Finding("a", True, ""), Finding("b", False, "")
    wrong = Finding("c", False, "", "", 77)
    assert findings.in_sum([well, better]).ok
    assert findings.in_sum([well, better, wrong]).exit_code == 77
