"""What `genscribe check` looks at, one step a function. No event is written, and nothing is asked twice.

What belongs to the source `notifications` alone is in `findings_notifications.py`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

import anyio

from genscribe import clock
from genscribe.assemble import means
from genscribe.cli.finding import Finding, Show, failed
from genscribe.cli.findings_notifications import of_notifications
from genscribe.core import verdicts
from genscribe.core.verdicts import TRANSCRIPT_SCOPE, Probed
from genscribe.errors import GenscribeError
from genscribe.genesys import regions
from genscribe.genesys.api import USER_AGENT, Answer, ApiClient, HttpClient
from genscribe.genesys.oauth import Token, TokenManager
from genscribe.genesys.regions import Hosts
from genscribe.genesys.tls import tls_context
from genscribe.settings import Settings, SinkSetting
from genscribe.sinks.base import Looks, Reaches
from genscribe.sinks.registry import make_sink
from genscribe.sources.transcripts import PATH
from genscribe.sources.websocket import Dialer
from genscribe.store import files
from genscribe.store.files import Found
from genscribe.store.reader import Reader
from genscribe.telemetry import Telemetry

TOKEN_DEADLINE_S = 20.0
SINK_DEADLINE_S = 20.0
CLOSE_S = 2.0
CLOCK_TOLERANCE_S = 60.0
LEAST_FREE_BYTES = 100_000_000
TRANSCRIPTS, NOTIFICATIONS = "source transcripts", "source notifications"


def of_settings(settings: Settings) -> Finding:
    """What is going to be used."""
    sinks = ", ".join(sink.name for sink in settings.sinks) or "none"
    return Finding("settings", True, f"region {settings.region}, source {settings.source}, sinks: {sinks}.")


def of_credentials(settings: Settings) -> Finding:
    """Whether there are credentials, and where the secret is from."""
    try:
        credentials = settings.require_credentials()
    except GenscribeError as error:
        return failed("credentials", error)
    where = f"from {credentials.file}" if credentials.file else "given"
    return Finding("credentials", True, f"client {credentials.client_id}, its secret {where}.")


async def of_platform(settings: Settings, show: Show) -> None:
    """Hosts, clock, token, permissions and source."""
    try:
        hosts = regions.hosts(settings.region, login_url=settings.login_url, api_url=settings.api_url)
        tls = tls_context(settings.ca_file)
        http = HttpClient(tls, proxy=settings.proxy.reveal() if settings.proxy else None)
    except GenscribeError as error:
        show(failed("platform", error))
        return
    async with http, anyio.create_task_group() as tasks:
        date: str | None = None
        for what, base_url in (("login host", hosts.login_url), ("API host", hosts.api_url)):
            finding, answer = await _reach(http, what, base_url)
            show(finding)
            date = date or (answer.headers.get("date") if answer else None)
        show(of_clock(date, clock.wall_ms()))
        tokens = _tokens(http, hosts, settings)
        if tokens is None:
            show(Finding("token", None, "needs credentials."))
            _not_known(settings, show)
            return
        tasks.start_soon(tokens.run)
        found = await _token(tokens)
        if isinstance(found, Token):
            show(Finding("token", True, f"given, good for {found.expires_in_s:.0f} s."))
            api = ApiClient(http, hosts.api_url, tokens=tokens)
            await _sources(settings, api, found, Dialer(tls, settings.proxy, USER_AGENT), show)
        else:
            show(found)
            _not_known(settings, show)
        tasks.cancel_scope.cancel()


async def _sources(settings: Settings, api: ApiClient, token: Token, dialer: Dialer, show: Show) -> None:
    """The sources that a run could take."""
    listens = settings.source == "notifications"
    if listens:
        show(Finding(TRANSCRIPTS, None, "not asked for (--source notifications)."))
    else:
        answer = await _probe(api, token)
        listens = settings.source == "auto" and isinstance(answer, int) and takes_notifications(answer)
        for finding in of_probe(answer, api.host, auto=listens):
            show(finding)
    if not listens:
        show(Finding(NOTIFICATIONS, None, f"not looked at: {_why_not(settings)}."))
        return
    found: list[Finding] = []

    def note(finding: Finding) -> None:
        found.append(finding)
        show(finding)

    await of_notifications(api, token, dialer, note)
    show(in_sum(found))


def in_sum(found: Sequence[Finding]) -> Finding:
    """Whether a run could listen by notifications."""
    wrong = next((each for each in found if each.exit_code), None)
    if wrong is None:
        return Finding(NOTIFICATIONS, True, "ready to listen.")
    return Finding(NOTIFICATIONS, False, f"not all is well, see {wrong.what}.", "", wrong.exit_code)


def _why_not(settings: Settings) -> str:
    if settings.source == "transcripts":
        return "not asked for (--source transcripts)"
    return "--source auto takes them only where the transcripts endpoint is not there, or is refused"


def _not_known(settings: Settings, show: Show) -> None:
    """What cannot be looked at without a token."""
    show(Finding("permissions", None, "need a token."))
    for source, name in ((TRANSCRIPTS, "transcripts"), (NOTIFICATIONS, "notifications")):
        if settings.source in ("auto", name):
            show(Finding(source, None, "needs a token."))


async def _reach(http: HttpClient, what: str, base_url: str) -> tuple[Finding, Answer | None]:
    """Name, connection, TLS and HTTP of a host together: any answer will do."""
    host = urlsplit(base_url).netloc
    began = anyio.current_time()
    try:
        answer = await http.request("GET", f"{base_url}/", body_limit=0)
    except GenscribeError as error:
        return failed(what, error), None
    how = "over TLS, certificate trusted" if base_url.startswith("https") else "without TLS, on this machine"
    took_ms = (anyio.current_time() - began) * 1000
    return Finding(what, True, f"{host} answers in {took_ms:.0f} ms, {how}."), answer


def of_clock(date: str | None, now_ms: int) -> Finding:
    """This machine's clock against the `Date` of an answer, which is true to a second."""
    try:
        theirs_s = parsedate_to_datetime(date or "").timestamp()
    except (ValueError, TypeError, OverflowError):
        return Finding("clock", None, "the platform told no time to compare with.")
    ahead_s = now_ms / 1000 - theirs_s
    which = "ahead of" if ahead_s > 0 else "behind"
    if abs(ahead_s) <= CLOCK_TOLERANCE_S:
        return Finding("clock", True, "within a second or two." if abs(ahead_s) < 3 else f"{abs(ahead_s):.0f} s off.")
    return Finding(
        "clock",
        False,
        f"this machine's clock is {abs(ahead_s):.0f} s {which} the platform's.",
        "Let it be set by NTP: the times of gaps and what --keep removes go by it.",
        1,
    )


def _tokens(http: HttpClient, hosts: Hosts, settings: Settings) -> TokenManager | None:
    if settings.credentials is None:
        return None
    return TokenManager(
        http,
        login_url=hosts.login_url,
        client_id=settings.credentials.client_id,
        secret=settings.credentials.client_secret,
        telemetry=Telemetry(),
        region=hosts.region,
    )


async def _token(tokens: TokenManager) -> Token | Finding:
    with anyio.move_on_after(TOKEN_DEADLINE_S):
        try:
            return await tokens.token()
        except GenscribeError as error:
            return failed("token", error)
    if tokens.last_error is not None:
        return failed("token", tokens.last_error)
    return Finding("token", False, "no answer in time.", "Try again, or see the hosts above.", 1)


async def _probe(api: ApiClient, token: Token) -> int | GenscribeError:
    """The transcripts endpoint, asked once as `--source auto` asks it: the status, or why there is none."""
    try:
        return (await api.probe(PATH, token.value)).status
    except GenscribeError as error:
        return error


def takes_notifications(status: int) -> bool:
    """Whether `--source auto` takes the source `notifications` after this answer to its question."""
    return verdicts.of_probe(status) in (Probed.NOTIFICATIONS, Probed.REFUSED)


def of_probe(answer: int | GenscribeError, host: str, *, auto: bool = False) -> list[Finding]:
    """What a status of the transcripts path says about permissions and about the source.

    Args:
        answer: The status, or why there is none.
        host: The host asked.
        auto: Another source is taken in its place, so nothing is wrong if it is not to be had.
    """
    if not isinstance(answer, int):
        return [Finding("permissions", None, "not known."), failed(TRANSCRIPTS, answer)]
    probed = verdicts.of_probe(answer)
    if probed is Probed.TRANSCRIPTS:
        return [
            Finding("permissions", True, f"the token is accepted (scope {TRANSCRIPT_SCOPE})."),
            Finding(TRANSCRIPTS, True, f"the endpoint is there ({answer})."),
        ]
    if auto:
        said = "is refused" if probed is Probed.REFUSED else "is not there"
        return [Finding(TRANSCRIPTS, None, f"the endpoint {said} ({answer}): --source auto takes notifications.")]
    error = verdicts.of_handshake_status(answer, host=host)
    if probed is Probed.REFUSED:
        refused = Finding("permissions", False, error.message, error.advice, 77)
        return [refused, Finding(TRANSCRIPTS, None, "not known while the token is refused.")]
    return [Finding("permissions", None, "not known."), failed(TRANSCRIPTS, error)]


def of_store(settings: Settings) -> Finding:
    """Whether the store is ours, or can be made, and has room."""
    path = settings.store
    folder = next(each for each in path.parents if each.exists())
    try:
        if folder == path.parent:
            files.prepare(path)
        text, used = _what_lies_there(path)
    except GenscribeError as error:
        return failed("store", error)
    if not os.access(path if used else folder, os.W_OK) or not os.access(folder, os.W_OK | os.X_OK):
        return failed("store", files.cannot_write(path, "this user may not"))
    free = shutil.disk_usage(folder).free
    if free < LEAST_FREE_BYTES:
        return Finding("store", False, f"{folder} has {free / 1e6:.0f} MB left.", "Free some, or lower --keep.", 1)
    return Finding("store", True, f"{path}: {text}; {free / 1e9:.1f} GB free.")


def _what_lies_there(path: Path) -> tuple[str, bool]:
    found = files.look(path)
    if found is Found.NOTHING:
        return "will be made", False
    if found is Found.DAMAGED:
        return "damaged; the next start sets it aside and begins a new one", True
    with Reader.open(path) as reader:  # says so itself when it is foreign or of another format
        stats, life = reader.stats(), reader.life()
    running = ", in use by a running genscribe" if life and life.running else ""
    return f"{stats.utterances} utterances{running}", True


async def of_sinks(settings: Settings, show: Show) -> None:
    """Whether each sink could be written to: those in a network are opened, and get nothing.

    All are asked at once, for one that is down takes its time to say so; they are shown in the order of the settings.
    """
    found: dict[int, Finding] = {}
    shown = 0

    async def ask(number: int, setting: SinkSetting) -> None:
        nonlocal shown
        local = setting.scheme in ("console", "jsonl")
        found[number] = _of_file(setting) if local else await _of_opened(settings, setting)
        while shown in found:
            show(found[shown])
            shown += 1

    async with anyio.create_task_group() as tasks:
        for number, setting in enumerate(settings.sinks):
            tasks.start_soon(ask, number, setting)
    if not settings.sinks:
        show(Finding("sinks", None, "none: what is heard stays in the store."))


async def _of_opened(settings: Settings, setting: SinkSetting) -> Finding:
    what = f"sink {setting.name}"
    try:
        sink = make_sink(setting, means(settings, setting.name, "check"))
    except GenscribeError as error:
        return failed(what, error)
    try:
        with anyio.fail_after(SINK_DEADLINE_S):
            asked = isinstance(sink, Reaches)
            if isinstance(sink, Looks):
                await sink.look()
            else:
                await sink.open()
            if isinstance(sink, Reaches):
                await sink.reach()
    except GenscribeError as error:
        return failed(what, error)
    except TimeoutError:
        return Finding(what, False, f"does not answer within {SINK_DEADLINE_S:.0f} s.", "Check host and firewall.", 1)
    except Exception as error:  # noqa: BLE001  # a sink is anyone's code
        return Finding(what, False, f"{type(error).__name__} in its code.", "Ask those who wrote it.", 1)
    finally:
        with anyio.move_on_after(CLOSE_S, shield=True):
            await sink.aclose()
    return Finding(what, True, f"{'answers' if asked else 'can be written to'}; {sink.guarantee}.")


def _of_file(sink: SinkSetting) -> Finding:
    what = f"sink {sink.name}"
    if sink.scheme == "console" or sink.target == "-":
        return Finding(what, True, "writes to standard output.")
    path = Path(sink.target)
    if path.is_symlink() or (path.exists() and not path.is_file()):
        return Finding(what, False, f"{path} is no regular file.", "Name a file that is no link.", 78)
    place = path if path.exists() else path.parent
    if not place.exists():
        return Finding(what, False, f"the folder {place} does not exist.", f"Make it: mkdir -p {place}", 78)
    if not os.access(place, os.W_OK):
        return Finding(what, False, f"this user may not write {place}.", "Change its owner or mode.", 78)
    return Finding(what, True, f"{path} can be written.")
