"""`mcast.tap.resolver_socket`: requests of libnss-mdns, and who may send how many of them."""

from __future__ import annotations

import os
import socket
from tempfile import mkdtemp

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from mcast import Node
from mcast.dns.names import Name
from mcast.dns.records import pointer
from mcast.tap.resolver_socket import (
    IDLE_LIMIT,
    MAX_CONNECTIONS,
    MAX_LINE,
    MAX_USER_CONNECTIONS,
    Connection,
    Requests,
    ResolverSocket,
    remove_stale,
)
from mcast.testing import SimulatedLan


class RequestsTests(SynchronousTestCase):
    """One line asks, one line answers."""

    def setUp(self) -> None:
        self.lan = SimulatedLan(seed=1)
        self.nodes = {}
        for name in ("kitchen", "hall"):
            host = self.lan.host(name)
            self.nodes[name] = Node(self.lan.clock, network=host, hostname=name, rng=host.rng)
            self.nodes[name].startService()
        self.lan.advance(2)
        self.requests = Requests(self.nodes["hall"], {"eth0": 3}.__getitem__)

    def asked(self, line: bytes) -> str:
        """Return the answer to a request."""
        answer: str = self.lan.result(self.requests.answer(line))
        return answer

    def test_ipv4(self) -> None:
        """Index, family, name and address."""
        self.assertEqual(self.asked(b"RESOLVE-HOSTNAME-IPV4 kitchen.local"), "+ 3 0 kitchen.local 10.0.1.1")

    def test_ipv6(self) -> None:
        self.assertEqual(self.asked(b"RESOLVE-HOSTNAME-IPV6 kitchen.local"), "+ 3 1 kitchen.local fe80::1:1")

    def test_either_family_prefers_what_reaches_further(self) -> None:
        self.assertEqual(self.asked(b"RESOLVE-HOSTNAME kitchen.local"), "+ 3 0 kitchen.local 10.0.1.1")

    def test_name_as_it_was_asked_for(self) -> None:
        self.assertEqual(
            self.asked(b"RESOLVE-HOSTNAME-IPV4 KITCHEN.local.\r"), "+ 3 0 KITCHEN.local 10.0.1.1"
        )

    def test_own_name(self) -> None:
        self.assertEqual(self.asked(b"RESOLVE-HOSTNAME-IPV4 hall.local"), "+ 3 0 hall.local 10.0.1.2")

    def test_interface_that_is_gone(self) -> None:
        def index_of(name: str) -> int:
            raise OSError(19, "No such device")

        self.requests = Requests(self.nodes["hall"], index_of)
        self.assertEqual(self.asked(b"RESOLVE-HOSTNAME-IPV4 kitchen.local"), "+ 0 0 kitchen.local 10.0.1.1")

    def test_address(self) -> None:
        self.assertEqual(self.asked(b"RESOLVE-ADDRESS 10.0.1.1"), "+ 3 0 kitchen.local")
        self.assertEqual(self.asked(b"RESOLVE-ADDRESS fe80::1:1%eth0"), "+ 3 1 kitchen.local")

    def test_nobody(self) -> None:
        for line in (b"RESOLVE-HOSTNAME-IPV4 nobody.local", b"RESOLVE-ADDRESS 10.0.1.99"):
            self.assertEqual(self.asked(line), "-15 Timeout reached", line)

    def test_names_outside_of_local_are_refused(self) -> None:
        """The system's resolver may ask us: it must not be asked in turn."""
        for name in (b"example.com", b"local", b".", b"printer"):
            self.assertEqual(self.asked(b"RESOLVE-HOSTNAME-IPV4 " + name), "-3 Invalid host name", name)

    def test_what_is_no_name(self) -> None:
        for name in (b"a..local", b"x" * 64 + b".local", b"\xff.local"):
            self.assertEqual(self.asked(b"RESOLVE-HOSTNAME " + name), "-3 Invalid host name", name)

    def test_what_is_no_address(self) -> None:
        for text in (b"kitchen.local", b"10.0.1", b"\xff"):
            self.assertEqual(self.asked(b"RESOLVE-ADDRESS " + text), "-14 Invalid address", text)

    def test_other_commands(self) -> None:
        for line in (b"", b"HELP", b"RESOLVE-HOSTNAME", b"BROWSE-DNS-SERVERS", b"\0\0"):
            self.assertEqual(self.asked(line), "-21 Invalid operation", line)

    def test_pointer_out_of_local_is_no_name(self) -> None:
        """Anybody on the link may answer for a reverse name; what he can say stays within local."""
        self.lan.advance(1)
        self.nodes["kitchen"].publish(
            pointer(
                Name.parse("99.1.0.10.in-addr.arpa"), Name.parse("bank.example"), ttl=120, cache_flush=True
            )
        )
        self.lan.advance(2)
        self.assertEqual(self.asked(b"RESOLVE-ADDRESS 10.0.1.99"), "-15 Timeout reached")


class SlowNode:
    """Finds nothing until it is told."""

    def __init__(self) -> None:
        self.searches: list[Deferred[object]] = []
        self.cancelled = 0

    def resolve_host(self, *names: object, **options: object) -> Deferred[object]:
        search: Deferred[object] = Deferred(self._cancel)
        self.searches.append(search)
        return search

    query = resolve_host

    def _cancel(self, search: Deferred[object]) -> None:
        self.cancelled += 1


class Credentials:
    """A socket whose other end is a user."""

    def __init__(self, user: int) -> None:
        self._user = user

    def getsockopt(self, level: int, option: int, size: int) -> bytes:
        return (7).to_bytes(4, "little") + self._user.to_bytes(4, "little") + bytes(4)


class ConnectionTests(SynchronousTestCase):
    """Clients that are slow, many, or talk nonsense."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.node = SlowNode()
        self.owner = ResolverSocket(self.clock, "/nowhere", self.node)  # type: ignore[arg-type]

    def connect(self, user: int | None = None) -> tuple[Connection, StringTransport]:
        """Return a connection and what is at its other end."""
        connection, transport = Connection(self.owner), StringTransport()
        if user is not None:
            transport.socket = Credentials(user)  # type: ignore[attr-defined]
        connection.makeConnection(transport)
        return connection, transport

    def test_one_request_a_connection(self) -> None:
        connection, _ = self.connect()
        connection.dataReceived(b"RESOLVE-HOSTNAME a.local\nRESOLVE-HOSTNAME b.local\n")
        self.assertEqual(len(self.node.searches), 1)
        self.node.searches[0].callback(())
        self.assertEqual(self.owner.counters["requests"], 1)
        self.flushLoggedErrors()

    def test_who_hangs_up_searches_no_longer(self) -> None:
        connection, _ = self.connect()
        connection.dataReceived(b"RESOLVE-HOSTNAME a.local\n")
        connection.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(self.node.cancelled, 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_too_long(self) -> None:
        connection, transport = self.connect()
        connection.dataReceived(b"x" * (MAX_LINE + 2))
        self.assertEqual(transport.value(), b"-21 Invalid operation\n")
        self.assertTrue(transport.disconnecting)
        self.assertEqual(self.owner.counters["too_long"], 1)

    def test_says_nothing(self) -> None:
        _, transport = self.connect()
        self.clock.advance(IDLE_LIMIT)
        self.assertTrue(transport.disconnected)
        self.assertEqual(self.owner.counters["too_slow"], 1)

    def test_octet_by_octet(self) -> None:
        """The time is for the whole line."""
        connection, transport = self.connect()
        for _ in range(10):
            self.clock.advance(IDLE_LIMIT / 10)
            connection.dataReceived(b"x")
        self.assertTrue(transport.disconnected)

    def test_too_many(self) -> None:
        for _ in range(MAX_CONNECTIONS):
            self.connect()
        _, transport = self.connect()
        self.assertEqual(transport.value(), b"-16 Too many clients\n")
        self.assertEqual(self.owner.counters["refused"], 1)

    def test_one_user_does_not_take_them_all(self) -> None:
        for _ in range(MAX_USER_CONNECTIONS):
            self.connect(user=4321)
        _, refused = self.connect(user=4321)
        _, other = self.connect(user=4322)
        self.assertEqual(refused.value(), b"-16 Too many clients\n")
        self.assertEqual(other.value(), b"")

    def test_there_is_room_again(self) -> None:
        taken = [self.connect()[0] for _ in range(MAX_CONNECTIONS)]
        taken[0].connectionLost(Failure(ConnectionDone()))
        _, transport = self.connect()
        self.assertEqual(transport.value(), b"")

    def test_a_fault_of_ours_is_logged(self) -> None:
        connection, transport = self.connect()
        connection.dataReceived(b"RESOLVE-HOSTNAME a.local\n")
        self.node.searches[0].errback(RuntimeError("boom"))
        self.assertTrue(transport.disconnected)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)


class StaleTests(SynchronousTestCase):
    """What stands where the socket shall be."""

    def setUp(self) -> None:
        # The path of a socket has at most 107 octets, and those of trial are longer.
        folder = mkdtemp(prefix="mcast-")
        self.path = os.path.join(folder, "socket")
        self.addCleanup(os.rmdir, folder)

    def test_nothing(self) -> None:
        remove_stale(self.path)
        self.assertFalse(os.path.exists(self.path))

    def test_of_a_program_that_ended(self) -> None:
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(self.path)
        remove_stale(self.path)
        self.assertFalse(os.path.exists(self.path))

    def test_of_a_program_that_runs(self) -> None:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(self.path)
            self.addCleanup(os.unlink, self.path)
            listening.listen(1)
            error = self.assertRaises(OSError, remove_stale, self.path)
        self.assertEqual(
            str(error),
            f"--resolver-socket {self.path}: another program listens there, perhaps avahi-daemon",
        )

    def test_a_file(self) -> None:
        with open(self.path, "w", encoding="ascii") as file:
            file.write("precious")
        self.addCleanup(os.unlink, self.path)
        self.assertRaises(OSError, remove_stale, self.path)
        self.assertTrue(os.path.exists(self.path))
