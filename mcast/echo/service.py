"""The echo responder as a service."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from mcast.echo.counters import Drop, EchoCounters
from mcast.echo.port import Answering, EchoPort
from mcast.echo.reservations import PortReservations
from mcast.echo.responder import DEFAULT_RULES, EchoResponder, EchoRules
from mcast.sockets.group import Group
from mcast.sockets.listen import GroupListener, reads_descriptors
from mcast.sockets.options import PLATFORM
from mcast.sockets.settings import PortSettings

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
            answering = Answering(
                self.protocol.tables.on(interface), self.protocol.echo_counters, self.protocol.rules.reply
            )
            port = EchoPort(self.reactor, group, interface, answering, self._settings_of(group))
            port.startListening()
            self._ports[key] = port
        super().join(group, interface, source)


class EchoService(Service):
    """Answers what is sent to groups, on each chosen interface, while it runs; see `EchoResponder`.

    :param reactor: anything that has `IReactorFDSet`, or `IReactorMulticast` where that is missing (IOCP).
    :param rules: what is answered, and how often.
    :param interfaces: names, indexes or addresses; none for each interface that is up and does multicast.
    :param sources: answer these senders only (RFC 4607).
    :param ttl: TTL or hop limit of the answers, 0-255, 0 meaning 1; None for the system's default.
    :raises ValueError: as `EchoResponder` does.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        groups: Sequence[Group],
        rules: EchoRules = DEFAULT_RULES,
        *,
        interfaces: Sequence[str] = (),
        sources: Sequence[str] = (),
        ttl: int | None = None,
    ) -> None:
        self.responder = EchoResponder(groups, rules, interfaces=interfaces, sources=sources)
        self._reactor = reactor
        self._settings = PortSettings(
            hop_limit=1 if ttl is None else ttl,
            # The system sends no unicast with a TTL of 0.
            unicast_hop_limit=None if ttl is None else max(ttl, 1),
            receive_buffer=RECEIVE_BUFFER,
        )
        self._listener: GroupListener | None = None
        self._reservations = PortReservations()

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
        able = reads_descriptors(self._reactor)
        # It looks at no payload, which answering the group takes.
        quick = able and PLATFORM.bind_group and not self.responder.rules.answer_group
        listener = EchoListener if quick else GroupListener
        wanted = [(group.port, group.ipv6) for group in self.responder.groups]
        self._listener = listener(
            self._reactor,
            self.responder,
            self._settings,
            # A stock port cannot answer from another port than its own.
            apart=self._reservations.reserve(wanted) if able else (),
        )
        try:
            self._listener.startListening()
        except BaseException:
            self._reservations.release()
            raise
        super().startService()

    def stopService(self) -> Deferred[None]:
        """Leave the groups and log the counts; fires when the ports are closed."""
        super().stopService()
        assert self._listener is not None
        self.log_counters()
        self._reservations.release()
        return self._listener.stopListening()
