from __future__ import annotations

import msgspec
import pytest

from genscribe.telemetry.status import Hearing, Status
from genscribe.web.probes import not_ready

FINE = Status(
    at="2026-11-23T08:00:00.000Z", pid=1, version="1", started_at="2026-11-23T07:00:00.000Z", source="notifications",
    connected=True, since="2026-11-23T07:00:01.000Z", why=None, missing_since=None, head=7, utterances=5, duplicates=0,
    gaps=0, unreadable=0, store_full_since=None, disk_free_bytes=1 << 40, sinks=[], warnings=[],
)  # fmt: skip


def hearing(waiting_s: float) -> Hearing:
    return Hearing(conversations=3, unheard=0, waiting_s=waiting_s, silent=0, channels=1, topics=3, topics_limit=19000)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (FINE, None),
        (None, "stopped"),
        (msgspec.structs.replace(FINE, connected=False), "connecting"),
        (msgspec.structs.replace(FINE, connected=False, missing_since=FINE.since), "disconnected"),
        (msgspec.structs.replace(FINE, store_full_since=FINE.since), "store-full"),
        (msgspec.structs.replace(FINE, hearing=hearing(15.0)), None),
        (msgspec.structs.replace(FINE, hearing=hearing(15.1)), "waiting"),
    ],
)
def test_ready_only_while_everything_is_heard(status: Status | None, reason: str | None) -> None:
    assert not_ready(status) == reason
