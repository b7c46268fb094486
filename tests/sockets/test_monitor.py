"""`InterfaceMonitor` with a made-up host and a fake clock, and what it reads of netlink."""

from __future__ import annotations

import struct
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mcast.sockets.interface import Interface
from mcast.sockets.monitor import (
    AGAIN_LIMIT,
    MAX_LOSSES,
    POLL_INTERVAL,
    SETTLE_DELAY,
    SETTLE_LIMIT,
    InterfaceMonitor,
    Loss,
    read_losses,
)
from tests.sockets.test_interface import ETH0, ETH1, LO


class MonitorTests(SynchronousTestCase):
    """When what is told."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.found: tuple[Interface, ...] = (LO, ETH0)
        self.told: list[tuple[Interface, ...]] = []
        self.looks = 0
        self.problem: OSError | None = None
        """What enumerating raises."""
        self.fault: Exception | None = None
        """What the one who is told raises."""
        self.monitor = InterfaceMonitor(
            self.clock, self.tell, enumerate_interfaces=self.enumerate, use_netlink=False
        )

    def enumerate(self) -> tuple[Interface, ...]:
        self.looks += 1
        if self.problem is not None:
            raise self.problem
        return self.found

    def tell(self, interfaces: tuple[Interface, ...]) -> None:
        if self.fault is not None:
            raise self.fault
        self.told.append(interfaces)

    def start_with_bell(self) -> None:
        """Start without polling, as where a bell rings."""
        self.monitor.start()
        self.clock.getDelayedCalls()[0].cancel()
        self.monitor._timer = None

    def test_start(self) -> None:
        """What is there at the start is known, and not told as a change."""
        self.monitor.start()
        self.assertEqual((self.monitor.interfaces, self.told), ((LO, ETH0), []))

    def test_polling(self) -> None:
        self.monitor.start()
        self.found = (LO, ETH0, ETH1)
        self.clock.advance(POLL_INTERVAL)
        self.assertEqual(self.told, [(LO, ETH0, ETH1)])

    def test_polling_goes_on(self) -> None:
        self.monitor.start()
        self.clock.pump([POLL_INTERVAL] * 3)
        self.assertEqual((self.looks, self.told), (4, []))

    def test_stopped(self) -> None:
        """After stopping nothing is left on the reactor and nothing is told."""
        self.monitor.start()
        self.monitor.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_settles(self) -> None:
        """A ring is followed by a look after a moment of quiet, not at once."""
        self.start_with_bell()
        self.found = (LO, ETH0, ETH1)
        self.monitor.ring([])
        self.clock.advance(SETTLE_DELAY / 2)
        self.assertEqual(self.told, [])
        self.clock.advance(SETTLE_DELAY / 2)
        self.assertEqual(self.told, [(LO, ETH0, ETH1)])

    def test_rings_are_joined(self) -> None:
        """Ten rings in a row make one look."""
        self.start_with_bell()
        for _ in range(10):
            self.monitor.ring([])
            self.clock.advance(SETTLE_DELAY / 10)
        self.clock.advance(SETTLE_DELAY)
        self.assertEqual(self.looks, 2)

    def test_ringing_does_not_hold_it_off(self) -> None:
        """It looks after `SETTLE_LIMIT` though the bell never stops."""
        self.start_with_bell()
        self.found = (LO, ETH0, ETH1)
        steps = 20
        for _ in range(steps):
            self.monitor.ring([])
            self.clock.advance(SETTLE_LIMIT / steps)
        self.assertEqual(self.told, [(LO, ETH0, ETH1)])

    def test_lost_and_regained(self) -> None:
        """An address that was away for a moment is told as gone, and then as there."""
        self.start_with_bell()
        self.monitor.ring([Loss(ETH0.index, IPv4Address("192.0.2.1"))])
        self.clock.advance(SETTLE_DELAY)
        without = replace(ETH0, addresses=ETH0.addresses[1:])
        self.assertEqual(self.told, [(LO, without), (LO, ETH0)])

    def test_gone_and_come_back(self) -> None:
        """An interface deleted and made again under its index is told as gone, and then as there."""
        self.start_with_bell()
        self.monitor.ring([Loss(ETH0.index)])
        self.clock.advance(SETTLE_DELAY)
        self.assertEqual(self.told, [(LO,), (LO, ETH0)])

    def test_down_and_up(self) -> None:
        self.start_with_bell()
        self.monitor.ring([Loss(ETH0.index, down=True)])
        self.clock.advance(SETTLE_DELAY)
        self.assertEqual(self.told, [(LO, replace(ETH0, up=False, carrier=False)), (LO, ETH0)])

    def test_lost_for_good(self) -> None:
        """What stays lost is told once."""
        self.start_with_bell()
        self.found = (LO,)
        self.monitor.ring([Loss(ETH0.index)])
        self.clock.advance(SETTLE_DELAY)
        self.assertEqual(self.told, [(LO,)])

    def test_unknown_losses(self) -> None:
        """When the kernel had too much news, everything counts as lost once."""
        self.start_with_bell()
        self.monitor.ring(None)
        self.clock.advance(SETTLE_DELAY)
        self.assertEqual(self.told, [(), (LO, ETH0)])

    def test_losses_are_bounded(self) -> None:
        """More losses than we keep count as the loss of everything."""
        self.start_with_bell()
        self.monitor.ring(Loss(index) for index in range(100, 101 + MAX_LOSSES))
        self.clock.advance(SETTLE_DELAY)
        self.assertEqual(self.told, [(), (LO, ETH0)])

    def test_failing_enumeration(self) -> None:
        """A system that cannot tell for once is asked again, and nothing changes meanwhile."""
        self.monitor.start()
        self.problem = OSError(24, "Too many open files")
        self.clock.advance(POLL_INTERVAL)
        self.problem = None
        self.found = (LO,)
        self.clock.advance(POLL_INTERVAL)
        self.assertEqual(self.told, [(LO,)])

    def test_failing_for_long(self) -> None:
        """While no descriptor is free it is looked again and again, ever less often, with nothing ringing."""
        self.monitor.start()
        self.problem = OSError(24, "Too many open files")
        self.monitor.ring([])
        self.clock.pump([1.0] * 300)
        self.assertLess(self.looks, 20)
        self.problem = None
        self.found = (LO,)
        self.clock.pump([1.0] * int(AGAIN_LIMIT))
        self.assertEqual(self.told, [(LO,)])

    def test_failing_listener(self) -> None:
        """An exception of who is told is logged, and the watch goes on."""
        self.fault = ZeroDivisionError()
        self.monitor.start()
        self.found = (LO,)
        self.clock.advance(POLL_INTERVAL)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)


def message(kind: int, body: bytes) -> bytes:
    """Return a netlink message (<linux/netlink.h>: length, type, flags, sequence, port)."""
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 0, 0) + body


def link(kind: int, index: int, flags: int, family: int = 0) -> bytes:
    """Return RTM_NEWLINK (16) or RTM_DELLINK (17) with an ifinfomsg."""
    return message(kind, struct.pack("=BxHiII", family, 1, index, flags, 0))


def address(kind: int, index: int, attribute: int, packed: bytes) -> bytes:
    """Return RTM_NEWADDR (20) or RTM_DELADDR (21) with an ifaddrmsg and one attribute."""
    head = struct.pack("=BBBBI", 2 if len(packed) == 4 else 10, 24, 0, 0, index)
    return message(kind, head + struct.pack("=HH", 4 + len(packed), attribute) + packed)


class NetlinkTests(SynchronousTestCase):
    """`read_losses`, with messages as <linux/rtnetlink.h> has them."""

    def test_deleted_link(self) -> None:
        self.assertEqual(read_losses(link(17, 5, 0)), [Loss(5)])

    def test_link_that_left_a_bridge(self) -> None:
        """The news of a bridge port (AF_BRIDGE, 7) delete no interface."""
        self.assertEqual(read_losses(link(17, 5, 0x41, family=7)), [])

    def test_link_down(self) -> None:
        self.assertEqual(read_losses(link(16, 5, 0)), [Loss(5, down=True)])

    def test_link_without_carrier(self) -> None:
        """Up (1) and not running (0x40)."""
        self.assertEqual(read_losses(link(16, 5, 0x1)), [Loss(5, down=True)])

    def test_link_up(self) -> None:
        self.assertEqual(read_losses(link(16, 5, 0x41)), [])

    def test_deleted_ipv4_address(self) -> None:
        """IFA_LOCAL is 2."""
        packed = bytes((192, 0, 2, 1))
        self.assertEqual(read_losses(address(21, 5, 2, packed)), [Loss(5, IPv4Address("192.0.2.1"))])

    def test_deleted_ipv6_address(self) -> None:
        """IFA_ADDRESS is 1; IPv6 has only that."""
        packed = IPv6Address("2001:db8::1").packed
        self.assertEqual(read_losses(address(21, 5, 1, packed)), [Loss(5, IPv6Address("2001:db8::1"))])

    def test_new_address(self) -> None:
        self.assertEqual(read_losses(address(20, 5, 2, bytes((192, 0, 2, 1)))), [])

    def test_several_messages(self) -> None:
        self.assertEqual(read_losses(link(17, 5, 0) + link(17, 6, 0)), [Loss(5), Loss(6)])

    def test_cut_short(self) -> None:
        self.assertEqual(read_losses(link(17, 5, 0)[:20]), [])

    @settings(deadline=None)
    @given(st.binary(max_size=200))
    def test_any_octets(self, datagram: bytes) -> None:
        """Whatever the octets are, reading ends, and finds no more than there is room for."""
        self.assertLessEqual(len(read_losses(datagram)), len(datagram) // 16)
