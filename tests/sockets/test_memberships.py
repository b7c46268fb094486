"""`Memberships` with made-up interfaces, a made-up transport and a fake clock."""

from __future__ import annotations

import errno
from dataclasses import replace

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mcast.sockets.group import Group
from mcast.sockets.interface import Interface
from mcast.sockets.membership import RETRY_DELAY, RETRY_DELAY_LIMIT, Memberships, Subscription, sources_of
from mcast.sockets.monitor import POLL_INTERVAL
from mcast.sockets.sending import SendResult
from tests.sockets.test_interface import ETH0, ETH1, LO

IPV4 = Group.parse("224.0.0.123:7645")
IPV6 = Group.parse("[ff02::123]:7645")
SPECIFIC = Group.parse("232.1.2.3:7645")


class FakeTransport:
    """Joins whatever it is told, but for what is in ``refusals``."""

    def __init__(self) -> None:
        self.joined: list[tuple[str, int, str | None]] = []
        self.refusals: dict[int, OSError] = {}
        self.attempts = 0

    def join(self, group: Group, interface: int, source: str | None = None) -> None:
        self.attempts += 1
        if interface in self.refusals:
            raise self.refusals[interface]
        self.joined.append((group.host, interface, source))

    def leave(self, group: Group, interface: int, source: str | None = None) -> None:
        if (group.host, interface, source) not in self.joined:
            raise OSError(errno.EADDRNOTAVAIL, "not joined")
        self.joined.remove((group.host, interface, source))

    def send(self, data: bytes, address: tuple[object, ...], interface: int = 0) -> SendResult:
        raise NotImplementedError


class Observer:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []

    def group_joined(self, group: Group, interface: Interface) -> None:
        self.events.append(("joined", interface.name))

    def group_left(self, group: Group, interface: Interface) -> None:
        self.events.append(("left", interface.name))

    def group_refused(self, group: Group, interface: Interface, problem: OSError) -> None:
        self.events.append(("refused", interface.name))

    def interface_awaited(self, cause: str) -> None:
        self.events.append(("awaited", cause))


class MembershipsTests(SynchronousTestCase):
    """What is joined, and who is told."""

    waits = False

    def setUp(self) -> None:
        self.clock = Clock()
        self.transport = FakeTransport()
        self.observer = Observer()
        self.found: tuple[Interface, ...] = (LO, ETH0, ETH1)

    def make(
        self, *groups: Group, interfaces: tuple[str, ...] = (), sources: tuple[str, ...] = ()
    ) -> Memberships:
        return Memberships(
            self.clock,
            self.transport,
            self.observer,
            Subscription(groups or (IPV4,), interfaces, sources, self.waits),
            enumerate_interfaces=lambda: self.found,
            use_netlink=False,
        )

    def start(self, *groups: Group, **settings: tuple[str, ...]) -> Memberships:
        memberships = self.make(*groups, **settings)
        memberships.start()
        return memberships

    def change(self, *found: Interface) -> None:
        """Let these be the interfaces, and have them seen."""
        self.found = found
        self.clock.advance(POLL_INTERVAL)

    def test_each_interface(self) -> None:
        self.start()
        self.assertEqual(self.transport.joined, [(IPV4.host, 2, None), (IPV4.host, 3, None)])
        self.assertEqual(self.observer.events, [("joined", "eth0"), ("joined", "eth1")])

    def test_where_joined(self) -> None:
        memberships = self.start(IPV4, IPV6)
        self.assertEqual(memberships.interfaces_of(IPV6), (ETH0, ETH1))

    def test_each_source(self) -> None:
        """G-4607-4.1-1: a membership for each source of the family."""
        self.start(SPECIFIC, interfaces=("eth0",), sources=("192.0.2.7", "192.0.2.8"))
        self.assertEqual(
            self.transport.joined, [(SPECIFIC.host, 2, "192.0.2.7"), (SPECIFIC.host, 2, "192.0.2.8")]
        )

    def test_refused_source(self) -> None:
        """M-B-1: what is refused on one interface does not stop the others."""
        self.transport.refusals[2] = OSError(errno.ENOBUFS, "No buffer space available")
        self.start(SPECIFIC, sources=("192.0.2.7",))
        self.assertEqual(self.transport.joined, [(SPECIFIC.host, 3, "192.0.2.7")])
        self.assertEqual(self.observer.events, [("joined", "eth1"), ("refused", "eth0")])

    def test_refusal_is_told_once(self) -> None:
        """The same cause is told once, however often it is tried."""
        self.transport.refusals[2] = OSError(errno.ENOBUFS, "No buffer space available")
        self.start()
        self.clock.pump([0.5] * 20)
        self.assertEqual(self.observer.events.count(("refused", "eth0")), 1)

    def test_another_cause_is_told(self) -> None:
        self.transport.refusals[2] = OSError(errno.ENOBUFS, "No buffer space available")
        self.start()
        self.transport.refusals[2] = OSError(errno.EPERM, "Operation not permitted")
        self.clock.advance(RETRY_DELAY)
        self.assertEqual(self.observer.events.count(("refused", "eth0")), 2)

    def test_tried_again(self) -> None:
        self.transport.refusals[2] = OSError(errno.ENOBUFS, "No buffer space available")
        self.start()
        self.transport.refusals.clear()
        self.clock.advance(RETRY_DELAY)
        self.assertIn(("joined", "eth0"), self.observer.events)

    def test_tried_ever_more_seldom(self) -> None:
        """The delay doubles up to its limit: an hour sees some sixty attempts, not thousands."""
        self.transport.refusals[2] = OSError(errno.ENOBUFS, "No buffer space available")
        self.start()
        before = self.transport.attempts
        self.clock.pump([1.0] * 3600)
        self.assertLessEqual(self.transport.attempts - before, 3600 / RETRY_DELAY_LIMIT + 6)

    def test_gone(self) -> None:
        self.start()
        self.change(LO, ETH0)
        self.assertEqual(self.transport.joined, [(IPV4.host, 2, None)])
        self.assertEqual(self.observer.events[-1], ("left", "eth1"))

    def test_new(self) -> None:
        self.found = (LO, ETH0)
        self.start()
        self.change(LO, ETH0, ETH1)
        self.assertEqual(self.observer.events, [("joined", "eth0"), ("joined", "eth1")])

    def test_down(self) -> None:
        self.start()
        self.change(LO, ETH0, replace(ETH1, up=False))
        self.assertEqual(self.observer.events[-1], ("left", "eth1"))

    def test_without_address(self) -> None:
        """An interface without an address of the family is told as refused, and not tried in vain."""
        self.found = (LO, ETH0, replace(ETH1, addresses=()))
        self.start()
        self.assertEqual(self.observer.events, [("joined", "eth0"), ("refused", "eth1")])
        self.assertEqual(self.transport.attempts, 1)

    def test_address_comes(self) -> None:
        self.found = (LO, ETH0, replace(ETH1, addresses=()))
        self.start()
        self.change(LO, ETH0, ETH1)
        self.assertEqual(self.observer.events[-1], ("joined", "eth1"))

    def test_other_address(self) -> None:
        """A change of one address among several leaves the membership alone, and the new state is known."""
        memberships = self.start(interfaces=("eth0",))
        fewer = replace(ETH0, addresses=ETH0.addresses[:2])
        self.change(LO, fewer)
        self.assertEqual((self.observer.events, memberships.joined), ([("joined", "eth0")], ((IPV4, fewer),)))

    def test_stopped(self) -> None:
        """Stopping leaves everything and leaves nothing on the reactor."""
        self.start().stop()
        self.assertEqual((self.transport.joined, self.clock.getDelayedCalls()), ([], []))

    def test_nothing_joined(self) -> None:
        """When all is refused, the start fails with the first cause, and nothing is left behind."""
        for index in (2, 3):
            self.transport.refusals[index] = OSError(errno.ENODEV, f"cause {index}")
        with self.assertRaisesRegex(OSError, "cause 2"):
            self.start()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        # The exception tells it; a line for each interface besides would be the same again.
        self.assertEqual(self.observer.events, [])

    def test_port_taken(self) -> None:
        """A port that is taken is the end even when another interface was had."""
        self.transport.refusals[3] = OSError(errno.EADDRINUSE, "taken")
        with self.assertRaisesRegex(OSError, "taken"):
            self.start()
        self.assertEqual(self.transport.joined, [])

    def test_unknown_interface_beside_a_zone(self) -> None:
        """A group with a zone needs no other interface, but a wrong name is a mistake all the same."""
        with self.assertRaisesRegex(ValueError, "interface eth9: no such interface"):
            self.start(IPV6.with_zone("eth0"), interfaces=("eth9",))

    def test_unknown_interface(self) -> None:
        with self.assertRaisesRegex(ValueError, "interface eth9: no such interface"):
            self.start(interfaces=("eth9",))
        self.assertEqual(self.clock.getDelayedCalls(), [])


class SourceTests(SynchronousTestCase):
    """`sources_of`."""

    def test_any(self) -> None:
        self.assertEqual(sources_of([IPV4], []), {IPV4: (None,)})

    def test_by_family(self) -> None:
        expected = {IPV4: ("192.0.2.7",), IPV6: ("2001:db8::7",)}
        self.assertEqual(sources_of([IPV4, IPV6], ["192.0.2.7", "2001:db8::7"]), expected)

    def test_none_for_source_specific(self) -> None:
        """G-4604-2.2-1: a source-specific group needs a source."""
        with self.assertRaisesRegex(ValueError, "232.1.2.3: a source-specific group needs a source"):
            sources_of([SPECIFIC], [])

    def test_other_family(self) -> None:
        with self.assertRaisesRegex(ValueError, "source 2001:db8::7: not of the family of group 224.0.0.123"):
            sources_of([IPV4], ["2001:db8::7"])

    def test_of_no_group(self) -> None:
        with self.assertRaisesRegex(ValueError, "source 2001:db8::7: not of the family of any group"):
            sources_of([IPV4], ["192.0.2.7", "2001:db8::7"])

    def test_no_address(self) -> None:
        with self.assertRaisesRegex(ValueError, "printer: not an IP address"):
            sources_of([IPV4], ["printer"])

    def test_multicast(self) -> None:
        with self.assertRaisesRegex(ValueError, "source 224.0.0.1: not an address that a host can have"):
            sources_of([IPV4], ["224.0.0.1"])


class WaitingTests(MembershipsTests):
    """A subscription that waits starts with what there is, and says what it waits for."""

    waits = True

    def test_port_not_permitted(self) -> None:
        """A port that the user may not have is the end even for one who waits: waiting mends nothing."""
        for index in (2, 3):
            self.transport.refusals[index] = OSError(errno.EACCES, "Permission denied")
        with self.assertRaisesRegex(OSError, "Permission denied"):
            self.start()
        self.assertEqual(self.observer.events, [])

    def test_nothing_joined(self) -> None:
        """What is refused at the start is tried again, as later."""
        self.transport.refusals.update({index: OSError(errno.ENODEV, "gone") for index in (2, 3)})
        self.start()
        self.assertEqual(self.observer.events, [("refused", "eth0"), ("refused", "eth1")])
        self.transport.refusals.clear()
        self.clock.advance(RETRY_DELAY)
        self.assertEqual(len(self.transport.joined), 2)

    def test_unknown_interface(self) -> None:
        self.start(interfaces=("eth9",))
        cause = "interface eth9: no such interface, index or address on this host"
        self.assertEqual(self.observer.events, [("awaited", cause)])
        self.change(LO, ETH0, replace(ETH1, name="eth9"))
        self.assertEqual(self.observer.events[1:], [("joined", "eth9")])

    def test_unknown_interface_beside_a_zone(self) -> None:
        self.start(IPV6.with_zone("eth0"), interfaces=("eth9",))
        self.assertEqual([kind for kind, _ in self.observer.events], ["joined", "awaited"])

    def test_unknown_zone(self) -> None:
        self.start(IPV6.with_zone("eth9"))
        self.assertEqual([kind for kind, _ in self.observer.events], ["awaited"])

    def test_no_interface_at_all(self) -> None:
        """Each cause is told when it comes, and not again while it lasts."""
        self.found = ()
        self.start()
        told = [("awaited", "no usable interface: none is up and capable of multicast")]
        self.assertEqual(self.observer.events, told)
        self.change(replace(ETH0, up=False))
        self.assertEqual(self.observer.events, told)
        self.change(ETH0)
        self.change()
        self.assertEqual(self.observer.events, [*told, ("joined", "eth0"), ("left", "eth0"), *told])
