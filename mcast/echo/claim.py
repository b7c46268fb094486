"""Which echo responder of a host answers from the port of the group."""

from __future__ import annotations

import errno
import socket
import sys
from collections.abc import Iterable

from mcast.sockets.held import is_port_held

Place = tuple[int, bool]
"""A UDP port, and whether it is that of IPv6."""


class Claims:
    """The ports from which this responder may answer, since it was the first on this host to want them.

    Two responders that answered from the same address and port could not be told apart. Where only
    somebody else has the port, who listens to the group, answers keep coming from it: a firewall may expect
    that.
    """

    def __init__(self) -> None:
        self._held: dict[Place, socket.socket | None] = {}

    def take(self, places: Iterable[Place]) -> frozenset[Place]:
        """Claim ports until `release`, and return those that another responder has."""
        return frozenset(place for place in set(places) if not self._take(place))

    def release(self) -> None:
        """Give up what was claimed; may be called twice. The end of the process does it too."""
        held, self._held = self._held, {}
        for claim in held.values():
            if claim is not None:
                claim.close()

    def _take(self, place: Place) -> bool:
        port, ipv6 = place
        if sys.platform != "linux":
            try:
                return not is_port_held(port, ipv6=ipv6)
            except OSError:  # of a family that this host does not have; joining will say so
                return True
        # Linux has names in no file system, which end with their socket, in each network namespace.
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            claim.bind(f"\0mcast-echo-ipv{6 if ipv6 else 4}-{port}")
        except OSError as problem:
            claim.close()
            return problem.errno != errno.EADDRINUSE
        self._held[place] = claim
        return True
