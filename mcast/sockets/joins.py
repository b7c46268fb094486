"""The memberships of one socket."""

from __future__ import annotations

import errno
from ipaddress import IPv4Address, IPv6Address

from mcast.sockets.arrival import Arrival
from mcast.sockets.errors import MembershipError
from mcast.sockets.group import Group, check_source, parse_address
from mcast.sockets.interface import Interface, interface_index, interface_name, zone_index
from mcast.sockets.options import Options
from mcast.sockets.routes import Routes

Address = IPv4Address | IPv6Address


class Joins:
    """Joins and leaves groups on one socket, and knows what is joined.

    :param routes: tells the link where none is named.
    """

    def __init__(self, options: Options, routes: Routes, *, ipv6: bool) -> None:
        self._options = options
        self._routes = routes
        self._ipv6 = ipv6
        self._joined: dict[tuple[Address, int], set[Address | None]] = {}

    @property
    def memberships(self) -> tuple[tuple[str, int, str | None], ...]:
        """What is joined: group, interface index, source or None."""
        return tuple(
            (str(group), index, None if source is None else str(source))
            for (group, index), sources in self._joined.items()
            for source in sources
        )

    def join(self, group: Group, interface: Interface | int | str, source: str | None) -> None:
        """Join; see `GroupPort.join`.

        :raises ValueError: what was asked for makes no sense.
        :raises MembershipError: the system refused.
        """
        address, index, origin = self._checked(group, interface, source)
        sources = self._joined.get((address, index))
        if sources and (None in sources) is not (origin is None):
            # RFC 3678 §4.1.3 wants EINVAL; Linux silently turns "any source" into "this one".
            mode = "any source" if None in sources else "some sources"
            mixed = OSError(errno.EINVAL, f"already joined for {mode}")
            raise _membership_error("join", address, index, mixed)
        try:
            self._options.join(address, index, origin)
        except OSError as problem:
            raise _membership_error("join", address, index, problem) from None
        self._joined.setdefault((address, index), set()).add(origin)

    def leave(self, group: Group, interface: Interface | int | str, source: str | None) -> None:
        """Undo one `join`.

        :raises ValueError: as `join` does.
        :raises MembershipError: it was not joined.
        """
        address, index, origin = self._checked(group, interface, source)
        sources = self._joined.get((address, index), set())
        if origin not in sources:
            problem = OSError(errno.EADDRNOTAVAIL, "not joined")
            raise _membership_error("leave", address, index, problem)
        sources.discard(origin)
        if not sources:
            del self._joined[address, index]
        try:
            self._options.leave(address, index, origin)
        except OSError as problem:
            # The interface went. Linux took the membership with it, or keeps an empty entry.
            if not sources and origin is not None and problem.errno == errno.ENODEV:
                self._options.leave(address, index)
            elif problem.errno not in (errno.ENODEV, errno.EADDRNOTAVAIL, errno.ENXIO):
                raise _membership_error("leave", address, index, problem) from None

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
        return (address, arrival.interface) in self._joined or (address, 0) in self._joined

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
