"""The echo responder as a service."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFDSet
from twisted.logger import Logger

from mcast.echo.claim import Claims
from mcast.echo.counters import Drop, EchoCounters
from mcast.echo.port import EchoPort
from mcast.echo.responder import EchoResponder
from mcast.sockets.group import Group
from mcast.sockets.listen import GroupListener
from mcast.sockets.options import PLATFORM

RECEIVE_BUFFER = 4 * 1024 * 1024
"""Octets of receive buffer asked for on each port; the system gives what it allows. Our choice: at 100,000
datagrams a second the usual 200 kB are full after 3 ms, less than a busy host may keep us waiting."""


class EchoListener(GroupListener):
    """A listener whose ports answer by themselves; see `EchoPort`."""

    protocol: EchoResponder

    def join(self, group: Group, interface: int, source: str | None = None) -> None:
        """Open the port of a group and interface and join there.

        :raises OSError: the system refuses.
        """
        key = (group, interface)
        if key not in self._ports:
            port = EchoPort(
                self.reactor,
                group,
                interface,
                sources=self.protocol.sources_on(interface),
                counters=self.protocol.echo_counters,
                reply=self.protocol.fixed_reply,
                **self.settings_of(group),
            )
            port.startListening()
            self._ports[key] = port
        super().join(group, interface, source)


class EchoService(Service):
    """Answers what is sent to groups, on each chosen interface, while it runs; see `EchoResponder`.

    :param reactor: anything that has `IReactorFDSet`, or `IReactorMulticast` where that is missing (IOCP).
    :param ttl: TTL or hop limit of the answers, 0-255, 0 meaning 1; None for the system's default.
    :param settings: as `EchoResponder` has them.
    :raises ValueError: as `EchoResponder` does.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        groups: Sequence[Group],
        *,
        ttl: int | None = None,
        **settings: Any,
    ) -> None:
        self.responder = EchoResponder(groups, **settings)
        self._reactor = reactor
        # The system sends no unicast with a TTL of 0.
        self._hop_limit = None if ttl is None else max(ttl, 1)
        self._listener: GroupListener | None = None
        self._claims = Claims()

    @property
    def counters(self) -> EchoCounters:
        """What was received, answered and dropped since the service was made."""
        total = EchoCounters()
        total.add(self.responder.echo_counters)
        if self._listener is not None:
            # The port drops these before the responder sees them.
            truncated = self._listener.counters["truncated"]
            total.received += truncated
            total.dropped[Drop.TRUNCATED] += truncated
        return total

    def log_counters(self) -> None:
        """Log the counts in one line."""
        self._log.info("{counters}", counters=str(self.counters))

    def startService(self) -> None:
        """Join the groups.

        :raises ValueError: an unknown interface or zone, one that is down, or none usable.
        :raises OSError: nothing could be joined, or the port is taken.
        """
        # An EchoPort has to be bound to its group, or it would answer answers.
        quick = PLATFORM.bind_group and IReactorFDSet.providedBy(self._reactor)
        listener = EchoListener if quick else GroupListener
        self._listener = listener(
            self._reactor,
            self.responder,
            apart=self._claims.take((group.port, group.ipv6) for group in self.responder.groups),
            unicast_hop_limit=self._hop_limit,
            receive_buffer=RECEIVE_BUFFER,
        )
        try:
            self._listener.startListening()
        except BaseException:
            self._claims.release()
            raise
        super().startService()

    def stopService(self) -> Deferred[None]:
        """Leave the groups and log the counts; fires when the ports are closed."""
        super().stopService()
        assert self._listener is not None
        self.log_counters()
        self._claims.release()
        return self._listener.stopListening()
