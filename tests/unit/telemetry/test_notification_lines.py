from __future__ import annotations

import dataclasses
import inspect
import logging

import pytest

from genscribe.telemetry import Happening, Telemetry, admin, watchdogs
from genscribe.telemetry import notifications as lines

HAPPENINGS = [
    value
    for module in (lines, watchdogs)
    for name, value in vars(module).items()
    if inspect.isclass(value) and not name.startswith(("_", "Of")) and value.__module__ == module.__name__
]

LINES: list[tuple[Happening, list[str]]] = [
    (lines.NotReady("no route.", 2.5), ["not listening yet: no route.", "2.5 s"]),
    (lines.ChannelOpened(0, 1), ["channel 0 is open, for 1 topic."]),
    (lines.ChannelOpened(2, 40), ["channel 2 is open, for 40 topics."]),
    (lines.ChannelGone("The platform evicted it."), ["The platform evicted it.", "new channel", "gap"]),
    (lines.ChannelsReused(2), ["2 channels of the last run"]),
    (lines.OthersOnClient(17), ["17 channels", "are not ours", "20", admin.OAUTH]),
    (lines.OthersOnClient(1), ["1 channel that is not ours"]),
    (
        lines.TopicForbidden("v2.conversations.{id}.transcription", ("conversation:transcription:view",)),
        ["forbids v2.conversations.{id}.transcription", "conversation:transcription:view is missing", admin.ROLES],
    ),
    (lines.TopicForbidden("t", ("a:b:view", "c:d:view")), ["a:b:view, c:d:view are missing", admin.DIVISIONS]),
    (lines.TopicForbidden("t", (), "Not yours."), ["it says 'Not yours.'"]),
    (lines.TopicForbidden("t", ()), ["it does not say why"]),
    (lines.TopicsForgotten(3), ["lost 3 topics", "gap"]),
    (lines.LimitNear(17_100, 19_000), ["17100 of 19000 topics", "--exclude-queues"]),
    (lines.LimitReached(1), ["1 conversation is not heard", "gap"]),
    (lines.LimitReached(4), ["4 conversations are not heard"]),
    (lines.UnknownTopic("v2.new.{id}"), ["v2.new.{id}"]),
    (lines.UnknownField("engineMood"), ["engineMood"]),
    (
        lines.QueuesVisible(412, 3, 412),
        ["412 queues are visible in 3 divisions; calls of other divisions will not be heard: grant the role there"],
    ),
    (lines.QueuesVisible(1, 1, 1), ["1 queue is visible in 1 division;"]),
    (lines.QueuesVisible(412, 3, 7), ["in 3 divisions, 7 of them chosen;"]),
    (lines.NoQueues(), ["no queue is visible", "routing:queue:view", admin.DIVISIONS]),
    (lines.QueuesRefused("403."), ["403.", "routing:queue:view"]),
    (lines.QueueAdded("Sales"), ["Sales"]),
    (lines.QueueUnmatched("Salez*"), ["'Salez*'", admin.DIVISIONS]),
    (lines.SweepDone(0), ["0 conversations in progress at start."]),
    (lines.SweepDone(1), ["1 conversation in progress at start."]),
    (lines.SweepFailed("502."), ["502.", "30 s"]),
    (lines.SweepRefused("403."), ["403.", "analytics:conversationDetail:view"]),
    (lines.FoundLate(2), ["2 conversations", "gap"]),
    (lines.ExcludedDropped("c-1"), ["c-1", "excluded"]),
    (lines.NamesRefused("403."), ["403.", "directory:user:view"]),
    (lines.TextsRefused("403."), ["403.", "conversation:message:view"]),
    (lines.TextsUnavailable("c-1", 2), ["2 messages", "c-1"]),
    (
        watchdogs.TranscriptionSilent("Sales", 5),
        [
            "transcription may be off for queue Sales",
            "the last 5 calls",
            "Admin > Contact Center > Queues > Sales > Voice",
            admin.TRANSCRIPTION,
        ],
    ),
    (watchdogs.TranscriptionSilent(None, 1), ["for calls outside queues", "of the last call,", admin.TRANSCRIPTION]),
    (watchdogs.TranscriptionSilent(None, 9, everywhere=True), ["may be off for the whole organisation"]),
    (watchdogs.TranscriptionHeard("Sales"), ["again for queue Sales."]),
    (watchdogs.TranscriptionHeard(None, everywhere=True), ["again for the whole organisation."]),
    (watchdogs.LowLatencyOff(34.4), ["34 s after speech", "Low Latency Transcription looks off", admin.LOW_LATENCY]),
    (watchdogs.LowLatencyOn(2.96), ["3.0 s"]),
    (watchdogs.HeardInMidCall(1, "c-1", 90.4), ["1 conversation was heard only in mid-call", "c-1", "90 s"]),
    (watchdogs.HeardInMidCall(3, "c-1", 90.4), ["3 conversations were"]),
]


@pytest.mark.parametrize(("happening", "parts"), LINES, ids=lambda value: type(value).__name__)
def test_lines(happening: Happening, parts: list[str]) -> None:
    line = str(happening)
    for part in parts:
        assert part in line
    assert "\n" not in line
    assert line.endswith(".")


def test_every_happening_has_a_line_here() -> None:
    assert {type(happening) for happening, _ in LINES} == set(HAPPENINGS)


def test_each_is_logged_in_its_room_and_the_warnings_are_kept(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="genscribe")
    telemetry = Telemetry()
    for happening, _ in LINES:
        telemetry.emit(happening)
    assert [record.getMessage() for record in caplog.records] == [str(happening) for happening, _ in LINES]
    assert {record.name for record in caplog.records} == {"genscribe.link", "genscribe.discovery"}
    assert len(telemetry.recent) == sum(happening.level >= logging.WARNING for happening, _ in LINES)
    assert telemetry.trouble == str(lines.OthersOnClient(1)), "the last warning of room link"


@pytest.mark.parametrize("kind", HAPPENINGS, ids=lambda kind: kind.__name__)
def test_none_can_be_changed(kind: type[Happening]) -> None:
    assert dataclasses.is_dataclass(kind)
    assert kind.__dataclass_params__.frozen


def test_what_the_platform_calls_itself_is_cut() -> None:
    assert len(str(lines.UnknownTopic("x" * 10_000))) < 400
    assert len(str(lines.TopicForbidden("t", (), "x" * 10_000))) < 800


def test_all_forbidden_is_77_and_names_what_to_grant() -> None:
    error = lines.all_forbidden(["conversation:transcription:view"])
    assert error.exit_code == 77
    assert "conversation:transcription:view is missing" in str(error)
    assert admin.ROLES in str(error)
    assert "does not name" in str(lines.all_forbidden([]))
