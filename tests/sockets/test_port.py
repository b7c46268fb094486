"""`GroupPort` on loopback sockets and a fake reactor: its interfaces, bad input, and errors of the system."""

from __future__ import annotations

import errno
import re
import socket
from contextlib import AbstractContextManager, nullcontext
from typing import Any, cast

from twisted.internet.error import MessageLengthError, MulticastJoinError
from twisted.internet.interfaces import (
    IListeningPort,
    IMulticastTransport,
    IReadDescriptor,
    IUDPTransport,
)
from twisted.internet.protocol import DatagramProtocol
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from mcast.sockets.arrival import Arrival, Way
from mcast.sockets.group import Group
from mcast.sockets.interface import interfaces
from mcast.sockets.listen import GroupListener
from mcast.sockets.opening import PortSockets
from mcast.sockets.port import GroupPort
from mcast.sockets.protocol import GroupProtocol
from mcast.sockets.reading import MAX_READ_ERRORS, READ_PAUSE
from mcast.sockets.routes import MAX_ROUTES
from mcast.sockets.sending import SendResult
from mcast.sockets.settings import Binding, PortSettings
from tests.sockets.fakes import FailingSocket, FakeReactor, arriving


class Recorder(DatagramProtocol):
    noisy = False

    def __init__(self) -> None:
        self.data: list[bytes] = []
        self.refused = 0
        self.stopped = 0

    def datagram_arrived(self, data: bytes, address: tuple[Any, ...], arrival: Arrival) -> None:
        self.data.append(data)

    def connectionRefused(self) -> None:
        self.refused += 1

    def stopProtocol(self) -> None:
        self.stopped += 1


class FailingPort(GroupPort):
    """A port whose socket can be made to fail."""

    def _open_sockets(self) -> PortSockets:
        failing: Any = FailingSocket(super()._open_sockets().receiver)
        return PortSockets(failing, failing, 0)


class PortTestCase(SynchronousTestCase):
    """A port on loopback."""

    def setUp(self) -> None:
        self.reactor = FakeReactor()
        self.protocol: Any = Recorder()

    def open(
        self, protocol: DatagramProtocol | None = None, *, ipv6: bool = False, **settings: Any
    ) -> GroupPort:
        binding = Binding(0, ipv6, "::1" if ipv6 else "127.0.0.1")
        port = FailingPort(self.reactor, protocol or self.protocol, binding, PortSettings(**settings))
        port.startListening()
        self.addCleanup(port.connectionLost)
        return port

    def fail_next(self, port: GroupPort, method: str, *problems: OSError) -> None:
        """Let the next calls of this method of the port's socket fail."""
        handle = port.getHandle()
        assert isinstance(handle, FailingSocket)
        handle.fail_next(method, *problems)

    def arriving(self, port: GroupPort) -> AbstractContextManager[None]:
        """Send one datagram to a port in the body, which ends when it can be read."""
        handle: Any = port.getHandle()
        return arriving(handle)

    def send_to(self, port: GroupPort, data: bytes, *, is_connected: bool = False) -> None:
        """Send from another port; one that is connected does not hear it."""
        heard = nullcontext() if is_connected else self.arriving(port)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender, heard:
            sender.sendto(data, ("127.0.0.1", port.getHost().port))


class InterfaceTests(PortTestCase):
    """What Twisted may expect of it."""

    def test_listening_port(self) -> None:
        self.assertTrue(verifyObject(IListeningPort, self.open()))

    def test_multicast_transport(self) -> None:
        self.assertTrue(verifyObject(IMulticastTransport, self.open()))

    def test_udp_transport(self) -> None:
        self.assertTrue(verifyObject(IUDPTransport, self.open()))

    def test_read_descriptor(self) -> None:
        self.assertTrue(verifyObject(IReadDescriptor, self.open()))

    def test_transport_of_the_protocol(self) -> None:
        port = self.open()
        self.assertIs(self.protocol.transport, port)

    def test_stopping(self) -> None:
        """Stopping fires once the protocol has been told, however often it is asked for."""
        port = self.open()
        stopped = [port.stopListening(), port.stopListening()]
        self.assertNoResult(stopped[0])
        self.reactor.advance(0)
        stopped.append(port.stopListening())
        self.assertEqual([self.successResultOf(each) for each in stopped], [None, None, None])
        self.assertEqual((self.protocol.stopped, self.reactor.readers, port.fileno()), (1, [], -1))

    def test_connected(self) -> None:
        """Connected, a port writes without an address."""
        port, peer = self.open(DatagramProtocol()), self.open()
        port.connect("127.0.0.1", peer.getHost().port)
        with self.arriving(peer):
            port.write(b"hello")
        peer.doRead()
        self.assertEqual(self.protocol.data, [b"hello"])

    def test_ways(self) -> None:
        """A protocol says once for each kind of arrival where datagrams go, and may send answers itself."""
        heard: list[tuple[Any, ...]] = []
        asked: list[Arrival] = []

        class Guide(Recorder):
            def way_of(self, arrival: Arrival) -> Way:
                asked.append(arrival)
                return self.taken, len(asked), 7

            def taken(self, data: bytes, address: tuple[Any, ...], told: int) -> bytes:
                heard.append((data, told))
                return data.upper()

            def send_answer(self, data: bytes, address: tuple[Any, ...], interface: int) -> None:
                heard.append((data, interface))

        port = self.open(Guide(), hop_limits=False)
        for data in (b"one", b"two"):
            self.send_to(port, data)
            port.doRead()
        self.assertEqual(heard, [(b"one", 1), (b"ONE", 7), (b"two", 1), (b"TWO", 7)])
        port.forget_ways()
        self.send_to(port, b"three")
        port.doRead()
        self.assertEqual(heard[4:], [(b"three", 2), (b"THREE", 7)])
        self.assertEqual([(each.destination, each.hop_limit) for each in asked], [("127.0.0.1", None)] * 2)

    def test_ways_of_a_closed_port(self) -> None:
        port = self.open()
        port.connectionLost()
        port.forget_ways()

    def test_too_large_to_write(self) -> None:
        """As Twisted's own, write raises for it; send tells."""
        port = self.open()
        data, address = b"x" * 65508, ("127.0.0.1", port.getHost().port)
        self.assertRaises(MessageLengthError, port.write, data, address)
        self.assertIs(port.send(data, address), SendResult.TOO_LARGE)

    def test_outgoing_interface(self) -> None:
        """An IPv4 port tells an address, an IPv6 port an index."""
        ipv4, ipv6 = self.open(), self.open(DatagramProtocol(), ipv6=True)
        self.assertEqual((ipv4.getOutgoingInterface(), ipv6.getOutgoingInterface()), ("0.0.0.0", 0))
        for port in (ipv4, ipv6):
            self.assertEqual(self.successResultOf(port.setOutgoingInterface("lo")), 1)
        self.assertEqual((ipv4.getOutgoingInterface(), ipv6.getOutgoingInterface()), ("127.0.0.1", 1))

    def test_outgoing_interface_of_no_name(self) -> None:
        """Where the reactor looks up no names, a name that is no interface is told at once."""
        failure = self.failureResultOf(self.open().setOutgoingInterface("nosuch0"), ValueError)
        self.assertIn("interface nosuch0: no such interface", str(failure.value))

    def test_silent_for_a_silent_protocol(self) -> None:
        """What starts and ends is logged as Twisted does, unless the protocol is not noisy."""
        events: list[LogEvent] = []
        observer = cast(ILogObserver, events.append)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        for noisy in (False, True):
            protocol = Recorder()
            protocol.noisy = noisy
            port = self.open(protocol)
            number = port.getHost().port
            port.connectionLost()
        # Between them stands what the protocol says itself.
        texts = [formatEvent(event) for event in events if event.get("message")]
        self.assertEqual(texts[::2], [f"Recorder starting on {number}", f"(UDP Port {number} Closed)"])

    def test_parts_are_one_datagram(self) -> None:
        port = self.open()
        with self.arriving(port):
            port.writeSequence([b"a", b"b"], ("127.0.0.1", port.getHost().port))
        port.doRead()
        self.assertEqual(self.protocol.data, [b"ab"])

    def test_broadcast(self) -> None:
        port = self.open()
        port.setBroadcastAllowed(True)
        handle = port.getHandle()
        assert handle is not None
        self.assertTrue(port.getBroadcastAllowed())
        self.assertEqual(handle.getsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST), 1)

    def test_default_ttl(self) -> None:
        """G-1112-6.1-1: 1 on a port opened without an argument, and what was asked for otherwise."""
        ttls = []
        for port in (self.open(Recorder()), self.open(Recorder(), hop_limit=255)):
            handle = port.getHandle()
            assert handle is not None
            ttls.append(handle.getsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL))
        self.assertEqual(ttls, [1, 255])

    def test_ttl(self) -> None:
        port = self.open()
        port.setTTL(7)
        self.assertEqual(port.getTTL(), 7)


class BadInputTests(PortTestCase):
    """What a person or a program does wrong is one line that names the value and the cause."""

    def assert_refused(self, message: str, call: Any, *arguments: Any) -> None:
        with self.assertRaisesRegex(ValueError, message):
            call(*arguments)

    def test_port_out_of_range(self) -> None:
        self.assert_refused("port 65536: outside 0-65535", self.make_port, 65536)

    def make_port(self, port: int, **settings: Any) -> GroupPort:
        return GroupPort(self.reactor, self.protocol, Binding(port, False), PortSettings(**settings))

    def test_no_packet_at_all(self) -> None:
        with self.assertRaisesRegex(ValueError, "max_packet_size 0: below 1"):
            PortSettings(max_packet_size=0)

    def test_unknown_setting(self) -> None:
        """A wrong name is an error at once, and mypy sees it."""
        with self.assertRaisesRegex(TypeError, "hoplimit"):
            PortSettings(hoplimit=1)  # type: ignore[call-arg]

    def test_hop_limit_out_of_range(self) -> None:
        """G-3493-5.2-2: 256 is an error before a socket is opened."""
        with self.assertRaisesRegex(ValueError, "TTL 256: outside 0-255"):
            self.make_port(0, hop_limit=256)

    def test_ttl_out_of_range(self) -> None:
        self.assert_refused("TTL -1: outside 0-255", self.open().setTTL, -1)

    def test_join_unicast(self) -> None:
        """G-1112-7.1-1: joining what is no group is an error to the caller."""
        self.assert_refused("192.0.2.1: not a multicast address", self.open().join, "192.0.2.1", 1)

    def test_join_other_family(self) -> None:
        self.assert_refused("ff02::123: not an IPv4 group", self.open().join, "ff02::123", 1)

    def test_join_unknown_interface(self) -> None:
        self.assert_refused(
            "interface nosuch0: no such interface", self.open().join, "224.0.0.123", "nosuch0"
        )

    def test_join_unknown_zone(self) -> None:
        self.assert_refused("zone nosuch0: no such interface", self.open().join, "224.0.0.123%nosuch0")

    def test_join_source_of_other_family(self) -> None:
        self.assert_refused(
            "source 2001:db8::1: not of the family of group 232.1.2.3",
            self.open().join,
            "232.1.2.3",
            1,
            "2001:db8::1",
        )

    def test_join_scope_zero(self) -> None:
        """G-4291-2.7-2: joining ff00::1 is an error."""
        self.assert_refused("ff00::1: scope 0 is reserved", self.open(ipv6=True).join, "ff00::1", 1)

    def test_send_scope_zero(self) -> None:
        """G-4291-2.7-2: sending to ff00::1 is an error."""
        self.assert_refused(
            "ff00::1: scope 0 is reserved", self.open(ipv6=True).send, b"x", ("ff00::1", 9), 1
        )

    def test_send_to_a_name(self) -> None:
        self.assert_refused("printer.local: not an IP address", self.open().send, b"x", ("printer.local", 9))

    def test_send_to_other_family(self) -> None:
        self.assert_refused("::1: not an IPv4 address", self.open().send, b"x", ("::1", 9))

    def test_send_by_two_interfaces(self) -> None:
        """G-4007-6-1: the zone of an address and the interface have to agree."""
        port = self.open(ipv6=True)
        self.assert_refused(
            "is on interface 1, cannot be sent by interface 2", port.send, b"x", ("fe80::1", 9, 0, 1), 2
        )

    def test_write_to_nobody(self) -> None:
        self.assert_refused("not connected", self.open().write, b"x")

    def test_join_group_fails(self) -> None:
        """As Twisted's own, joinGroup tells by its Deferred."""
        self.failureResultOf(self.open().joinGroup("192.0.2.1"), MulticastJoinError)

    def test_leave_group_fails(self) -> None:
        """G-1112-7.1-1: leaving what was not joined is an error to the caller."""
        failure = self.failureResultOf(self.open().leaveGroup("224.0.0.123", 1), OSError)
        self.assertEqual(failure.value.errno, errno.EADDRNOTAVAIL)


class SystemErrorTests(PortTestCase):
    """What the system refuses while running is counted, and logged once for each interface and cause."""

    def setUp(self) -> None:
        super().setUp()
        self.warnings: list[LogEvent] = []
        observer = cast(ILogObserver, self.keep_warning)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)

    def keep_warning(self, event: LogEvent) -> None:
        if event.get("log_namespace", "").endswith(".FailingPort") and event["log_level"].name == "warn":
            self.warnings.append(event)

    def refuse(self, *numbers: int) -> GroupPort:
        """Send as often as there are errors, each time refused with the next."""
        port = self.open()
        self.fail_next(port, "sendto", *(OSError(number, errno.errorcode[number]) for number in numbers))
        self.results = [port.send(b"x", ("127.0.0.1", 9)) for _ in numbers]
        return port

    def test_refusals(self) -> None:
        numbers = [errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EPERM, errno.ENETDOWN]
        self.assertEqual(self.refuse(*numbers).counters["send_refused"], 4)
        self.assertEqual(
            [event["cause"] for event in self.warnings], [errno.errorcode[each] for each in numbers]
        )
        self.assertEqual({bool(each) for each in self.results}, {False})

    def test_causes(self) -> None:
        """The sender is told why."""
        self.refuse(errno.ENOBUFS, errno.EMSGSIZE, errno.ENETUNREACH, errno.EPERM)
        self.assertEqual(
            self.results,
            [SendResult.FULL, SendResult.TOO_LARGE, SendResult.UNREACHABLE, SendResult.REFUSED],
        )

    def test_full_buffer(self) -> None:
        """EAGAIN and ENOBUFS are counted apart: the sender may try again."""
        port = self.refuse(errno.EAGAIN, errno.ENOBUFS)
        self.assertEqual((port.counters["send_full"], port.counters["send_refused"]), (2, 0))
        self.assertEqual(self.results, [SendResult.FULL] * 2)

    def test_logged_once(self) -> None:
        self.refuse(*[errno.EPERM] * 50)
        self.assertEqual(len(self.warnings), 1)

    def test_log_names_family_cause_and_mend(self) -> None:
        self.refuse(errno.EPERM)
        self.assertEqual(
            re.sub(r"port \d+", "port 0", formatEvent(self.warnings[0])),
            "cannot send by IPv4 on port 0, interface any: EPERM; a firewall on this host refuses it "
            "(counted from now on)",
        )

    def test_what_is_usual_is_no_warning(self) -> None:
        """An address that is not checked yet, and IPv6 multicast on the loopback interface."""
        port = self.open()
        loopback = next(each.index for each in interfaces() if each.loopback)
        for number in (errno.EADDRNOTAVAIL, errno.ENETUNREACH):
            self.fail_next(port, "sendmsg", OSError(number, errno.errorcode[number]))
            self.assertFalse(port.send(b"x", ("127.0.0.1", 9), loopback))
        self.assertEqual(self.warnings, [])
        self.assertEqual(port.counters["send_refused"], 2)

    def test_write_raises_nothing(self) -> None:
        port = self.open()
        self.fail_next(port, "sendto", OSError(errno.ENOBUFS, "No buffer space available"))
        port.write(b"x", ("127.0.0.1", 9))
        self.assertEqual(port.counters["send_full"], 1)

    def test_works_again(self) -> None:
        port = self.refuse(errno.ENETDOWN)
        self.assertIs(port.send(b"x", ("127.0.0.1", port.getHost().port)), SendResult.SENT)

    def read_with(self, *problems: OSError, connected: bool = False) -> GroupPort:
        """Read once for each error, and once more what then comes."""
        port = self.open(arrivals=False)
        if connected:
            port.connect("127.0.0.1", port.getHost().port)
        self.fail_next(port, "recvfrom", *problems)
        self.send_to(port, b"after", is_connected=connected)
        for _ in problems:
            port.doRead()
        port.doRead()
        return port

    def test_read_error(self) -> None:
        """An unexpected error is counted, and the port goes on."""
        port = self.read_with(OSError(errno.ENETDOWN, "Network is down"), OSError(errno.EIO, "I/O error"))
        self.assertEqual((self.protocol.data, port.counters["read_errors"]), ([b"after"], 2))
        self.assertEqual(len(self.warnings), 2)

    def test_interrupted(self) -> None:
        self.assertEqual(self.read_with(InterruptedError(errno.EINTR, "")).counters["read_errors"], 0)

    def test_refused_peer(self) -> None:
        """ECONNREFUSED is news of an earlier datagram, and no error of reading."""
        port = self.read_with(
            ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"), connected=True
        )
        self.assertEqual((self.protocol.refused, port.counters["read_errors"]), (1, 0))

    def test_refused_by_somebody(self) -> None:
        """A port without a peer cannot say who refused, and says nothing."""
        port = self.read_with(ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"))
        self.assertEqual((self.protocol.refused, port.counters["read_errors"]), (0, 0))

    def test_too_long_on_windows(self) -> None:
        """Where the system fails for a datagram it had to cut, that is counted as one that was cut."""
        self.assertEqual(self.read_with(OSError(errno.EMSGSIZE, "")).counters["truncated"], 1)

    def test_broken_for_long(self) -> None:
        """After many errors in a row reading rests, so that the reactor is not kept busy, and goes on."""
        port = self.read_with(*(OSError(errno.EIO, "I/O error") for _ in range(MAX_READ_ERRORS - 1)))
        self.assertIn(port, self.reactor.readers)
        self.fail_next(port, "recvfrom", *(OSError(errno.EIO, "I/O error") for _ in range(MAX_READ_ERRORS)))
        for _ in range(MAX_READ_ERRORS):
            port.doRead()
        self.assertNotIn(port, self.reactor.readers)
        self.reactor.advance(READ_PAUSE)
        self.assertIn(port, self.reactor.readers)

    def test_closed_while_resting(self) -> None:
        port = self.open(arrivals=False)
        self.fail_next(port, "recvfrom", *(OSError(errno.EIO, "I/O error") for _ in range(MAX_READ_ERRORS)))
        for _ in range(MAX_READ_ERRORS):
            port.doRead()
        port.stopListening()
        self.reactor.advance(READ_PAUSE)
        self.assertEqual(self.reactor.readers, [])

    def test_remembered_destinations_are_bounded(self) -> None:
        """Answering ever new senders takes no more memory than `MAX_ROUTES` of them."""
        port = self.open()
        for number in range(2 * MAX_ROUTES):
            port.send(b"", (f"127.0.{number >> 8}.{number & 0xFF}", 9))
        self.assertLessEqual(len(port._routes), MAX_ROUTES)

    def test_taken(self) -> None:
        """A port taken by a socket that does not share is one line that names it."""
        holder = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(holder.close)
        holder.bind(("127.0.0.1", 0))
        taken = holder.getsockname()[1]
        port = GroupPort(self.reactor, self.protocol, Binding(taken, False, "127.0.0.1"))
        with self.assertRaisesRegex(OSError, f"UDP port {taken} on 127.0.0.1: already in use"):
            port.startListening()


class StartingTests(PortTestCase):
    """A protocol that refuses to start."""

    def test_socket_is_closed(self) -> None:
        """An unknown interface is an error of listening, and leaves no socket and no reader."""
        self.protocol = GroupProtocol([Group.parse("224.0.0.123:7645")], interfaces=["nosuch0"])
        port = GroupPort(self.reactor, self.protocol, Binding(0, False))
        with self.assertRaisesRegex(ValueError, "interface nosuch0: no such interface"):
            port.startListening()
        self.assertEqual((port.fileno(), self.reactor.readers, self.protocol.transport), (-1, [], None))

    def test_listener_is_closed(self) -> None:
        """The same for a listener, which may be started again with the same protocol."""
        protocol = GroupProtocol([Group.parse("224.0.0.123:7645")], interfaces=["nosuch0"])
        listener = GroupListener(self.reactor, protocol)
        self.assertRaises(ValueError, listener.startListening)
        self.assertRaises(ValueError, listener.startListening)
        self.assertEqual((listener.ports, self.reactor.readers), ((), []))


class ZoneTests(SynchronousTestCase):
    """Zones stay on this host."""

    def test_sent_host_has_none(self) -> None:
        """G-4007-6-1: what goes to the socket is the bare address; the zone is an interface index."""
        self.assertEqual(Group.parse("ff02::123%eth0", 7645).host, "ff02::123")
