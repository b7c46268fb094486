"""What stock Twisted gets wrong, shown on its port, and shown right on ours.

Each check is one promise; ``ours`` keeps it, and ``stock`` breaks it. When a ``stock`` test fails, Twisted
was mended, and DESIGN.md and this file may be shortened.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from ipaddress import IPv6Address
from typing import Any

from twisted.internet.protocol import DatagramProtocol

from mcast.sockets.listen import listen_multicast
from mcast.sockets.options import Options
from tests.network.lan import PATIENCE
from tests.network.reactors import PlainRecorder, ReactorLanTestCase, Recorder, group_sender

PORT = 7645
IPV4 = "224.0.0.123"
IPV6 = "ff02::123"

Listen = Callable[[DatagramProtocol, str], Any]
"""Opens UDP port 7645 for a protocol on a local address."""


class FaultySocket:
    """A socket whose next call of some methods fails."""

    def __init__(self, sock: socket.socket, problem: OSError, *methods: str) -> None:
        self._sock = sock
        self._problem: OSError | None = problem
        self._methods = methods

    def __getattr__(self, name: str) -> Any:
        if name in self._methods and self._problem is not None:
            return self._fail
        return getattr(self._sock, name)

    def _fail(self, *_: object) -> None:
        problem, self._problem = self._problem, None
        assert problem is not None
        raise problem


class StockDefectTests(ReactorLanTestCase):
    """The list of DESIGN.md, "sockets/ — the seed of the project"."""

    patience = PATIENCE
    """Seconds to wait for what was promised; few where the promise is broken."""

    def ours(self, protocol: DatagramProtocol, interface: str = "") -> Any:
        return self.close_later(listen_multicast(self.reactor, PORT, protocol, interface=interface))

    def stock(self, protocol: DatagramProtocol, interface: str = "") -> Any:
        return self.close_later(
            self.reactor.listenMulticast(PORT, protocol, interface=interface, listenMultiple=True)
        )

    def assert_broken(self, check: Callable[[Listen], None]) -> None:
        """The promise is broken by the stock port: by an exception or by a failed assertion."""
        self.patience = 0.3
        try:
            check(self.stock)
        except Exception:
            self.flushLoggedErrors()
        else:
            self.fail("the stock port keeps the promise")

    def send(self, data: bytes, group: str, interface: str) -> None:
        sender = group_sender(self.there, ":" in group, interface)
        scope = (0, self.there.index(interface)) if ":" in group else ()
        sender.sendto(data, (group, PORT, *scope))

    def soon(self, condition: Callable[[], object]) -> None:
        self.until(condition, "what was promised", self.patience)

    # IPv6 joins pack the interface as an address

    def check_join_by_name(self, listen: Listen) -> None:
        recorder = PlainRecorder()
        self.wait(listen(recorder, "::").joinGroup(IPV6, "eth1"))
        self.send(b"hello", IPV6, "eth1")
        self.soon(lambda: recorder.data == [b"hello"])

    def test_join_by_name_ours(self) -> None:
        self.check_join_by_name(self.ours)

    def test_join_by_name_stock(self) -> None:
        self.assert_broken(self.check_join_by_name)

    def check_join_by_index(self, listen: Listen) -> None:
        recorder = PlainRecorder()
        self.wait(listen(recorder, "::").joinGroup(IPV6, self.here.index("eth1")))
        self.send(b"hello", IPV6, "eth1")
        self.soon(lambda: recorder.data == [b"hello"])

    def test_join_by_index_ours(self) -> None:
        self.check_join_by_index(self.ours)

    def test_join_by_index_stock(self) -> None:
        self.assert_broken(self.check_join_by_index)

    # setTTL sets an IPv4 option on IPv6 ports

    def check_hop_limit(self, listen: Listen) -> None:
        port = listen(PlainRecorder(), "::")
        port.setTTL(7)
        handle = port.getHandle()
        self.assertEqual(handle.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS), 7)

    def test_hop_limit_ours(self) -> None:
        self.check_hop_limit(self.ours)

    def test_hop_limit_stock(self) -> None:
        self.assert_broken(self.check_hop_limit)

    # The scope of a written address is dropped

    def check_scoped_write(self, listen: Listen) -> None:
        peer = PlainRecorder()
        with self.there.inside():
            self.wait(self.ours(peer, "::").joinGroup(IPV6, "eth1"))
        listen(PlainRecorder(), "::").write(b"hello", (f"{IPV6}%eth1", PORT))
        self.soon(lambda: peer.data == [b"hello"])

    def test_scoped_write_ours(self) -> None:
        self.check_scoped_write(self.ours)

    def test_scoped_write_stock(self) -> None:
        self.assert_broken(self.check_scoped_write)

    # Binding a link-local address or group fails

    def check_bind_link_local(self, listen: Listen) -> None:
        port = listen(PlainRecorder(), f"{self.here.link_local(1)}%eth1")
        self.assertEqual(port.getHost().host.partition("%")[0], self.here.link_local(1))

    def test_bind_link_local_ours(self) -> None:
        self.check_bind_link_local(self.ours)

    def test_bind_link_local_stock(self) -> None:
        self.assert_broken(self.check_bind_link_local)

    def check_bind_group(self, listen: Listen) -> None:
        port = listen(PlainRecorder(), f"{IPV6}%eth1")
        self.assertEqual(port.getHost().host.partition("%")[0], IPV6)

    def test_bind_group_ours(self) -> None:
        self.check_bind_group(self.ours)

    def test_bind_group_stock(self) -> None:
        self.assert_broken(self.check_bind_group)

    # A received address loses its scope

    def check_answering(self, listen: Listen) -> None:
        """What was received can be answered: the address says on which link the sender is."""
        recorder = PlainRecorder()
        port = listen(recorder, "::")
        Options(port.getHandle(), ipv6=True).join(IPv6Address(IPV6), self.here.index("eth1"))
        peer = group_sender(self.there, True, "eth1")
        peer.sendto(b"hello", (IPV6, PORT, 0, self.there.index("eth1")))
        self.soon(lambda: recorder.data == [b"hello"])
        port.write(b"answer", recorder.addresses[0])
        peer.settimeout(self.patience)
        self.assertEqual(peer.recvfrom(100)[0], b"answer")

    def test_answering_ours(self) -> None:
        self.check_answering(self.ours)

    def test_answering_stock(self) -> None:
        self.assert_broken(self.check_answering)

    # An unexpected error of recvfrom closes the port

    def check_read_error(self, listen: Listen) -> None:
        recorder = PlainRecorder()
        port = listen(recorder, "")
        where = "socket" if hasattr(port, "socket") else "_socket"
        problem = OSError(errno.ENETDOWN, "Network is down")
        setattr(port, where, FaultySocket(port.getHandle(), problem, "recvfrom", "recvmsg"))
        self.there.udp_socket().sendto(b"hello", (self.here.ipv4(), PORT))
        self.soon(lambda: recorder.data == [b"hello"])

    def test_read_error_ours(self) -> None:
        self.check_read_error(self.ours)

    def test_read_error_stock(self) -> None:
        self.assert_broken(self.check_read_error)

    # write raises OSError, also for a full buffer

    def check_unreachable(self, listen: Listen) -> None:
        listen(PlainRecorder(), "").write(b"x", ("198.51.100.1", 9))

    def test_unreachable_ours(self) -> None:
        self.check_unreachable(self.ours)

    def test_unreachable_stock(self) -> None:
        self.assert_broken(self.check_unreachable)

    def check_full_buffer(self, listen: Listen) -> None:
        port = listen(PlainRecorder(), "")
        where = "socket" if hasattr(port, "socket") else "_socket"
        problem = BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
        setattr(port, where, FaultySocket(port.getHandle(), problem, "sendto"))
        port.write(b"x", (self.there.ipv4(), 9))

    def test_full_buffer_ours(self) -> None:
        self.check_full_buffer(self.ours)

    def test_full_buffer_stock(self) -> None:
        self.assert_broken(self.check_full_buffer)

    # A datagram over 8192 octets is cut without a word

    def check_long_datagram(self, listen: Listen) -> None:
        recorder = PlainRecorder()
        listen(recorder, "")
        self.there.udp_socket().sendto(b"x" * 9000, (self.here.ipv4(), PORT))
        self.soon(lambda: recorder.data == [b"x" * 9000])

    def test_long_datagram_ours(self) -> None:
        self.check_long_datagram(self.ours)

    def test_long_datagram_stock(self) -> None:
        self.assert_broken(self.check_long_datagram)

    # Nothing tells the arrival interface, the destination or the hop limit

    def check_arrival(self, listen: Listen) -> None:
        recorder = Recorder()
        self.wait(listen(recorder, "").joinGroup(IPV4, self.here.ipv4(1)))
        self.send(b"hello", IPV4, "eth1")
        self.soon(lambda: recorder.arrivals)
        self.assertEqual(recorder.arrivals[0], (self.here.index("eth1"), IPV4, 1))

    def test_arrival_ours(self) -> None:
        self.check_arrival(self.ours)

    def test_arrival_stock(self) -> None:
        self.assert_broken(self.check_arrival)


class AsyncioStockDefectTests(StockDefectTests):
    """The same on the asyncio reactor."""

    reactor_name = "asyncio"
