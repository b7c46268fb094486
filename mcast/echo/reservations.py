"""Which echo responder of a host answers from the port of the group."""

from __future__ import annotations

import errno
import socket
import sys
from collections.abc import Iterable

from mcast.sockets.held import is_port_held

FamilyPort = tuple[int, bool]
"""A UDP port, and whether it is that of IPv6."""


class PortReservations:
    """The ports from which this responder may answer: those that no other responder of this host reserved.

    Two responders that answered from the same address and port could not be told apart. A program that is no
    echo responder may have the port too, to listen to the group. Answers then still come from the port, where
    a firewall may expect them from.
    """

    def __init__(self) -> None:
        self._held: dict[FamilyPort, socket.socket | None] = {}

    def reserve(self, ports: Iterable[FamilyPort]) -> frozenset[FamilyPort]:
        """Reserve ports until `release`, and return those that another responder has."""
        return frozenset(each for each in set(ports) if not self._reserve(each))

    def release(self) -> None:
        """Give up what was reserved; may be called twice. The end of the process does it too."""
        held, self._held = self._held, {}
        for reservation in held.values():
            if reservation is not None:
                reservation.close()

    def _reserve(self, wanted: FamilyPort) -> bool:
        port, ipv6 = wanted
        if sys.platform != "linux":
            try:
                return not is_port_held(port, ipv6=ipv6)
            except OSError:  # of a family that this host does not have; joining will say so
                return True
        # Linux has names in no file system, which end with their socket, in each network namespace.
        reservation = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            reservation.bind(f"\0mcast-echo-ipv{6 if ipv6 else 4}-{port}")
        except OSError as problem:
            reservation.close()
            return problem.errno != errno.EADDRINUSE
        self._held[wanted] = reservation
        return True
