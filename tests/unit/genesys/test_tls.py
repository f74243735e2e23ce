"""One TLS context: the system's roots and private ones, no way to switch checking off."""

from __future__ import annotations

import ssl

import pytest
import trustme

from genscribe.errors import ConfigError, Unreachable, UntrustedCertificate
from genscribe.genesys.tls import Distrust, certificate_problem, tls_context


def test_certificates_and_names_are_checked_from_tls_1_2_on():
    context = tls_context()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_private_roots_are_added_to_the_systems(tmp_path):
    ca_file = tmp_path / "root.pem"
    trustme.CA().cert_pem.write_to_path(ca_file)
    before = tls_context().cert_store_stats()["x509_ca"]
    assert tls_context(ca_file).cert_store_stats()["x509_ca"] == before + 1


def test_ssl_cert_file_replaces_the_systems_roots(tmp_path, monkeypatch):
    ca_file = tmp_path / "root.pem"
    trustme.CA().cert_pem.write_to_path(ca_file)
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
    assert tls_context().cert_store_stats()["x509_ca"] == 1


@pytest.mark.parametrize("content", [b"", b"no pem", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_a_file_without_a_certificate_exits_78(tmp_path, content):
    ca_file = tmp_path / "root.pem"
    ca_file.write_bytes(content)
    with pytest.raises(ConfigError, match=r"root\.pem"):
        tls_context(ca_file)


def test_a_missing_file_exits_78(tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        tls_context(tmp_path / "gone.pem")


def test_a_folder_exits_78(tmp_path):
    with pytest.raises(ConfigError):
        tls_context(tmp_path)


def test_a_private_key_is_no_root(tmp_path):
    key = tmp_path / "key.pem"
    trustme.CA().private_key_pem.write_to_path(key)
    with pytest.raises(ConfigError):
        tls_context(key)


def test_the_certificates_problem_is_found_behind_other_errors():
    refused = ssl.SSLCertVerificationError()
    refused.verify_message = "self-signed certificate"
    wrapped = OSError("all attempts failed")
    wrapped.__cause__ = refused
    assert certificate_problem(wrapped) == "self-signed certificate"
    assert certificate_problem(OSError("else")) is None


def test_of_several_addresses_tried_the_first_ones_problem_is_told():
    class Group(Exception):
        def __init__(self, *exceptions):
            self.exceptions = exceptions

    refused = ssl.SSLCertVerificationError()
    refused.verify_message = "certificate has expired"
    wrapped = OSError("all attempts failed")
    wrapped.__cause__ = Group(refused, OSError("no route"))
    assert certificate_problem(wrapped) == "certificate has expired"


def test_private_roots_need_not_be_stricter_on_newer_pythons(tmp_path, monkeypatch):
    ca_file = tmp_path / "root.pem"
    trustme.CA().cert_pem.write_to_path(ca_file)
    strict = ssl.create_default_context()
    strict.verify_flags |= ssl.VERIFY_X509_STRICT
    monkeypatch.setattr(ssl, "create_default_context", lambda: strict)
    assert tls_context().verify_flags & ssl.VERIFY_X509_STRICT
    assert not tls_context(ca_file).verify_flags & ssl.VERIFY_X509_STRICT


def test_a_certificate_refused_three_times_in_a_row_is_a_setting():
    distrust = Distrust()
    assert [type(distrust.refused("a", "expired")) for _ in range(4)] == [
        Unreachable,
        Unreachable,
        UntrustedCertificate,
        UntrustedCertificate,
    ]
    assert type(distrust.refused("b", "expired")) is Unreachable
    distrust.accepted("a")
    assert type(distrust.refused("a", "expired")) is Unreachable


def test_the_refusal_says_what_to_do():
    error = Distrust().refused("login.x", "self-signed certificate in certificate chain")
    assert "login.x" in error.message
    assert "self-signed" in error.message
    assert "--ca-file" in error.advice
