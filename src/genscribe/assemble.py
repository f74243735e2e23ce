"""The one place that knows every part: settings in, a pipeline out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import anyio
import anyio.lowlevel

from genscribe.control.server import Control
from genscribe.core.batches import Choice
from genscribe.core.dedupe import Window
from genscribe.delivery import Delivery, Shape, Start
from genscribe.errors import ConfigError
from genscribe.genesys import regions
from genscribe.genesys.api import USER_AGENT, ApiClient, HttpClient
from genscribe.genesys.oauth import TokenManager
from genscribe.genesys.regions import Hosts
from genscribe.genesys.tls import tls_context
from genscribe.ingest import Ingest
from genscribe.pipeline import Page, Pipeline
from genscribe.settings import Settings, SinkSetting
from genscribe.settings.page import PageSetting
from genscribe.sinks.base import Means, Sink
from genscribe.sinks.registry import make_sink
from genscribe.sources.auto import Auto
from genscribe.sources.base import Source
from genscribe.sources.notifications import Notifications, Wanted
from genscribe.sources.transcripts import Filters, Transcripts
from genscribe.sources.websocket import Dialer
from genscribe.store import hands
from genscribe.store.journal import Journal
from genscribe.store.lock import held
from genscribe.store.retention import Keep
from genscribe.telemetry import Telemetry
from genscribe.telemetry.pipeline import PageServed, RunStarted
from genscribe.version import __version__

LEAVE_S = 5.0
"""What a sink gets at the end of `replay` and the like, for what it lacked besides."""


@asynccontextmanager
async def open_pipeline(
    settings: Settings, *, telemetry: Telemetry, page_anywhere: bool = False, reader: str | None = None
) -> AsyncIterator[Pipeline]:
    """Opens everything that a run needs, and closes it after the run.

    Args:
        settings: What was chosen.
        telemetry: Where happenings go.
        page_anywhere: Whether the live page may take a port that the system chooses where its own cannot be had.
        reader: A cursor beside those of the sinks, for whose place retention waits.

    Raises:
        GenscribeError: What is wrong with the settings or the store; nothing is left open then.
    """
    credentials = settings.require_credentials()
    sinks = tuple(sink.name for sink in settings.sinks)
    telemetry.emit(RunStarted(__version__, str(settings.store), str(settings.keep), settings.source, sinks))
    hosts = regions.hosts(settings.region, login_url=settings.login_url, api_url=settings.api_url)
    tls = tls_context(settings.ca_file)
    proxy = settings.proxy
    page = settings.page
    if page is not None:
        await _check_page(page, settings.store, page_anywhere)
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(HttpClient(tls, proxy=proxy.reveal() if proxy else None))
        tokens = TokenManager(
            http,
            login_url=hosts.login_url,
            client_id=credentials.client_id,
            secret=credentials.client_secret,
            telemetry=telemetry,
            region=hosts.region,
            reload=credentials.reread if credentials.file else None,
        )
        journal = await open_journal(settings, telemetry, [*sinks, *([] if reader is None else [reader])])
        stack.push_async_callback(journal.aclose)
        ingest = Ingest(settings.source, journal, Window(), telemetry)
        source = make_source(settings, Platform(hosts, http, tokens, Dialer(tls, proxy, USER_AGENT)), ingest, telemetry)
        ingest.source = source.name
        deliveries = [
            deliver(setting, make_sink(setting, means(settings, setting.name, journal.store_id)), journal, telemetry)
            for setting in settings.sinks
        ]
        paused = await journal.ask(hands.paused)
        for delivery in deliveries:
            if delivery.name in paused:
                delivery.pause()
        pipeline = Pipeline(
            source=source,
            ingest=ingest,
            journal=journal,
            deliveries=deliveries,
            telemetry=telemetry,
            background=[tokens.run],
        )
        pipeline.background.append(Control(pipeline).run)
        if page is not None:
            pipeline.page = await _open_page(page, pipeline, stack, page_anywhere)
            pipeline.background.append(pipeline.page.run)
            telemetry.emit(PageServed(pipeline.page.url))
        yield pipeline


async def _check_page(page: PageSetting, store: Path, anywhere: bool) -> None:
    """Refuses, before anything is made, a page that cannot be served."""
    from genscribe.web import server  # the web framework costs a quarter of a second to import

    if page.cert is not None:
        server.tls_context(page)
    if not anywhere and not held(store):  # whoever holds the store may have the address as long
        (await server.listen(page.address)).close()


async def _open_page(page: PageSetting, pipeline: Pipeline, stack: AsyncExitStack, anywhere: bool) -> Page:
    from genscribe.web.server import open_page
    from genscribe.web.watched import Running

    try:
        return await stack.enter_async_context(open_page(page, Running(pipeline)))
    except ConfigError:
        if not anywhere:
            raise
    elsewhere = replace(page, address=page.address._replace(port=0))
    return await stack.enter_async_context(open_page(elsewhere, Running(pipeline)))


@asynccontextmanager
async def open_deliveries(
    settings: Settings, names: Collection[str], telemetry: Telemetry
) -> AsyncIterator[tuple[Journal, list[Delivery]]]:
    """A store that no process holds, with running deliveries to some of its sinks; nothing is heard.

    Raises:
        GenscribeError: The store or a sink's settings are wrong, or another process holds the store.
    """
    telling = [each for each in settings.sinks if each.name in names]
    async with await Journal.open(settings.store, telemetry=telemetry) as journal:
        deliveries = [
            deliver(each, make_sink(each, means(settings, each.name, journal.store_id)), journal, telemetry)
            for each in telling
        ]
        paused = await journal.ask(hands.paused)
        async with anyio.create_task_group() as tasks:
            for delivery in deliveries:
                if delivery.name in paused:
                    delivery.pause()
                tasks.start_soon(delivery.run)
            await anyio.lowlevel.checkpoint()
            try:
                yield journal, deliveries
                for delivery in deliveries:
                    await delivery.drain(LEAVE_S)
            finally:
                tasks.cancel_scope.cancel()


@dataclass(frozen=True)
class Platform:
    """What sources need to speak with the platform."""

    hosts: Hosts
    http: HttpClient
    tokens: TokenManager
    dialer: Dialer


def make_source(settings: Settings, platform: Platform, ingest: Ingest, telemetry: Telemetry) -> Source:
    """The source that the settings ask for."""
    tokens, dialer = platform.tokens, platform.dialer
    transcripts = Transcripts(
        websocket_url=platform.hosts.websocket_url,
        filters=Filters(settings.media_types, settings.conversation_ids or None),
        tokens=tokens,
        dialer=dialer,
        telemetry=telemetry,
    )
    if settings.source == "transcripts":
        return transcripts
    api = ApiClient(platform.http, platform.hosts.api_url, tokens=tokens, telemetry=telemetry)
    notifications = Notifications(
        wanted=Wanted(settings.media_types, settings.conversation_ids, settings.queues, settings.exclude_queues),
        tokens=tokens,
        api=api,
        dialer=dialer,
        memory=ingest.journal,
        telemetry=telemetry,
    )
    if settings.source == "notifications" or settings.queues or settings.exclude_queues:
        return notifications  # the transcripts endpoint knows no queues: it would record what was not asked for

    def chosen(name: str) -> None:
        ingest.source = name

    return Auto(
        transcripts=transcripts,
        notifications=notifications,
        tokens=tokens,
        api=api,
        telemetry=telemetry,
        chosen=chosen,
    )


async def open_journal(settings: Settings, telemetry: Telemetry, readers: Collection[str] = ()) -> Journal:
    """The store, open for writing; `readers` as in `Journal.open`."""
    keep = settings.keep
    return await Journal.open(
        settings.store,
        telemetry=telemetry,
        keep=Keep(keep.max_age_s, keep.max_bytes),
        readers=readers,
        wait_s=settings.wait_for_store_s,
    )


def means(settings: Settings, name: str, store_id: str) -> Means:
    """What a run has for a sink of that name."""
    return Means(
        name=name,
        store_id=store_id,
        tls=lambda: tls_context(settings.ca_file),
        ca_file=settings.ca_file,
        proxy=settings.proxy,
        store=settings.store,
    )


def deliver(setting: SinkSetting, sink: Sink, journal: Journal, telemetry: Telemetry) -> Delivery:
    """The delivery to a sink."""
    screen = setting.scheme == "console" or setting.target == "-"
    return Delivery(
        setting.name,
        sink,
        journal,
        telemetry,
        choice=Choice(setting.kinds or sink.kinds, bool(setting.interim)),
        shape=Shape(setting.filters, setting.hold_s, setting.per is not None, setting.idle_s),
        start="now" if screen and setting.start is None else _start(setting),
        durable=not screen,
    )


def _start(setting: SinkSetting) -> Start:
    return "now" if setting.start == "now" else "beginning"
