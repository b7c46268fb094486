"""A `GroupProtocol` is told the same on the ports of this host and on those of `mcast.testing`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from mcast.neighbours import SocketAddress
from mcast.sockets.arrival import Arrival
from mcast.sockets.group import Group
from mcast.sockets.interface import Interface
from mcast.sockets.listen import listen_group, listen_multicast
from mcast.sockets.protocol import GroupProtocol
from mcast.testing.lan import SimulatedLan
from tests.network.reactors import ReactorLanTestCase

PORT = 7645
OTHER = Group.parse("239.7.7.7", PORT)

Event = tuple[Any, ...]


class Diary(GroupProtocol):
    """Writes down each call, and answers what says so."""

    def __init__(self, name: str, group: Group, **settings: Any) -> None:
        super().__init__([group], interfaces=["eth0"], **settings)
        self.name = name
        self.events: list[Event] = []

    def startProtocol(self) -> None:
        self.events.append(("start",))
        super().startProtocol()

    def stopProtocol(self) -> None:
        self.events.append(("stop",))
        super().stopProtocol()

    def group_joined(self, group: Group, interface: Interface) -> None:
        self.events.append(("joined", str(group), interface.name))

    def group_left(self, group: Group, interface: Interface) -> None:
        self.events.append(("left", str(group), interface.name))

    def group_refused(self, group: Group, interface: Interface, problem: OSError) -> None:
        self.events.append(("refused", str(group), interface.name, problem.errno))

    def datagram_arrived(self, data: bytes, address: SocketAddress, arrival: Arrival) -> bytes | None:
        scope = 0 if len(address) < 4 else address[3] == arrival.interface
        self.events.append(
            ("data", data, address[0], address[1], scope, arrival.destination, arrival.hop_limit)
        )
        if data == b"return":
            return b"returned"
        if data == b"reply":
            self.events.append(("replied", self.reply(b"an answer", address, arrival)))
        return None

    def connectionRefused(self) -> None:
        self.events.append(("connection refused",))

    def attempt(self, call: Callable[[], object]) -> None:
        """Write down what a call returns or raises."""
        try:
            self.events.append(("result", call()))
        except (OSError, ValueError) as problem:
            self.events.append(("raised", type(problem).__name__, str(problem)))


def play(
    diaries: tuple[Diary, Diary],
    group: Group,
    host: str,
    steps: Sequence[Callable[[], object]],
    settle: Callable[[int], None],
) -> list[list[Event]]:
    """Do everything that a protocol can do, and return what each of two wrote down.

    :param host: an address of the second one.
    :param steps: what takes the first one's interface away, and what closes its port.
    :param settle: lets happen what comes of each attempt, which has a number.
    """
    first = diaries[0]
    attempts: list[Callable[[], object]] = [
        lambda: first.send_to_group(b"to the group", group),
        lambda: first.send_to_group(b"return", group),
        lambda: first.send_to_group(b"reply", group),
        lambda: first.send(b"unicast", (host, PORT)),
        lambda: first.send(b"return", (host, PORT)),
        lambda: first.send(b"reply", (host, PORT)),
        lambda: first.send(b"x" * 70000, (host, PORT)),
        lambda: first.send_to_group(b"nowhere", OTHER),
        steps[0],
        lambda: first.send_to_group(b"gone", group),
        steps[1],
        lambda: first.send_to_group(b"closed", group),
        lambda: first.send(b"closed", (host, PORT)),
    ]
    story: list[list[Event]] = []
    for number, attempt in enumerate(attempts):
        first.attempt(attempt)
        settle(number)
        for diary in diaries:
            # Two sockets of a host are read in whatever order.
            story.append(sorted(diary.events, key=repr))
            diary.events.clear()
    return story


class AgreementTests(ReactorLanTestCase):
    """One protocol, both kinds of port, both families: on real ports and on simulated ones."""

    links = 1
    ipv6: ClassVar[bool] = False

    def group(self) -> Group:
        return Group.parse("ff02::123" if self.ipv6 else "224.0.0.123", PORT)

    def address(self) -> str:
        return self.there.ipv6() if self.ipv6 else self.there.ipv4()

    def real(self, expected: list[list[Event]], listen: Callable[[Diary], Any]) -> list[list[Event]]:
        """Play on real ports.

        :param expected: what is waited for after each attempt; what comes beyond it has a moment to come.
        """
        group = self.group()
        diaries = (Diary("first", group), Diary("second", group))
        port = self.close_later(listen(diaries[0]))
        with self.there.inside():
            self.close_later(listen(diaries[1]))

        def unplug() -> None:
            self.addCleanup(self.lan.plug, self.here, 0)
            self.lan.unplug(self.here, 0)
            self.until(lambda: any(event[0] == "left" for event in diaries[0].events), "the group to be left")

        def stop() -> None:
            self.wait(port.stopListening())

        def settle(number: int) -> None:
            wanted = expected[2 * number : 2 * number + 2]
            with contextlib.suppress(AssertionError):  # the story will tell what is missing
                self.until(
                    lambda: all(
                        len(diary.events) >= len(events)
                        for diary, events in zip(diaries, wanted, strict=True)
                    ),
                    "as many events",
                )
            self.turn(0.05)

        return play(diaries, group, self.address(), [unplug, stop], settle)

    def simulated(self, listen: Callable[[Any, Diary], Any]) -> list[list[Event]]:
        lan = SimulatedLan()
        group = self.group()
        hosts = []
        for real in (self.here, self.there):
            host = lan.host(f"host{real.number}")
            for interface in host.interfaces():
                host.interface(interface.name).remove()
            host.connect(
                lan.link("one"),
                f"{real.ipv4()}/24",
                f"{real.ipv6()}/64",
                f"{real.link_local()}/64",
                name="eth0",
            )
            hosts.append(host)
        diaries = tuple(Diary(host.name, group, enumerate_interfaces=host.interfaces) for host in hosts)
        ports = [listen(host, diary) for host, diary in zip(hosts, diaries, strict=True)]

        def stop() -> None:
            ports[0].stopListening()
            lan.advance(1)

        steps = [hosts[0].interface("eth0").remove, stop]
        return play((diaries[0], diaries[1]), group, self.address(), steps, lambda _: lan.advance(3))

    def test_port_of_groups(self) -> None:
        """What `listen_group` opens."""
        expected = self.simulated(lambda host, diary: host.listen_group(diary))
        self.assertEqual(expected, self.real(expected, lambda diary: listen_group(self.reactor, diary)))

    def test_single_port(self) -> None:
        """What `listen_multicast` opens."""
        bind = "::" if self.ipv6 else ""
        expected = self.simulated(
            lambda host, diary: host.listenMulticast(PORT, diary, bind, listenMultiple=True)
        )
        self.assertEqual(
            expected,
            self.real(expected, lambda diary: listen_multicast(self.reactor, PORT, diary, interface=bind)),
        )

    def test_unicast_comes_to_both_kinds(self) -> None:
        """And so does an answer, whichever kind asked."""
        expected = self.simulated(lambda host, diary: host.listen_group(diary))
        story = self.real(expected, lambda diary: listen_group(self.reactor, diary))
        heard = {event[1] for events in story for event in events if event[0] == "data"}
        self.assertEqual(heard, {b"to the group", b"unicast", b"return", b"returned", b"reply", b"an answer"})


class IPv6AgreementTests(AgreementTests):
    """The same for IPv6."""

    ipv6 = True


class LinkLocalAgreementTests(IPv6AgreementTests):
    """Unicast to an address of the link."""

    def address(self) -> str:
        return f"{self.there.link_local()}%eth0"
