"""The line protocol of avahi-daemon's socket, so that the C library resolves ``.local`` by libnss-mdns.

A client connects to a Unix socket, sends one line and reads one::

    RESOLVE-HOSTNAME-IPV4 printer.local        + 2 0 printer.local 192.0.2.7
    RESOLVE-ADDRESS 192.0.2.7                  + 2 0 printer.local
    RESOLVE-HOSTNAME-IPV6 nobody.local         -15 Timeout reached

The numbers of a good answer are the index of the interface and the family, 0 for IPv4 and 1 for IPv6; that of
a bad one is an error of Avahi's.
"""

from __future__ import annotations

import os
import socket
import stat
import struct
import sys
from collections import Counter
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any, Protocol

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.internet.interfaces import IDelayedCall, IListeningPort
from twisted.internet.protocol import Factory, connectionDone
from twisted.logger import Logger
from twisted.protocols.basic import LineOnlyReceiver
from twisted.python.failure import Failure

from mcast.clock import clock_of
from mcast.dns.codes import RecordType
from mcast.dns.names import LOCAL, Name
from mcast.dnssd.collecting import Answer
from mcast.dnssd.found import FoundAddress
from mcast.dnssd.publishing import reverse_name
from mcast.errors import NotFound

MODE = 0o666
"""Who may connect: everybody, as every program on the machine resolves names."""

MAX_LINE = 1100
"""Octets of a request. Our choice: the longest command and a name of 255 octets, each of them escaped."""

MAX_CONNECTIONS = 256
"""Our choice: look-ups of all programs at once; each keeps a descriptor for the seconds it takes."""

MAX_USER_CONNECTIONS = 64
"""Of one user. Our choice: no user but the owner of this program can take them all. Linux only."""

IDLE_LIMIT = 5.0
"""Seconds in which a client must have sent its line, and again read its answer. Our choice: a C library
sends at once."""

INVALID_NAME = (-3, "Invalid host name")
INVALID_ADDRESS = (-14, "Invalid address")
TIMED_OUT = (-15, "Timeout reached")
TOO_MANY = (-16, "Too many clients")
INVALID_OPERATION = (-21, "Invalid operation")
"""Errors, by the numbers and words of Avahi."""

_FAMILIES = {
    b"RESOLVE-HOSTNAME": (True, True),
    b"RESOLVE-HOSTNAME-IPV4": (True, False),
    b"RESOLVE-HOSTNAME-IPV6": (False, True),
}


class Lookups(Protocol):
    """What is needed of a `mcast.node.node.Node`."""

    def resolve_host(self, host: Name, *, ipv4: bool, ipv6: bool) -> Deferred[tuple[FoundAddress, ...]]:
        """Find out the addresses of a host."""

    def query(self, name: Name, type: int, *, outside_local: bool) -> Deferred[list[Answer]]:
        """Gather the records that answer a question."""


class Refused(Exception):
    """A request that gets an error; its arguments are number and words."""


class Requests:
    """Answers one line after the other by a node.

    :param index_of: returns the index of an interface by its name, or raises `OSError`.
    """

    def __init__(self, lookups: Lookups, index_of: Callable[[str], int] = socket.if_nametoindex) -> None:
        self._lookups = lookups
        self._index_of = index_of

    def answer(self, line: bytes) -> Deferred[str]:
        """Fire with the line that answers a request, without its end; cancelling ends the search."""
        asked: Deferred[str] = maybeDeferred(self._look_up, line)
        return asked.addErrback(_error_line)

    def _look_up(self, line: bytes) -> Deferred[str]:
        command, _, argument = line.strip().partition(b" ")
        argument = argument.strip()
        if command == b"RESOLVE-ADDRESS":
            return self._name_of(argument)
        if command not in _FAMILIES or not argument:
            raise Refused(*INVALID_OPERATION)
        return self._addresses_of(argument, *_FAMILIES[command])

    def _addresses_of(self, argument: bytes, ipv4: bool, ipv6: bool) -> Deferred[str]:
        try:
            name = Name.parse(argument.decode())
        except ValueError:
            raise Refused(*INVALID_NAME) from None
        if len(name.labels) < 2 or not name.is_within(LOCAL):
            # The node would have the system look up any other name, which may ask us.
            raise Refused(*INVALID_NAME)
        found = self._lookups.resolve_host(name, ipv4=ipv4, ipv6=ipv6)

        def line(addresses: tuple[FoundAddress, ...]) -> str:
            best = min(addresses, key=lambda each: (each.address.is_link_local, each.address.version))
            text = str(best.address).partition("%")[0]
            return f"{self._head(best.interface, best.address.version)} {_shown(name)} {text}"

        return found.addCallback(line)

    def _name_of(self, argument: bytes) -> Deferred[str]:
        try:
            address = ip_address(argument.decode("ascii").partition("%")[0])
        except ValueError:
            raise Refused(*INVALID_ADDRESS) from None
        # Most reverse names lie outside of local.; only an answer that names a host inside counts.
        heard = self._lookups.query(reverse_name(address), RecordType.PTR, outside_local=True)

        def line(answers: list[Answer]) -> str:
            for answer in answers:
                host = answer.record.data
                if isinstance(host, Name) and host.is_within(LOCAL):
                    return f"{self._head(answer.interface, address.version)} {_shown(host)}"
            raise Refused(*TIMED_OUT)

        return heard.addCallback(line)

    def _head(self, interface: str, version: int) -> str:
        try:
            index = self._index_of(interface)
        except OSError:
            index = 0  # gone by now; an address of global scope does not need it
        return f"+ {index} {0 if version == 4 else 1}"


def _error_line(failure: Failure) -> str:
    failure.trap(Refused, NotFound, CancelledError)
    number, words = failure.value.args if isinstance(failure.value, Refused) else TIMED_OUT
    return f"{number} {words}"


def _shown(name: Name) -> str:
    """Return a name as one word of printable ASCII, without the final dot."""
    shown = str(name).removesuffix(".")
    return "".join(each if "!" <= each <= "~" else _escaped(each) for each in shown)


def _escaped(character: str) -> str:
    return "".join(f"\\{octet:03}" for octet in character.encode("utf-8", "surrogateescape"))


class Connection(LineOnlyReceiver):
    """A client, which asks once."""

    transport: Any

    delimiter = b"\n"
    MAX_LENGTH = MAX_LINE

    def __init__(self, owner: ResolverSocket) -> None:
        self._owner = owner
        self._search: Deferred[Any] | None = None
        self._timer: IDelayedCall | None = None
        self.user: int | None = None

    def connectionMade(self) -> None:
        """Wait for the request, unless there are too many."""
        self.user = _user_of(self.transport)
        self._limit_time()
        if not self._owner.admit(self):
            self._finish("{} {}".format(*TOO_MANY))

    def lineReceived(self, line: bytes) -> None:
        """Search for what the first line asks for."""
        if self._search is not None or self.transport.disconnecting:
            return
        self._stop_timer()
        self._owner.counters["requests"] += 1
        self._search = self._owner.requests.answer(line)
        self._search.addCallbacks(self._finish, self._fail)

    def lineLengthExceeded(self, line: bytes) -> None:
        """Refuse what cannot be a request."""
        self._owner.counters["too_long"] += 1
        self._finish("{} {}".format(*INVALID_OPERATION))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Search no longer: nobody is there to hear."""
        if self._search is not None:
            self._search.cancel()
        self._stop_timer()
        self._owner.forget(self)

    def end(self) -> None:
        """Close the connection at once."""
        self.transport.abortConnection()

    def _finish(self, answer: str) -> None:
        if answer.startswith("-"):
            self._owner.counters["errors"] += 1
        self._limit_time()
        self.transport.write(answer.encode("ascii") + b"\n")
        self.transport.loseConnection()

    def _fail(self, failure: Failure) -> None:
        self._owner.log_fault(failure)
        self.end()

    def _limit_time(self) -> None:
        self._stop_timer()
        self._timer = self._owner.clock.callLater(IDLE_LIMIT, self._too_late)

    def _too_late(self) -> None:
        self._timer = None
        self._owner.counters["too_slow"] += 1
        self.end()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _own_user() -> int | None:
    if sys.platform == "win32":
        return None
    return os.geteuid()


def _user_of(transport: Any) -> int | None:
    """Return who is at the other end, where the system tells."""
    if sys.platform != "linux":
        return None
    try:
        data = transport.socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    except (AttributeError, OSError):
        return None
    user: int = struct.unpack("iii", data)[1]
    return user


class ResolverSocket(Service):
    """Listens on a Unix socket for programs that look up names in ``.local``.

    :param path: where; libnss-mdns looks at ``/run/avahi-daemon/socket``. What a program that has ended left
        there is replaced.
    """

    _log = Logger()

    def __init__(self, reactor: Any, path: str, lookups: Lookups) -> None:
        self._reactor = reactor
        self.clock: Any = clock_of(reactor)
        self._path = path
        self.requests = Requests(lookups)
        self.counters: Counter[str] = Counter()
        self._connections: set[Connection] = set()
        self._port: IListeningPort | None = None

    def startService(self) -> None:
        """Listen.

        :raises OSError: another program listens there, or it is no socket.
        :raises CannotListenError: the system refuses.
        """
        remove_stale(self._path)
        self._port = self._reactor.listenUNIX(self._path, _Connections(self), mode=MODE)
        super().startService()

    def stopService(self) -> Any:
        """Remove the socket and end every connection; a Deferred fires when the socket is gone."""
        super().stopService()
        port, self._port = self._port, None
        for connection in tuple(self._connections):
            connection.end()
        return None if port is None else port.stopListening()

    def admit(self, connection: Connection) -> bool:
        """Take a connection in, unless there are too many, of this user or at all."""
        of_user = sum(each.user == connection.user for each in self._connections)
        is_foreign = connection.user not in (None, 0, _own_user())
        if len(self._connections) >= MAX_CONNECTIONS or (is_foreign and of_user >= MAX_USER_CONNECTIONS):
            self.counters["refused"] += 1
            return False
        self._connections.add(connection)
        return True

    def forget(self, connection: Connection) -> None:
        """Take note that a connection has ended."""
        self._connections.discard(connection)

    def log_counters(self) -> None:
        """Log what was counted."""
        counters = {"connections": len(self._connections), **self.counters}
        self._log.info("resolver socket: {counters}", counters=counters)

    def log_fault(self, failure: Failure) -> None:
        """Log a fault of ours."""
        self._log.failure("a look-up failed", failure)


class _Connections(Factory):  # generic in the newest Twisted alone
    noisy = False

    def __init__(self, owner: ResolverSocket) -> None:
        self._owner = owner

    def buildProtocol(self, address: object) -> Connection:
        return Connection(self._owner)


def remove_stale(path: str) -> None:
    """Remove the socket that a program left which no longer listens.

    :raises OSError: it is something else, or a program listens there; the message says which.
    """
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise FileExistsError(f"--resolver-socket {path}: there is a file that is no socket")
    if sys.platform == "win32":
        raise FileExistsError(f"--resolver-socket {path}: it is there already")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except BlockingIOError:
            pass  # its queue is full: somebody listens
    raise FileExistsError(f"--resolver-socket {path}: another program listens there, perhaps avahi-daemon")
