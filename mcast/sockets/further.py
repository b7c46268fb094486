"""The further sockets of a port, for what its first one has no room to join."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import ILoggingContext, IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

from mcast.sockets.group import Group
from mcast.sockets.joins import Seat
from mcast.sockets.opening import PortSockets, open_further
from mcast.sockets.options import Options
from mcast.sockets.reading import Reader
from mcast.sockets.sending import FailureLog

if TYPE_CHECKING:
    from mcast.sockets.port import GroupPort


class FurtherSockets:
    """Opens a further socket when the port has no room for a membership, and knows which are open.

    Linux lets one socket join 20 groups and interfaces (igmp_max_memberships), and 10 sources of one group
    (igmp_max_msf). Only the system limits how many sockets there are: each has a membership that the program
    asked for.

    :param sockets: the first ones of the port.
    """

    def __init__(self, port: GroupPort, sockets: PortSockets, failures: FailureLog) -> None:
        self._port = port
        self._first = sockets
        self._failures = failures
        self._open: list[FurtherSocket] = []

    def open(self, group: Group, interface: int) -> Seat:
        """Open a socket that can join this group, and others there is room for; return its seat.

        :raises ListenError: the system has none left, and the like.
        """
        self._open = [each for each in self._open if each.fileno() >= 0]
        number = self._first.receiver.getsockname()[1]
        # Linux ties a socket that is bound to a group of one link to that link.
        tied = interface if group.ipv6 and group.requires_interface else 0
        bound = Group(group.address, number, str(tied) if tied else "")
        binding = replace(self._port.binding, port=number, address="", group=bound)
        receivers = [self._first.receiver, *(each.sockets.receiver for each in self._open)]
        receiver, pinned = open_further(binding, self._port.settings, receivers)
        sockets = PortSockets(receiver, self._first.sender, pinned)
        further = FurtherSocket(self._port, sockets, (group.address, tied), self._failures)
        self._open.append(further)
        return further.seat

    def forget(self) -> None:
        """Judge every kind of arrival anew, since the memberships have changed."""
        for each in self._open:
            each.reader.forget()

    def stop(self) -> None:
        """Deliver nothing more."""
        for each in self._open:
            each.reader.stopped = True
            self._port.reactor.removeReader(each)

    def close(self) -> None:
        """Close all of them."""
        for each in self._open:
            each.close()
        self._open.clear()


@implementer(IReadDescriptor, ILoggingContext)
class FurtherSocket:
    """One more receiving socket of a port, bound to one group; it hands what arrives to the port's protocol.

    Bound to a group it receives nothing else: unicast and broadcast are left to the port's first socket.

    :param sockets: the new receiver, beside the port's own sender.
    :param bound: the group, and the index of the interface that the socket is tied to; 0 for none.
    """

    def __init__(
        self,
        port: GroupPort,
        sockets: PortSockets,
        bound: tuple[IPv4Address | IPv6Address, int],
        failures: FailureLog,
    ) -> None:
        self.sockets = sockets
        self.seat = Seat(Options(sockets.receiver, ipv6=port.ipv6), bound, self.close)
        self.reader = Reader(port, sockets, self.seat, failures, self)
        self._port = port
        if port.ipv6:
            # Linux asks only whether a group was joined, not where, and hands over what is another socket's.
            self.reader.ask()
        port.reactor.addReader(self)

    def fileno(self) -> int:
        """Return the descriptor, -1 when closed."""
        return self.sockets.receiver.fileno()

    def doRead(self) -> None:
        """Deliver what has arrived."""
        if not self.reader.stopped:
            self.reader.read()

    def logPrefix(self) -> str:
        return self._port.logPrefix()

    def connectionLost(self, reason: Failure) -> None:
        """Close the socket, or read its error: called by the reactor, when it shuts down or has seen one."""
        if not self.reader.stopped and reason is not None and reason.check(ConnectionDone):
            self.reader.take_errors()
        else:
            self.close()

    def close(self) -> None:
        """Close the socket; may be called twice."""
        self.reader.stopped = True
        self._port.reactor.removeReader(self)
        self.sockets.receiver.close()
