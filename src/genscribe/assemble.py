"""The one place that knows every part: settings in, a pipeline out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from genscribe.core.batches import Choice
from genscribe.core.dedupe import Window
from genscribe.delivery import Delivery, Start
from genscribe.errors import ConfigError
from genscribe.genesys import regions
from genscribe.genesys.api import USER_AGENT, ApiClient, HttpClient
from genscribe.genesys.oauth import TokenManager
from genscribe.genesys.regions import Hosts
from genscribe.genesys.tls import tls_context
from genscribe.ingest import Ingest
from genscribe.pipeline import Pipeline
from genscribe.settings import Settings, SinkSetting
from genscribe.sinks.base import Sink
from genscribe.sources.auto import Auto
from genscribe.sources.base import Source
from genscribe.sources.notifications import Notifications, Wanted
from genscribe.sources.transcripts import Filters, Transcripts
from genscribe.sources.websocket import Dialer
from genscribe.store.journal import Journal
from genscribe.store.retention import Keep
from genscribe.telemetry import Telemetry
from genscribe.telemetry.pipeline import RunStarted
from genscribe.version import __version__


@asynccontextmanager
async def open_pipeline(settings: Settings, *, telemetry: Telemetry) -> AsyncIterator[Pipeline]:
    """Opens everything that a run needs, and closes it after the run.

    Raises:
        GenscribeError: What is wrong with the settings or the store; nothing is left open then.
    """
    credentials = settings.require_credentials()
    sinks = tuple(sink.name for sink in settings.sinks)
    telemetry.emit(RunStarted(__version__, str(settings.store), str(settings.keep), settings.source, sinks))
    hosts = regions.hosts(settings.region, login_url=settings.login_url, api_url=settings.api_url)
    tls = tls_context(settings.ca_file)
    proxy = settings.proxy
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
        journal = await open_journal(settings, telemetry)
        stack.push_async_callback(journal.aclose)
        ingest = Ingest(settings.source, journal, Window(), telemetry)
        source = make_source(settings, Platform(hosts, http, tokens, Dialer(tls, proxy, USER_AGENT)), ingest, telemetry)
        ingest.source = source.name
        yield Pipeline(
            source=source,
            ingest=ingest,
            journal=journal,
            deliveries=[deliver(setting, journal, telemetry) for setting in settings.sinks],
            telemetry=telemetry,
            background=[tokens.run],
        )


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


async def open_journal(settings: Settings, telemetry: Telemetry) -> Journal:
    """The store, open for writing."""
    keep = settings.keep
    return await Journal.open(
        settings.store,
        telemetry=telemetry,
        keep=Keep(keep.max_age_s, keep.max_bytes),
        wait_s=settings.wait_for_store_s,
    )


def deliver(setting: SinkSetting, journal: Journal, telemetry: Telemetry) -> Delivery:
    """A sink and its delivery."""
    sink = make_sink(setting)
    screen = setting.scheme == "console" or setting.target == "-"
    return Delivery(
        setting.name,
        sink,
        journal,
        telemetry,
        choice=Choice(setting.kinds or sink.kinds, bool(setting.interim)),
        start="now" if screen and setting.start is None else _start(setting),
        durable=not screen,
    )


def _start(setting: SinkSetting) -> Start:
    return "now" if setting.start == "now" else "beginning"


def make_sink(setting: SinkSetting) -> Sink:
    """The sink of a scheme. Sinks are imported when asked for: each may need what is not installed."""
    if setting.scheme == "console":
        from genscribe.sinks.console import Console

        return Console()
    if setting.scheme == "jsonl":
        from genscribe.sinks.jsonl import JsonLinesFile, JsonLinesOutput

        return JsonLinesOutput() if setting.target == "-" else JsonLinesFile(Path(setting.target))
    raise ConfigError(f"there is no sink {setting.scheme}.", advice="This version has console and jsonl.")
