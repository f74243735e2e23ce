"""From the sink's URL to what libpq is told: TLS that checks whom it speaks with, keepalives, our name."""

from __future__ import annotations

import configparser
import ipaddress
import re
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict

from genscribe.errors import ConfigError
from genscribe.secrets import Secret

CONNECT_TIMEOUT_S = 10

_OURS = {
    "fallback_application_name": "genscribe",
    "connect_timeout": str(CONNECT_TIMEOUT_S),
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}
"""What libpq is told unless URL, environment or service file say otherwise: a dead line is noticed within a minute."""

_VARIABLES = {
    "host": "PGHOST",
    "hostaddr": "PGHOSTADDR",
    "service": "PGSERVICE",
    "servicefile": "PGSERVICEFILE",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "connect_timeout": "PGCONNECT_TIMEOUT",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
    "dbname": "PGDATABASE",
}
"""Variables that libpq reads by itself, as far as a default of ours must not override them."""

_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem")
_HOST = re.compile(r"[\w.:%-]*|/[\w./ -]*|@[\w./ -]*")
_SHOWN = 3


@dataclass(frozen=True)
class Address:
    """How to reach the database.

    Attributes:
        where: Hosts, the ports that were named, and the database, for messages.
        params: For libpq. They hold the password.
        needs_roots: Whether `sslrootcert` is to be the roots that we trust; otherwise it is said already, or not used.
    """

    where: str
    params: Mapping[str, str] = field(repr=False)
    needs_roots: bool = False


def address(url: Secret, options: Mapping[str, object], environ: Mapping[str, str], home: Path) -> Address:
    """Reads the URL, or what the service file says in its stead.

    A URL says how far TLS goes (`sslmode`); so may `PGSSLMODE` and the service file. Where none does, it is
    `verify-full`, or libpq's own default towards this very machine: what is said goes over no network unread.

    Args:
        url: Whole, as `postgresql://user@host/database?sslmode=…`; may name several hosts.
        options: More of libpq's parameters, for what the URL does not say.
        environ: Where libpq's variables stand.
        home: Where libpq looks for the user's own files.

    Raises:
        ConfigError: It cannot be read, or has a parameter that libpq does not know.
    """
    given = {**_options(options), **_parsed(url)}
    said = {name: environ[variable] for name, variable in _VARIABLES.items() if environ.get(variable)}
    known = {**said, **_service({**said, **given}, environ, home), **given}
    hosts = (known.get("host") or known.get("hostaddr") or "").split(",")
    if not all(_HOST.fullmatch(host) for host in hosts):
        raise ConfigError(
            "the postgresql sink's host is no host.",
            advice="In a password write %40 for @, and so on.",
        )
    params = {name: value for name, value in _OURS.items() if name not in known} | given
    if len(hosts) > 1 and "target_session_attrs" not in known:
        params["target_session_attrs"] = "read-write"
    if "sslmode" not in known and not all(map(_is_here, hosts)):
        params["sslmode"] = "verify-full"
    params["client_encoding"] = "UTF8"
    mode = params.get("sslmode") or known.get("sslmode", "")
    own = (home / ".postgresql" / "root.crt").exists()
    needs_roots = mode in ("verify-ca", "verify-full") and "sslrootcert" not in known and not own
    return Address(_where(hosts, known), params, needs_roots)


def system_roots(environ: Mapping[str, str]) -> Path | None:
    """The file of the roots that this system trusts; `None` when there is none."""
    names = (environ.get("SSL_CERT_FILE"), ssl.get_default_verify_paths().cafile, *_BUNDLES)
    return next((path for path in map(Path, filter(None, names)) if path.is_file()), None)


def _parsed(url: Secret) -> dict[str, str]:
    query = url.reveal().partition("?")[2]
    names = [pair.partition("=")[0] for pair in query.split("&") if pair]
    _require_known(names)
    try:
        parsed = conninfo_to_dict(url.reveal())
    except psycopg.Error:  # its text quotes the URL
        raise ConfigError(
            "the postgresql sink's URL cannot be read.",
            advice="Write postgresql://user@host/database; in a password write %40 for @, and so on.",
        ) from None
    return {name: str(value) for name, value in parsed.items() if value is not None}


def _options(options: Mapping[str, object]) -> dict[str, str]:
    _require_known(options)
    return {name: value.reveal() if isinstance(value, Secret) else str(value) for name, value in options.items()}


def _require_known(names: Iterable[str]) -> None:
    known = {option.keyword.decode() for option in pq.Conninfo.get_defaults()} | {"ssl"}
    for name in names:
        if name not in known:
            raise ConfigError(
                f"the postgresql sink has no parameter {name[:30]!r}.",
                advice="It knows schema=… and those of libpq, such as sslmode=….",
            )


def _service(known: Mapping[str, str], environ: Mapping[str, str], home: Path) -> dict[str, str]:
    """What the service file says. libpq reads it too: here it only counts for what a default must not override."""
    name = known.get("service")
    if not name:
        return {}
    folder = environ.get("PGSYSCONFDIR")
    files = [Path(known["servicefile"])] if known.get("servicefile") else [home / ".pg_service.conf"]
    files += [Path(folder) / "pg_service.conf"] if folder else []
    for file in files:
        parser = configparser.ConfigParser(interpolation=None, strict=False, delimiters=("=",), comment_prefixes=("#",))
        try:
            parser.read_string(file.read_text())
        except (OSError, UnicodeDecodeError, configparser.Error):
            continue  # libpq says what is wrong with it
        if parser.has_section(name):
            return dict(parser[name])
    return {}


def _is_here(host: str) -> bool:
    """Whether it is this machine: no host at all and a folder mean a socket."""
    if not host or host[0] in "/@" or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _where(hosts: list[str], known: Mapping[str, str]) -> str:
    ports = known.get("port", "").split(",")
    each = [_at(host, ports[place] if len(ports) > 1 else ports[0]) for place, host in enumerate(hosts[:_SHOWN])]
    shown = ",".join(each) + (",…" if len(hosts) > _SHOWN else "")
    database = known.get("dbname", "")
    return f"{shown}/{database}" if re.fullmatch(r"[\w.-]+", database) else shown


def _at(host: str, port: str) -> str:
    if not re.fullmatch(r"[0-9]+", port, re.ASCII):
        return host or "this machine"
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}" if host else f"this machine, port {port}"
