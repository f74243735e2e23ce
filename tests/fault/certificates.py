"""Certificates as they should not be, from an authority of our own."""

from __future__ import annotations

import ssl
import warnings
from datetime import datetime, timedelta, timezone
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

HOST = "127.0.0.1"
LONG_AGO = datetime(2001, 1, 1, tzinfo=timezone.utc)


class Authority:
    """A private authority; `ca_file` is its root, for `--ca-file`."""

    def __init__(self, folder: Path) -> None:
        self.ca = trustme.CA()
        self.ca_file = folder / "root.pem"
        self.ca.cert_pem.write_to_path(str(self.ca_file))
        self._folder = folder

    def server(self, flaw: str = "") -> ssl.SSLContext:
        """A server's context; with `expired`, `wrong host`, `self-signed`, `unknown root` or `tls 1.1` a bad one."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if flaw == "self-signed":
            context.load_cert_chain(self._self_signed())
            return context
        issuer = trustme.CA() if flaw == "unknown root" else self.ca
        name = "elsewhere.example" if flaw == "wrong host" else HOST
        ends = {"not_before": LONG_AGO, "not_after": LONG_AGO + timedelta(days=1)} if flaw == "expired" else {}
        issuer.issue_cert(name, **ends).configure_cert(context)
        if flaw == "tls 1.1":
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                context.set_ciphers("ALL:@SECLEVEL=0")
                context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
        return context

    def _self_signed(self) -> Path:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
        now = datetime.now(timezone.utc)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(1)
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .sign(key, hashes.SHA256())
        )
        pem = serialization.Encoding.PEM
        file = self._folder / "self-signed.pem"
        plain = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        file.write_bytes(plain + certificate.public_bytes(pem))
        return file
