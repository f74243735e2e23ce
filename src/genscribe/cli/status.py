"""`genscribe status`: what somebody wants to know at three in the morning."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click
import msgspec

from genscribe import clock, terminal
from genscribe.cli import output
from genscribe.cli.options import Command, HeadedOption, config_option, settings_options
from genscribe.store.lock import held
from genscribe.store.views import LifeSign, Stats
from genscribe.telemetry import status as statuses
from genscribe.telemetry.base import counted
from genscribe.telemetry.status import Hearing, SinkStatus, Status
from genscribe.terminal import Screen

GOOD, BAD, DIM = "32", "31", "2"


class Report(msgspec.Struct, frozen=True):
    """Everything that `status` says.

    Attributes:
        well: Nothing needs a person; the exit code is 0.
        running: It gave a sign of life in the last 30 s and has not ended.
        held: A process holds the store, whether it gives signs of life or not.
        clean: How it ended: `False` = by a crash; `None` = it runs, or never ran.
        heard_until: The last moment at which we were known to hear.
        run: What the run last said of itself, `None` when there was none.
    """

    well: bool
    running: bool
    held: bool
    clean: bool | None
    last_sign_at: str | None
    heard_until: str | None
    run: Status | None
    store: str
    store_bytes: int
    utterances: int
    conversations: int
    gaps: int
    unreadable: int
    dead_letters: int
    cursors: dict[str, int]


@click.command(cls=Command, examples=[("genscribe status || page-somebody", "In a watchdog.")])
@click.option("--json", "as_json", is_flag=True, cls=HeadedOption, heading="How to show it", help="One JSON object.")
@settings_options("status")
@config_option
def command(as_json: bool, **options: Any) -> None:
    """Say whether it runs and is connected, since when, why not, what is being missed, and how the sinks do.

    Exit code 0 if all is well, else 1.
    """
    with output.open_store(options) as reader:
        report = reported(str(reader.path), reader.life(), reader.stats(), reader.cursors(), held=held(reader.path))
    if as_json:
        output.write_json([msgspec.json.encode(report)])
    else:
        output.write(drawn(report, output.screen(), clock.wall_ms()))
    click.get_current_context().exit(0 if report.well else 1)


def reported(path: str, life: LifeSign | None, stats: Stats, cursors: dict[str, int], *, held: bool = False) -> Report:
    """Puts together what the store knows, and whether a process holds it."""
    run = None
    if life is not None and life.status is not None:
        try:
            run = statuses.decode(life.status)
        except msgspec.MsgspecError:  # another version's
            run = None
    running = life is not None and life.running
    return Report(
        well=running and run is not None and run.healthy,
        running=running,
        held=held,
        clean=None if life is None or running else life.ended_at_ms is not None,
        last_sign_at=None if life is None else clock.iso(life.at_ms),
        heard_until=None if life is None or life.heard_until_ms is None else clock.iso(life.heard_until_ms),
        run=run,
        store=path,
        store_bytes=stats.bytes,
        utterances=stats.utterances,
        conversations=stats.conversations,
        gaps=stats.gaps,
        unreadable=stats.unreadable,
        dead_letters=stats.dead_letters,
        cursors=cursors,
    )


def drawn(report: Report, screen: Screen, now_ms: int) -> str:
    """The report for people: the state first, then what is missed, then the rest."""
    head, good = headline(report, now_ms)
    rows = [("missing", missing(report, now_ms))]
    if report.run is not None and report.running:
        if report.run.hearing is not None:
            rows.append(("hearing", hearing_line(report.run.hearing)))
        rows += [(f"sink {sink.name}", sink_line(sink, now_ms)) for sink in report.run.sinks]
    rows.append(("store", store_line(report)))
    if report.run is not None and report.running:
        rows += [("warning", f"{_ago(at, now_ms)}: {text}") for at, text in report.run.warnings[-3:]]
    width = max(len(label) for label, _ in rows)
    lines = [screen.paint(terminal.safe(head), GOOD if good else BAD)]
    lines += [f"{screen.paint(terminal.safe(label).ljust(width), DIM)}  {terminal.safe(text)}" for label, text in rows]
    return "\n".join(lines) + "\n"


def headline(report: Report, now_ms: int) -> tuple[str, bool]:
    """The one line that matters, and whether it is good news."""
    run = report.run
    if report.last_sign_at is None:
        return "not running: nothing ever ran on this store. Start `genscribe stream`.", False
    if not report.running:
        if report.held:
            since = _when(report.last_sign_at)
            return f"it runs, but has written nothing since {since}: a full disk, or it hangs. See its log.", False
        how = "it was stopped" if report.clean else "it crashed, was killed or hangs"
        return f"not running: {how}, last sign of life {_ago(report.last_sign_at, now_ms)}.", False
    if run is None:
        return "running, but it says nothing of itself yet, or is of another version.", False
    if run.store_full_since is not None:
        return (
            f"not recording: the disk is full since {_when(run.store_full_since)}. Free some, or lower --keep.",
            False,
        )
    who = f"source {run.source}, process {run.pid}, version {run.version}"
    if not run.connected:
        why = f" {run.why}" if run.why else ""
        return f"not connected since {_when(run.missing_since or run.since)} ({who}).{why}", False
    if run.hearing is not None and run.hearing.unheard:
        return f"connected since {_when(run.since)} ({who}), but not everything is heard.", False
    if not report.well:
        return f"connected since {_when(run.since)} ({who}), but a sink needs help.", False
    return f"connected since {_when(run.since)} ({who}).", True


def missing(report: Report, now_ms: int) -> str:
    """What is not being heard, and whether what is stored is at risk."""
    if report.running and report.run is not None and report.run.connected and report.run.store_full_since is None:
        unheard = report.run.hearing.unheard if report.run.hearing is not None else 0
        return f"what is said in {counted(unheard, 'conversation')}; see the table gaps" if unheard else "nothing"
    since = (report.run.missing_since if report.running and report.run else None) or report.heard_until
    if since is None:
        return "everything; nothing was ever heard"
    return f"what was said since {_when(since)} ({_ago(since, now_ms)}); what is stored is safe"


def hearing_line(hearing: Hearing) -> str:
    """How the conversations are heard."""
    topics = f"{hearing.topics:,} of {counted(hearing.topics_limit, 'topic')} on {counted(hearing.channels, 'channel')}"
    line = f"{counted(hearing.conversations, 'live conversation')}, {topics}"
    if hearing.waiting_s >= 1:
        line += f"; one waits for its topic for {_span(hearing.waiting_s)}"
    elif hearing.subscribe_p95_s is not None:
        line += f"; 95 of 100 heard within {hearing.subscribe_p95_s:g} s"
    if hearing.silent:
        line += f"; {hearing.silent:,} silent, see the warnings"
    return line


def sink_line(sink: SinkStatus, now_ms: int) -> str:
    """How a sink does."""
    behind = f"{sink.lag_events} behind"
    if sink.lag_events and sink.lag_seconds >= 1:
        behind += f", the oldest {_span(sink.lag_seconds)}"
    line = f"{sink.state}, {behind}" if sink.state == "running" else f"{sink.state} since {_when(sink.since)}, {behind}"
    if sink.dead_letters:
        line += f", {counted(sink.dead_letters, 'refused event')} in dead_letters"
    return f"{line}: {sink.last_error}" if sink.last_error else line


def store_line(report: Report) -> str:
    """Where it is, what it holds, and the room that is left."""
    held = [
        (report.utterances, "utterance", ""), (report.conversations, "conversation", ""), (report.gaps, "gap", ""),
        (report.unreadable, "unreadable", "unreadable"), (report.dead_letters, "dead letter", ""),
    ]  # fmt: skip
    counts = ", ".join(counted(*each) for each in held if each[0] or each[1] == "utterance")
    free = report.run.disk_free_bytes if report.run is not None and report.running else None
    room = f"; {_bytes(free)} free" if free is not None else ""
    return f"{report.store}: {counts}, {_bytes(report.store_bytes)}{room}"


def _bytes(count: int) -> str:
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count / 1e3:.0f} kB"


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def _when(text: str) -> str:
    return f"{datetime.fromisoformat(text.replace('Z', '+00:00')).astimezone():%Y-%m-%d %H:%M:%S}"


def _ago(text: str, now_ms: int) -> str:
    return f"{_span(max(now_ms / 1000 - _seconds(text), 0))} ago"


def _span(seconds: float) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
