"""Certificates that a test makes for itself: an authority, and servers that it vouches for."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from twisted.internet.ssl import CertificateOptions, PrivateCertificate


class Authority:
    """Somebody who vouches for servers."""

    def __init__(self, name: str = "Authority of a test") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = self._sign(self._name, self._key.public_key(), None)

    def write(self, path: str) -> str:
        """Write its certificate into a file, as ``authorities`` wants it; return the path."""
        Path(path).write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))
        return path

    def write_server(self, host: str, certificate: str, key: str) -> None:
        """Write the certificate of a server and its key into files."""
        made, private = self._server(host)
        Path(certificate).write_bytes(made)
        Path(key).write_bytes(private)

    def server(self, host: str) -> CertificateOptions:
        """Return what a server with a name listens with."""
        made, private = self._server(host)
        options: CertificateOptions = PrivateCertificate.loadPEM(made + private).options()
        return options

    def _server(self, host: str) -> tuple[bytes, bytes]:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        made = self._sign(name, key.public_key(), host)
        return made.public_bytes(serialization.Encoding.PEM), private

    def _sign(self, name: x509.Name, key: ec.EllipticCurvePublicKey, host: str | None) -> x509.Certificate:
        now = datetime.now(timezone.utc)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=host is None, path_length=None), critical=True)
        )
        if host is not None:
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        return builder.sign(self._key, hashes.SHA256())
