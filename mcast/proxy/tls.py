"""What a TLS port needs: a certificate and its key, from files (RFC 8765 §5, RFC 7858)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from zope.interface import implementer

from mcast.showing import one_line

ALPN = b"dot"
"""What clients may ask for on the port (RFC 7858 §7 reserves it for DNS over TLS)."""


@implementer(IOpenSSLServerConnectionCreator)
class Certificate:
    """The certificate of a TLS port as it is in files now, and its key: what `TLSMemoryBIOFactory` wants.

    :raises ValueError: in one line, what is wrong with the files, or that packages are missing.
    """

    def __init__(self, certificate: str, key: str) -> None:
        self._files = certificate, key
        self._options = tls_context(certificate, key)

    def read(self) -> None:
        """Read the files again, for connections that begin from now on.

        :raises ValueError: in one line, what is wrong with them; what was read before stays then.
        """
        self._options = tls_context(*self._files)

    def serverConnectionForTLS(self, tlsProtocol: Any) -> Any:
        """Return what speaks TLS on a connection that begins."""
        from OpenSSL.SSL import Connection

        return Connection(self._options.getContext(), None)


def tls_context(certificate: str, key: str) -> Any:
    """Return what `listenSSL` wants.

    :param certificate: a PEM file with the certificate first, and those above it after it.
    :param key: a PEM file; may be the same.
    :raises ValueError: in one line, what is wrong with the files, or that packages are missing.
    """
    try:
        from OpenSSL import SSL, crypto
        from twisted.internet.ssl import CertificateOptions
    except ImportError:
        raise ValueError("TLS needs further packages: pip install 'txmcast[tls]'") from None
    chain = []
    texts = {}
    for path in (certificate, key):
        try:
            texts[path] = Path(path).read_bytes()
        except OSError as problem:
            raise ValueError(f"{path}: {problem.strerror}") from None
    try:
        for part in texts[certificate].split(b"-----BEGIN CERTIFICATE-----")[1:]:
            pem = b"-----BEGIN CERTIFICATE-----" + part
            chain.append(crypto.load_certificate(crypto.FILETYPE_PEM, pem))
    except (crypto.Error, ValueError):
        chain = []
    if not chain:
        raise ValueError(f"{certificate}: no certificate in PEM form")
    try:
        # Without a passphrase: a service has nobody to ask.
        private = crypto.load_privatekey(crypto.FILETYPE_PEM, texts[key], passphrase=b"")
    except (crypto.Error, ValueError, TypeError):
        raise ValueError(f"{key}: no private key in PEM form without a passphrase") from None
    options = CertificateOptions(
        privateKey=private, certificate=chain[0], extraCertChain=chain[1:], acceptableProtocols=[ALPN]
    )
    try:
        options.getContext()
    except (SSL.Error, ValueError) as problem:
        raise ValueError(f"{key}: not the key of {certificate}{_told(problem)}") from None
    return options


def _told(problem: Exception) -> str:
    """Return what OpenSSL says of a key, when it is more than that it does not fit."""
    # An SSL.Error holds a list of library, function and reason.
    listed = problem.args[0] if problem.args and isinstance(problem.args[0], list) else []
    reasons = [str(entry[-1]) for entry in listed if entry] or [one_line(problem)]
    told = ", ".join(reason for reason in reasons if reason and "mismatch" not in reason)
    return f" ({told})" if told else ""
