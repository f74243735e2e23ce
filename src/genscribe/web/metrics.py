"""`/metrics`: the plain integers of a run in the form that Prometheus wants, made when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol, Union

import anyio.to_thread
from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, InfoMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response

from genscribe import clock
from genscribe.core.times import epoch_ms
from genscribe.delivery import DeliveryState
from genscribe.pipeline import Pipeline
from genscribe.telemetry import Counters
from genscribe.telemetry.histogram import Histogram
from genscribe.telemetry.status import Status
from genscribe.web.probes import not_ready
from genscribe.web.watched import Watched

Family = Union[CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, InfoMetricFamily]
RECONNECTS = ("disconnected", "handover", "unreachable", "throttled", "unauthorized", "not_found", "bad_answer")
"""The usual reasons; there may be others."""
SINK_STATES = ("running", "retrying", "paused", "ended", "stopped")


class Metrics:
    """Answers `/metrics`."""

    def __init__(self, watched: Watched, browsers: Browsers) -> None:
        self._run = CollectorRegistry(auto_describe=False)
        self._process = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self._process)
        PlatformCollector(registry=self._process)
        if watched.pipeline is not None:
            self._run.register(Run(watched.pipeline, browsers))

    async def metrics(self, request: Request) -> Response:
        """All metrics, in the text format. The run is looked at on its own loop; the process's come from files."""
        text = generate_latest(self._run)
        text += await anyio.to_thread.run_sync(generate_latest, self._process)
        return Response(text, media_type=CONTENT_TYPE_LATEST)


class Browsers(Protocol):
    """Who follows the page."""

    @property
    def browsers(self) -> int:
        """How many."""


class Run(Collector):
    """A run in this process."""

    def __init__(self, pipeline: Pipeline, browsers: Browsers) -> None:
        self._pipeline = pipeline
        self._browsers = browsers

    def collect(self) -> Iterator[Family]:
        """One sample of everything."""
        pipeline, status = self._pipeline, self._pipeline.status()
        counters = pipeline.telemetry.counters
        yield InfoMetricFamily(
            "genscribe_build", "Version and source.", {"version": status.version, "source": status.source}
        )
        yield from _heard(counters, status.source)
        yield from _hearing(status, pipeline.telemetry.gauges, clock.wall_ms())
        yield from _store(status, pipeline)
        yield from _sinks([delivery.state() for delivery in pipeline.deliveries])
        yield _gauge("genscribe_page_browsers", "Browsers that follow the live page.", self._browsers.browsers)


def _heard(counters: Counters, source: str) -> Iterator[Family]:
    yield _by(
        "genscribe_utterances", "Utterances accepted: committed, or on the way into the next commit.", "source",
        {source: 0, **counters.utterances},
    )  # fmt: skip
    # From 0 on, or the first of each would be no increase.
    reconnects = {**dict.fromkeys(RECONNECTS, 0), **counters.reconnects}
    yield _by("genscribe_reconnects", "Connections that were lost and dialled again.", "reason", reconnects)
    for name, what, value in (
        ("gaps", "Times recorded in which something may have been said that was not heard.", counters.gaps),
        ("unreadable", "Frames or lines that could not be read; they are kept.", counters.unreadable),
        ("frames", "Frames read from the platform.", counters.frames),
        ("duplicates", "Events that were there already.", counters.duplicates),
        ("empty_lines", "Lines without text.", counters.empty + counters.system),
        ("dropped_lines", "Lines of queues that are excluded, or not chosen.", counters.dropped),
        ("forbidden_topics", "Topics that the platform forbids.", counters.forbidden),
        ("texts_fetched", "Texts of messages asked for by their ids.", counters.texts_fetched),
        ("rest_refused", "REST calls refused for being too many (429).", counters.rest_refused),
        ("token_requests", "Requests of an access token.", counters.token_requests),
    ):
        yield _counter(f"genscribe_{name}", what, value)
    yield _histogram("genscribe_commit_seconds", "From the socket to the committed journal.", counters.commit_seconds)
    yield _histogram(
        "genscribe_speech_lag_seconds", "From the end of speech to its arrival here.", counters.speech_seconds
    )
    yield _histogram(
        "genscribe_subscribe_seconds", "From a conversation's first look to its topic's confirmation.",
        counters.subscribe_seconds,
    )  # fmt: skip


def _hearing(status: Status, gauges: Mapping[str, float], now_ms: int) -> Iterator[Family]:
    missing_ms = 0 if status.missing_since is None else max(0, now_ms - epoch_ms(status.missing_since))
    yield _gauge("genscribe_connected", "1 while we hear, else 0.", int(status.connected))
    yield _gauge("genscribe_ready", "1 while /readyz answers 200, else 0.", int(not_ready(status) is None))
    yield _gauge("genscribe_missing_seconds", "How long nothing has been heard; 0 while we hear.", missing_ms / 1000)
    if "token_ends_ms" in gauges:
        left_s = (gauges["token_ends_ms"] - now_ms) / 1000
        yield _gauge("genscribe_token_expiry_seconds", "Until the access token in use ends.", left_s)
    if status.hearing is None:
        return
    for name, what, value in (
        ("live_conversations", "Conversations in progress.", status.hearing.conversations),
        ("unheard_conversations", "Conversations of which something is being missed now.", status.hearing.unheard),
        ("silent_conversations", "Calls in progress of which no transcript comes.", status.hearing.silent),
        ("waiting_seconds", "The longest that a live conversation waits for its topic now.", status.hearing.waiting_s),
        ("channels", "Notification channels in use.", status.hearing.channels),
        ("topics", "Topics in use.", status.hearing.topics),
        ("topics_limit", "Topics that there may be.", status.hearing.topics_limit),
    ):
        yield _gauge(f"genscribe_{name}", what, value)


def _store(status: Status, pipeline: Pipeline) -> Iterator[Family]:
    yield _gauge("genscribe_journal_seq", "The last committed event's number.", status.head)
    yield _gauge("genscribe_archive_lag_events", "Committed events that cannot be searched yet.",
                 pipeline.journal.archive.behind(status.head))  # fmt: skip
    yield _gauge(
        "genscribe_writer_stalled_seconds", "Since the writer last moved while it had work.", pipeline.journal.stalled_s
    )
    yield _gauge(
        "genscribe_store_full", "1 while the disk takes no more, else 0.", int(status.store_full_since is not None)
    )
    if status.disk_free_bytes is not None:
        yield _gauge("genscribe_disk_free_bytes", "Room on the store's file system.", status.disk_free_bytes)


def _sinks(states: list[DeliveryState]) -> Iterator[Family]:
    lag = GaugeMetricFamily("genscribe_sink_lag_events", "Events that the sink does not have yet.", labels=["sink"])
    age = GaugeMetricFamily(
        "genscribe_sink_lag_seconds", "How long ago the oldest of them was received.", labels=["sink"]
    )
    done = CounterMetricFamily("genscribe_sink_delivered", "Events delivered.", labels=["sink"])
    dead = CounterMetricFamily("genscribe_sink_dead_letters", "Events that the sink refused.", labels=["sink"])
    state = GaugeMetricFamily("genscribe_sink_state", "1 for the state that the sink is in.", labels=["sink", "state"])
    for one in states:
        lag.add_metric([one.name], one.lag_events)
        age.add_metric([one.name], one.lag_seconds)
        done.add_metric([one.name], one.tally.delivered)
        dead.add_metric([one.name], one.tally.dead_lettered)
        for word in SINK_STATES:
            state.add_metric([one.name, word], int(one.status == word))
    yield from (lag, age, done, dead, state)


def _counter(name: str, what: str, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(name, what, value=value)


def _gauge(name: str, what: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, what, value=value)


def _by(name: str, what: str, label: str, counts: Mapping[str, int]) -> CounterMetricFamily:
    family = CounterMetricFamily(name, what, labels=[label])
    for word, count in sorted(counts.items()):
        family.add_metric([word], count)
    return family


def _histogram(name: str, what: str, values: Histogram) -> HistogramMetricFamily:
    buckets: list[tuple[str, float]] = []
    seen = 0
    for bound, count in zip((*values.bounds, float("inf")), values.counts, strict=True):
        seen += count
        buckets.append(("+Inf" if bound == float("inf") else repr(bound), seen))
    return HistogramMetricFamily(name, what, buckets=buckets, sum_value=values.total)
