"""TLS of the HTTP client: the name of the address is what the certificate must be for, whatever is connected to."""

from __future__ import annotations

import datetime as dt
import ssl
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pytest_httpserver import HTTPServer

from integrations.connectors.http import Answer, Call, HttpClient
from integrations.errors import TLS_FAILED, UNREACHABLE, NeedsPerson, RetryLater
from tests.connectors.rest_world import QUICK


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for shop.example that signs itself, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "shop.example")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("shop.example")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "server.pem"
    plain = serialization.NoEncryption()
    encoded = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    path.write_bytes(encoded + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def tls_server(certificate: Path) -> Iterator[HTTPServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with HTTPServer(host="127.0.0.1", port=0, ssl_context=context) as server:
        server.expect_request("/x").respond_with_data("{}")
        yield server


def ask(server: HTTPServer, host: str, trusted: Path | None, scheme: str = "https") -> Answer:
    tls = ssl.create_default_context(cafile=trusted) if trusted else None
    client = HttpClient(QUICK, (f"{host}:{server.port}",), resolver=lambda _host, _port: ("127.0.0.1",), tls=tls)
    with closing(client):
        return client.send(Call(f"{scheme}://{host}:{server.port}/x"))


def test_a_trusted_certificate_for_the_name_is_accepted(tls_server: HTTPServer, certificate: Path) -> None:
    assert ask(tls_server, "shop.example", certificate).body == b"{}"


@pytest.mark.fault("F46")
def test_a_certificate_for_another_name_is_refused(tls_server: HTTPServer, certificate: Path) -> None:
    with pytest.raises(NeedsPerson) as caught:
        ask(tls_server, "bank.example", certificate)
    assert (caught.value.code, tls_server.log) == (TLS_FAILED, [])


@pytest.mark.fault("F46")
def test_a_certificate_of_an_unknown_authority_is_refused(tls_server: HTTPServer) -> None:
    with pytest.raises(NeedsPerson) as caught:
        ask(tls_server, "shop.example", None)
    assert caught.value.code == TLS_FAILED


def test_tls_to_a_server_that_speaks_none_is_refused(httpserver: HTTPServer, certificate: Path) -> None:
    with pytest.raises((NeedsPerson, RetryLater)) as caught:
        ask(httpserver, "shop.example", certificate)
    assert caught.value.code in {TLS_FAILED, UNREACHABLE}
