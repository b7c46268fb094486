"""A TLS connection to a server of DNS Push: opened, checked, framed, closed (RFC 8765 §5, §7)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint
from twisted.internet.interfaces import IDelayedCall, IHandshakeListener
from twisted.internet.protocol import Factory
from twisted.internet.protocol import Protocol as TwistedProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from mcast.clock import clock_of
from mcast.errors import McastError
from mcast.showing import one_line
from mcast.unicast.framing import Unframer, framed

CONNECT_TIMEOUT = 10.0
"""Seconds to reach one address of a server, and again for the TLS handshake.

Our choice: RFC 8765 §6.1 leaves "a reasonable time" to the client; a lost SYN is repeated after 1, 3 and 7.
"""

CLOSE_TIMEOUT = 5.0
"""Seconds in which the server has to close its end. Our choice: as long as it gives us (RFC 8490 §6.6.1)."""

MAX_ADDRESSES = 8
"""Addresses of one server that are tried. Our choice: two families on four interfaces."""

Resolve = Callable[[str], Awaitable[Sequence[str]]]
"""Finds the addresses of a host name, the one to try first in front; fails with any exception."""


class NoConnection(McastError):
    """There is no connection to a server; the message says why, in one line."""


class Owner(Protocol):
    """Whoever reads from a stream."""

    def received(self, messages: list[bytes]) -> None:
        """Take the messages that came."""

    def lost(self, reason: str) -> None:
        """Take notice that the connection is closed, whoever did it; called once."""


@implementer(IHandshakeListener)
class PushStream(TwistedProtocol):
    """A connection on which messages travel, once the server has shown its certificate."""

    def __init__(self, reactor: Any, ready: Callable[[PushStream], None]) -> None:
        self.owner: Owner | None = None
        """Set by ``ready``; before the handshake there is none."""
        self.failure = "the server closed the connection"
        """Why it ended, as far as TLS knows."""
        self._clock: Final = clock_of(reactor)
        self._ready = ready
        self._unframer = Unframer()
        self._timer: IDelayedCall | None = None
        self._on_failure: Callable[[str], None] | None = None

    def expect(self, on_failure: Callable[[str], None]) -> None:
        """Wait for the handshake, and call this when it fails."""
        self._on_failure = on_failure
        self._timer = self._clock.callLater(CONNECT_TIMEOUT, self._give_up)

    def send(self, messages: list[bytes]) -> None:
        """Send messages, in one piece."""
        if messages and self.transport is not None:
            self.transport.write(b"".join(map(framed, messages)))

    def close(self) -> None:
        """Close it gracefully: close_notify and FIN (RFC 8490 §5.3); reset if the server does not follow."""
        if self.transport is not None and self._timer is None:
            self._timer = self._clock.callLater(CLOSE_TIMEOUT, self.abort)
            self.transport.loseConnection()

    def abort(self) -> None:
        """Reset it."""
        self._stop_timer()
        if self.transport is not None:
            self.transport.abortConnection()  # type: ignore[attr-defined]  # of ITCPTransport

    # What Twisted calls

    def handshakeCompleted(self) -> None:
        """The certificate is that of the server: begin."""
        self._stop_timer()
        self._on_failure = None
        self._ready(self)

    def dataReceived(self, data: bytes) -> None:
        """Hand on whole messages."""
        messages = self._unframer.feed(data)
        if messages and self.owner is not None:
            self.owner.received(messages)

    def connectionLost(self, reason: Failure | None = None) -> None:
        """Tell whoever waits."""
        self._stop_timer()
        self.transport = None
        text = self.failure if reason is None else _why(reason)
        on_failure, self._on_failure = self._on_failure, None
        owner, self.owner = self.owner, None
        if on_failure is not None:
            on_failure(text)
        elif owner is not None:
            owner.lost(text)

    def _give_up(self) -> None:
        self._timer = None
        on_failure, self._on_failure = self._on_failure, None
        self.abort()
        if on_failure is not None:
            on_failure("the TLS handshake took too long")

    def _stop_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()


class TLSConnector:
    """Opens connections to servers, and checks who answers.

    :param resolve: finds addresses of host names.
    :param authorities: a file of certificates, in PEM, of those who may vouch for a server; the system's
        authorities by default.
    :raises ValueError: the file cannot be read, or has no certificate. In one line.
    """

    def __init__(self, reactor: Any, resolve: Resolve, authorities: str | None = None) -> None:
        self._reactor: Final = reactor
        self._resolve: Final = resolve
        self._trust: Final = None if authorities is None else read_authorities(authorities)

    async def connect(
        self, host: str, port: int, ready: Callable[[PushStream], None], failed: Callable[[str], None]
    ) -> None:
        """Connect to a server: ``ready`` or ``failed`` is called once, ``ready`` after the handshake.

        :param host: the name that its certificate must have (RFC 8310 §8.1), also told by SNI.
        """
        try:
            stream = await self._open(host, port, ready)
        except Exception as error:
            failed(one_line(error))
            return
        stream.expect(failed)

    async def _open(self, host: str, port: int, ready: Callable[[PushStream], None]) -> PushStream:
        try:
            from twisted.internet.endpoints import wrapClientTLS
            from twisted.internet.ssl import optionsForClientTLS, platformTrust
        except ImportError:
            raise NoConnection("DNS Push needs TLS: install txmcast[tls]") from None
        trust = platformTrust() if self._trust is None else self._trust
        last: Exception = NoConnection(f"{host} has no address")
        for address in tuple(await self._resolve(host))[:MAX_ADDRESSES]:
            endpoint = (TCP6ClientEndpoint if ":" in address else TCP4ClientEndpoint)(
                self._reactor, address, port, timeout=CONNECT_TIMEOUT
            )
            options = optionsForClientTLS(host, trustRoot=trust)
            factory = Factory.forProtocol(lambda: PushStream(self._reactor, ready))
            factory.noisy = False
            try:
                stream: Any = await wrapClientTLS(options, endpoint).connect(factory)
            except Exception as error:
                last = error
                continue
            assert isinstance(stream, PushStream)
            return stream
        raise last


def read_authorities(path: str) -> Any:
    """Return the certificates of a file as what Twisted trusts.

    :raises ValueError: it cannot be read, or has no certificate. In one line.
    """
    try:
        from twisted.internet.ssl import Certificate, trustRootFromCertificates
    except ImportError:
        raise ValueError("certificates are read by txmcast[tls], which is not installed") from None
    end = "-----END CERTIFICATE-----"
    try:
        text = Path(path).read_text(encoding="ascii", errors="replace")
    except OSError as error:
        raise ValueError(f"certificates of authorities: {one_line(error)}") from None
    parts = [part[part.find("-----BEGIN") :] + end for part in text.split(end)[:-1]]
    try:
        certificates = [Certificate.loadPEM(part.encode("ascii", "replace")) for part in parts]
    except Exception:
        raise ValueError(f"{path}: a certificate in it cannot be read") from None
    if not certificates:
        raise ValueError(f"{path}: there is no certificate in PEM in it")
    return trustRootFromCertificates(certificates)


def _why(reason: Failure) -> str:
    """Return why a connection ended, in one line; OpenSSL's words where it was TLS."""
    error: Any = reason.value
    details = getattr(error, "args", ())
    first = details[0] if details else None
    if isinstance(first, list) and first and isinstance(first[0], tuple):
        # OpenSSL.SSL.Error holds a list of (library, function, reason).
        return f"TLS: {first[0][-1]}"
    return one_line(error)
