"""What became of a datagram that was given to a port."""

from __future__ import annotations

import errno
from collections import Counter
from enum import Enum

from twisted.logger import Logger, LogLevel

from mcast.sockets.interface import find_interface, interface_name, interfaces

MAX_CAUSES = 1024
"""Causes of failure remembered, so that each is logged once. Our choice: far more than a host has interfaces
and kinds of errors; the table is emptied when it is full."""


class SendResult(Enum):
    """Whether a datagram was sent, and why it was not. Only `SENT` is true."""

    SENT = "sent"
    """The system took it."""
    FULL = "full"
    """The send buffer or the queue of the interface is full; a moment later there may be room."""
    TOO_LARGE = "too large"
    """It is larger than UDP, or the interface, carries."""
    UNREACHABLE = "unreachable"
    """There is no way to the destination: no route, no such interface, no address to send from."""
    REFUSED = "refused"
    """The system refused it for another reason, such as a firewall."""
    CLOSED = "closed"
    """No port of this family is open."""

    def __bool__(self) -> bool:
        return self is SendResult.SENT


_RESULTS = {
    errno.EAGAIN: SendResult.FULL,
    errno.EWOULDBLOCK: SendResult.FULL,
    errno.ENOBUFS: SendResult.FULL,
    errno.EMSGSIZE: SendResult.TOO_LARGE,
    errno.ENETUNREACH: SendResult.UNREACHABLE,
    errno.EHOSTUNREACH: SendResult.UNREACHABLE,
    errno.ENETDOWN: SendResult.UNREACHABLE,
    errno.EADDRNOTAVAIL: SendResult.UNREACHABLE,
    errno.ENODEV: SendResult.UNREACHABLE,
    errno.ENXIO: SendResult.UNREACHABLE,
}


def send_result(problem: OSError) -> SendResult:
    """Return what an error of sendto or sendmsg means."""
    return SendResult.REFUSED if problem.errno is None else _RESULTS.get(problem.errno, SendResult.REFUSED)


_MENDS = {
    errno.ENETUNREACH: "no route leads there by this interface: choose another one, or add a route",
    errno.EHOSTUNREACH: "no route leads there by this interface: choose another one, or add a route",
    errno.EPERM: "a firewall on this host refuses it",
    errno.EACCES: "the system does not let this program send there",
    errno.ENOBUFS: "the queue of the interface is full: send more slowly",
    errno.EMSGSIZE: "send less in one datagram",
    errno.ENETDOWN: "the interface is down",
}
"""What a person can do about a cause, beside what the system calls it."""


class FailureLog:
    """Counts what the system refused to a port, and logs each cause once.

    :param counters: ``send_full`` and ``send_refused`` are counted here.
    :param log: the port's own.
    """

    def __init__(self, counters: Counter[str], log: Logger, *, ipv6: bool) -> None:
        self.port = 0
        """The port's own number, as it is logged."""
        self._family = "IPv6" if ipv6 else "IPv4"
        self._counters = counters
        self._log = log
        self._logged: set[tuple[int, int | None, str]] = set()

    def send_failed(self, problem: OSError, interface: int) -> SendResult:
        """Count and log a datagram that was not sent, and return what became of it.

        :param interface: index of the interface it should have left by; 0 for any.
        """
        result = send_result(problem)
        self._counters["send_full" if result is SendResult.FULL else "send_refused"] += 1
        self.note(problem, "send", interface)
        return result

    def note(self, problem: OSError, doing: str, interface: int) -> None:
        """Log a failure, unless the same one was logged before.

        :param doing: what failed, "send" or "receive".
        """
        key = (interface, problem.errno, doing)
        if key in self._logged:
            return
        if len(self._logged) >= MAX_CAUSES:
            self._logged.clear()
        self._logged.add(key)
        mend = _MENDS.get(problem.errno or 0)
        # Nobody has to do anything about what is usual.
        self._log.emit(
            LogLevel.info if _is_usual(problem, interface) else LogLevel.warn,
            "cannot {doing} by {family} on port {port}, interface {interface}: {cause}{mend}"
            " (counted from now on)",
            doing=doing,
            family=self._family,
            port=self.port,
            interface=interface_name(interface),
            cause=problem.strerror,
            mend="" if mend is None else f"; {mend}",
        )


def _is_usual(problem: OSError, interface: int) -> bool:
    if problem.errno == errno.EADDRNOTAVAIL:
        # The interface has just come up, and its addresses are not checked yet (RFC 4862 §5.4).
        return True
    if problem.errno != errno.ENETUNREACH or not interface:
        return False
    # Linux routes no IPv6 multicast to the loopback interface unless told to; IPv4 serves there.
    found = find_interface(str(interface), interfaces())
    return found is not None and found.loopback
