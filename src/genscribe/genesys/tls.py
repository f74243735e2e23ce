"""One TLS context for REST, WebSockets and sinks, and what to say of a certificate that it refuses."""

from __future__ import annotations

import ssl
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from genscribe.errors import ConfigError, Unreachable, UntrustedCertificate

_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Alpine
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/etc/ssl/cert.pem",  # macOS, BSD
)

REFUSALS_BEFORE_FATAL = 3


def tls_context(ca_file: Path | None = None) -> ssl.SSLContext:
    """A context that checks certificate and host name, TLS 1.2 or newer, against the system's roots.

    `SSL_CERT_FILE` and `SSL_CERT_DIR` replace the system's roots, as OpenSSL has it.

    Args:
        ca_file: PEM file of private roots, trusted as well; `None` = none.

    Raises:
        ConfigError: The file cannot be read or holds no certificate.
    """
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not context.cert_store_stats()["x509_ca"]:
        _add_system_bundle(context)
    if ca_file is not None:
        _add_private_roots(context, ca_file)
    return context


def _add_system_bundle(context: ssl.SSLContext) -> None:
    """Some builds of Python look for the roots where this system does not keep them."""
    paths = ssl.get_default_verify_paths()
    if paths.cafile or (paths.capath and any(Path(paths.capath).iterdir())):
        return
    bundle = next((name for name in _BUNDLES if Path(name).is_file()), None)
    if bundle is not None:
        context.load_verify_locations(bundle)


def _add_private_roots(context: ssl.SSLContext, ca_file: Path) -> None:
    try:
        context.load_verify_locations(cafile=ca_file)
    except ssl.SSLError:
        raise ConfigError(
            f"{ca_file} holds no certificate that can be read.", advice="--ca-file wants a PEM file."
        ) from None
    except OSError as error:
        reason = error.strerror or "cannot be read"
        raise ConfigError(f"{ca_file}: {reason}.", advice="Check --ca-file and the file's permissions.") from None
    # Python 3.13 demands of private roots what 3.10 to 3.12 do not, and many company roots lack it.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT


def certificate_problem(error: BaseException) -> str | None:
    """Why the peer's certificate was refused, if that is what `error` or its causes say; else `None`."""
    for cause in causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return str(cause.verify_message or "verification failed")
    return None


def causes(error: BaseException) -> Iterator[BaseException]:
    """`error` and what lies behind it, outermost first; of a group (several addresses tried) the first member."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        members = getattr(seen, "exceptions", None)
        seen = members[0] if members else seen.__cause__ or seen.__context__


class Distrust:
    """Counts refused certificates of each host in a row: one may be a proxy's hiccup, three are a setting."""

    def __init__(self) -> None:
        self._refused: Counter[str] = Counter()

    def accepted(self, host: str) -> None:
        """A TLS connection to `host` was made."""
        self._refused.pop(host, None)

    def refused(self, host: str, problem: str) -> Unreachable | UntrustedCertificate:
        """The error to raise: `Unreachable` twice, `UntrustedCertificate` (78) from the third in a row."""
        self._refused[host] += 1
        message = f"The certificate of {host} is not trusted: {problem}."
        advice = "If a company proxy or a private root signs it, give the root with --ca-file."
        if self._refused[host] >= REFUSALS_BEFORE_FATAL:
            return UntrustedCertificate(message, advice=advice)
        return Unreachable(message, advice=advice)
