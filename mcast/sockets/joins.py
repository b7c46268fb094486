"""The memberships of one port, on as many sockets as they need."""

from __future__ import annotations

import errno
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address

from mcast.sockets.arrival import Arrival
from mcast.sockets.errors import MembershipError
from mcast.sockets.group import Group, check_source, parse_address
from mcast.sockets.interface import Interface, interface_index, interface_name, zone_index
from mcast.sockets.options import Options
from mcast.sockets.routes import Routes

Address = IPv4Address | IPv6Address


FULL = (errno.ENOBUFS, errno.ENOMEM)
"""What a system says when a socket has no room for a membership."""


class Seat:
    """What one socket has joined.

    :param bound: the group that the socket is bound to, and the interface or 0; None for a socket that takes
        any.
    :param close: called when nothing is joined any more; None for a socket that stays.
    """

    def __init__(
        self,
        options: Options,
        bound: tuple[Address, int] | None = None,
        close: Callable[[], None] | None = None,
    ) -> None:
        self.options = options
        self.close = close
        self.joined: dict[tuple[Address, int], set[Address | None]] = {}
        """Group and interface index; the sources, None for any."""
        self._bound = bound

    def fits(self, group: Address, index: int) -> bool:
        """Tell whether the socket can receive this group there."""
        return self._bound is None or (group == self._bound[0] and self._bound[1] in (0, index))

    def join(self, group: Address, index: int, origin: Address | None) -> None:
        """Join, and remember it.

        :raises OSError: the system refused.
        """
        self.options.join(group, index, origin)
        self.joined.setdefault((group, index), set()).add(origin)

    def leave(self, group: Address, index: int, origin: Address | None) -> None:
        """Leave, and forget it.

        :raises OSError: the system refused.
        """
        sources = self.joined[group, index]
        sources.discard(origin)
        if not sources:
            del self.joined[group, index]
        try:
            self.options.leave(group, index, origin)
        except OSError as problem:
            # The interface went. Linux took the membership with it, or keeps an empty entry.
            if not sources and origin is not None and problem.errno == errno.ENODEV:
                self.options.leave(group, index)
            elif problem.errno not in (errno.ENODEV, errno.EADDRNOTAVAIL, errno.ENXIO):
                raise

    def covers(self, arrival: Arrival) -> bool:
        """Tell whether a datagram is unicast, or for a group that was joined where it arrived.

        Linux asks only whether an IPv6 group was joined, not where (inet6_mc_check), and hands over what
        came in on another link when another socket joined it there (RFC 1112 §7.2).
        """
        if arrival.destination is None or not arrival.interface:
            return True
        address, _ = parse_address(arrival.destination)
        if not address.is_multicast:
            return True
        return (address, arrival.interface) in self.joined or (address, 0) in self.joined


class Joins:
    """Joins and leaves groups on the sockets of one port, and knows what is joined.

    :param first: the seat of the port's own socket.
    :param further: opens a socket more, for a group on an interface, when the others have no room.
    :param routes: tells the link where none is named.
    """

    def __init__(
        self, first: Seat, further: Callable[[Group, int], Seat], routes: Routes, *, ipv6: bool
    ) -> None:
        self._seats = [first]
        self._further = further
        self._routes = routes
        self._ipv6 = ipv6

    @property
    def memberships(self) -> tuple[tuple[str, int, str | None], ...]:
        """What is joined: group, interface index, source or None."""
        return tuple(
            (str(group), index, None if source is None else str(source))
            for seat in self._seats
            for (group, index), sources in seat.joined.items()
            for source in sources
        )

    def join(self, group: Group, interface: Interface | int | str, source: str | None) -> None:
        """Join; see `GroupPort.join`.

        :raises ValueError: what was asked for makes no sense.
        :raises MembershipError: the system refused.
        """
        address, index, origin = self._checked(group, interface, source)
        holders = [seat for seat in self._seats if (address, index) in seat.joined]
        joined = {each for seat in holders for each in seat.joined[address, index]}
        if joined and (None in joined) is not (origin is None):
            # RFC 3678 §4.1.3 wants EINVAL; Linux silently turns "any source" into "this one".
            mode = "any source" if None in joined else "some sources"
            mixed = OSError(errno.EINVAL, f"already joined for {mode}")
            raise _membership_error("join", address, index, mixed)
        try:
            if origin in joined:
                # On another socket it would succeed, and each datagram come twice.
                for seat in holders:
                    if origin in seat.joined[address, index]:
                        seat.join(address, index, origin)
            else:
                self._take_seat(group, index, origin)
        except OSError as problem:
            raise _membership_error("join", address, index, problem) from None

    def _take_seat(self, group: Group, index: int, origin: Address | None) -> None:
        """Join by the first socket that has room, or by one more."""
        for seat in self._seats:
            if seat.fits(group.address, index):
                try:
                    seat.join(group.address, index, origin)
                    return
                except OSError as problem:
                    if problem.errno not in FULL or not seat.options.binds_groups:
                        raise
        seat = self._further(group, index)
        try:
            seat.join(group.address, index, origin)
        except OSError:
            if seat.close is not None:
                seat.close()
            raise
        self._seats.append(seat)

    def leave(self, group: Group, interface: Interface | int | str, source: str | None) -> None:
        """Undo one `join`.

        :raises ValueError: as `join` does.
        :raises MembershipError: it was not joined.
        """
        address, index, origin = self._checked(group, interface, source)
        for seat in self._seats:
            if origin in seat.joined.get((address, index), ()):
                break
        else:
            problem = OSError(errno.EADDRNOTAVAIL, "not joined")
            raise _membership_error("leave", address, index, problem)
        try:
            seat.leave(address, index, origin)
        except OSError as problem:
            raise _membership_error("leave", address, index, problem) from None
        finally:
            if not seat.joined and seat.close is not None:
                self._seats.remove(seat)
                seat.close()

    def _checked(
        self, group: Group, interface: Interface | int | str, source: str | None
    ) -> tuple[Address, int, Address | None]:
        if group.ipv6 is not self._ipv6:
            raise ValueError(f"{group.host}: not an IPv{6 if self._ipv6 else 4} group")
        index = interface_index(interface) or zone_index(group.zone)
        if not index and group.requires_interface:
            index = self._routes.link_of(group.address)
        return group.address, index, check_source(group, source)


def _membership_error(doing: str, group: Address, index: int, problem: OSError) -> MembershipError:
    where = interface_name(index)
    return MembershipError(problem.errno, f"cannot {doing} {group} on {where}: {problem.strerror}")
