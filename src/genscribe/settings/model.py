"""`Settings`: what a run does. Each option is declared once, on its field; units stand in the names."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from genscribe.errors import ConfigError
from genscribe.secrets import Secret
from genscribe.settings import page as live_page
from genscribe.settings import values
from genscribe.settings.credentials import Credentials
from genscribe.settings.options import Many, option
from genscribe.settings.page import PageSetting
from genscribe.settings.sinks import SinkSetting
from genscribe.settings.values import Keep, WebAddress, duration_s

_RUN = ("stream", "check")
_STORE = (
    "stream", "check", "demo", "search", "show", "tail", "conversations", "export", "status",
    "sinks", "dead-letters", "replay", "backup", "serve",
)  # fmt: skip


def default_store() -> Path:
    """`genscribe.db` in this user's data folder."""
    import platformdirs

    return platformdirs.user_data_path("genscribe", appauthor=False) / "genscribe.db"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a run does.

    Attributes:
        credentials: `None` when there are none; `require_credentials` says so.
        media_types: `None` = no filter.
        conversation_ids: Empty = all conversations. `queues`: empty = every queue the client may see.
        wait_for_store_s: Seconds to wait for the store's lock; 0 = do not wait.
        for_s: Seconds after which to stop; `None` = run until stopped.
        web: Where the live page listens; `None` = nowhere. All that concerns it: `page`.
        ca_file: Roots added to the system's; `None` = none.
        proxy: Used in place of the environment's; `None` = what `HTTPS_PROXY` and `NO_PROXY` say.
    """

    credentials: Credentials | None = None
    region: str = field(
        default="api",
        metadata=option(
            "region",
            values.word,
            "Where the organisation lives: api (US East), api.eu (EU Ireland), an AWS region such as eu-central-1, "
            "or a platform domain such as usw2.pure.cloud.",
            metavar="REGION",
            group="Platform",
            commands=_RUN,
            shown_default="api",
            extra_variable="GENESYS_ENV",
            in_genesys=True,
        ),
    )
    login_url: str | None = field(
        default=None,
        metadata=option(
            "login-url",
            values.word,
            "Base URL in place of https://login.DOMAIN. http:// only towards this machine.",
            metavar="URL",
            group="Platform",
            extra_variable="GENESYS_LOGIN_URL",
            flag=False,
            only_in_genesys=True,
        ),
    )
    api_url: str | None = field(
        default=None,
        metadata=option(
            "api-url",
            values.word,
            "Base URL in place of https://api.DOMAIN. http:// only towards this machine; WebSockets are then ws://.",
            metavar="URL",
            group="Platform",
            extra_variable="GENESYS_API_URL",
            flag=False,
            only_in_genesys=True,
        ),
    )
    ca_file: Path | None = field(
        default=None,
        metadata=option(
            "ca-file",
            values.path,
            "PEM file of private roots, added to the system's, for REST, WebSockets and sinks alike.",
            metavar="FILE",
            group="Platform",
            commands=_RUN,
            in_genesys=True,
        ),
    )
    proxy: Secret | None = field(
        default=None,
        metadata=option(
            "proxy",
            values.proxy,
            "HTTP proxy in place of the one that HTTPS_PROXY and NO_PROXY say.",
            metavar="URL",
            group="Platform",
            commands=_RUN,
            in_genesys=True,
            confidential=True,
        ),
    )
    source: str = field(
        default="auto",
        metadata=option(
            "source",
            values.choice("auto", "transcripts", "notifications"),
            "Which interface of the platform to listen on: the transcripts endpoint, or notifications, the documented "
            "one; auto asks once and says in the log what it chose.",
            metavar="SOURCE",
            group="What to hear",
            commands=_RUN,
            shown_default="auto",
            choices=("auto", "transcripts", "notifications"),
        ),
    )
    media_types: tuple[str, ...] | None = field(
        default=("voice", "chat"),
        metadata=option(
            "media-types",
            values.media_types,
            "Kinds of conversation. chat is every text conversation (the platform's chat and message); all sends no "
            "filter.",
            metavar="TYPE,TYPE",
            group="What to hear",
            commands=("stream",),
            many=Many.COMMAS,
            shown_default="voice,chat",
        ),
    )
    conversation_ids: tuple[str, ...] = field(
        default=(),
        metadata=option(
            "conversation-ids",
            values.names,
            "Only these conversations.",
            metavar="ID,ID",
            group="What to hear",
            commands=("stream",),
            many=Many.COMMAS,
            shown_default="all conversations",
        ),
    )
    queues: tuple[str, ...] = field(
        default=(),
        metadata=option(
            "queues",
            values.names,
            "Only these queues, by name or id; * and ? stand for any letters. Source notifications only; calls outside "
            "queues are then not heard.",
            metavar="NAME-OR-ID",
            group="What to hear",
            commands=("stream",),
            many=Many.REPEATED,
            shown_default="every queue the client may see",
        ),
    )
    exclude_queues: tuple[str, ...] = field(
        default=(),
        metadata=option(
            "exclude-queues",
            values.names,
            "Not these queues, by name or id; * and ? as above. Source notifications only.",
            metavar="NAME-OR-ID",
            group="What to hear",
            commands=("stream",),
            many=Many.REPEATED,
        ),
    )
    store: Path = field(
        default_factory=default_store,
        metadata=option(
            "store",
            values.path,
            "The SQLite file that everything is committed to.",
            metavar="PATH",
            group="Store",
            commands=_STORE,
            shown_default="genscribe.db in the user's data folder; demo: a fresh file in the temporary folder",
        ),
    )
    wait_for_store_s: float = field(
        default=0.0,
        metadata=option(
            "wait-for-store",
            duration_s,
            "How long to wait for a store that another process holds.",
            metavar="DURATION",
            group="Store",
            commands=("stream",),
            shown_default="0: exit 75 at once",
        ),
    )
    keep: Keep = field(
        default=Keep(max_age_s=30 * 86400.0),
        metadata=option(
            "keep",
            values.keep,
            "How long the store keeps what it has: 30d, 12h, 200GB, 30d,200GB or forever. What a sink still needs is "
            "kept.",
            metavar="HOW-LONG",
            group="Store",
            commands=("stream",),
            shown_default="30d",
        ),
    )
    sinks: tuple[SinkSetting, ...] = field(
        default=(),
        metadata=option(
            "to",
            tuple,  # read by `load`, which knows how to fill in ${...}
            "A sink: console, jsonl:- or jsonl:PATH, postgresql://…, kafka://…, nats://…, redis://…, https://…, "
            "parquet:PATH or python:module:name, with ?kinds=…, ?match=… and more (docs/configuration.md). ${VARIABLE} "
            "and ${file:PATH} are filled in.",
            metavar="[NAME=]URL",
            group="Output",
            commands=("stream", "demo", "check"),
            many=Many.BLANKS,
            shown_default="console when standard output is a terminal (always in demo), else none",
            confidential=True,
        ),
    )
    for_s: float | None = field(
        default=None,
        metadata=option(
            "for",
            duration_s,
            "Stop cleanly that long after start.",
            metavar="DURATION",
            group="Run",
            commands=("stream", "demo", "serve", "emulate"),
            shown_default="run until stopped",
        ),
    )
    log_format: str = field(
        default="text",
        metadata=option(
            "log-format",
            values.choice("text", "json"),
            "How log lines look on standard error.",
            metavar="FORMAT",
            group="Run",
            commands=("stream", "demo", "serve", "emulate", "check"),
            shown_default="text",
            choices=("text", "json"),
        ),
    )
    log_level: str = field(
        default="info",
        metadata=option(
            "log-level",
            values.choice("debug", "info", "warning", "error"),
            "How much is logged. No level logs what people said.",
            metavar="LEVEL",
            group="Run",
            commands=("stream", "demo", "serve", "emulate", "check"),
            shown_default="info",
            choices=("debug", "info", "warning", "error"),
        ),
    )
    web: WebAddress | None = field(default=None, metadata=live_page.WEB)
    web_cert: Path | None = field(default=None, metadata=live_page.CERT)
    web_key: Path | None = field(default=None, metadata=live_page.KEY)
    web_behind_proxy: tuple[live_page.Network, ...] = field(default=(), metadata=live_page.BEHIND_PROXY)
    web_host: tuple[str, ...] = field(default=(), metadata=live_page.HOSTS)
    web_token: Secret | None = field(default=None, metadata=live_page.TOKEN)
    web_token_file: Path | None = field(default=None, metadata=live_page.TOKEN_FILE)
    web_link: str | None = field(default=None, metadata=live_page.LINK)

    @property
    def page(self) -> PageSetting | None:
        """How the live page is served; `None` = there is none. Raises `ConfigError` where that would not be safe."""
        return live_page.page_setting(self)

    def require_credentials(self) -> Credentials:
        """The credentials.

        Raises:
            ConfigError: There are none.
        """
        if self.credentials is None:
            raise ConfigError(
                "no credentials: set GENESYS_CLIENT_ID and GENESYS_CLIENT_SECRET (or GENESYS_CLIENT_SECRET_FILE), "
                "or try `genscribe demo`."
            )
        return self.credentials
