"""A node with many services: what it does for each of them does not grow with their number."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from ipaddress import ip_address
from types import FrameType

from mcast.dns.names import Name
from mcast.dns.records import service
from mcast.dnssd.hosts import Host
from mcast.dnssd.service import Service
from mcast.node.link_driver import LinkChange
from mcast.node.node import Node
from mcast.node.registrations import Registration
from tests.node.node_lab import SETTLED, WEB, NodeTestCase, drivers

FEW, MANY = 60, 240

GROWTH = 1.3
"""How much more work than in proportion passes for the same: tables grow in steps. Quadratic would be 4."""


def work(call: Callable[[], object]) -> int:
    """Return how many functions are called while ``call`` runs: a time that no load can change."""
    count = 0

    def note(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += 1

    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(None)
    return count


class ManyTests(NodeTestCase):
    """Each test does a thing for few and for many."""

    def published(self, number: int, kind: type[Service] | type[Host] = Service) -> list[Registration]:
        """Return that many services or hosts of a node of its own."""
        node = self.settled(f"node{number}")
        if kind is Host:
            addresses = [str(ip_address("10.9.0.0") + each) for each in range(number)]
            return [node.publish(Host("host-" + each.replace(".", "-"), [each])) for each in addresses]
        return self.services(node, number)

    def services(self, node: Node, number: int) -> list[Registration]:
        return [node.publish(Service(f"S{each} of {number}", WEB, 80)) for each in range(number)]

    def assert_linear(self, few: int, many: int) -> None:
        self.assertLess(many / MANY, GROWTH * few / FEW)

    def withdrawing(self, number: int, kind: type[Service] | type[Host], age: float) -> int:
        registrations = self.published(number, kind)
        self.lan.advance(age)

        def withdraw() -> None:
            for each in registrations:
                each.withdraw()
            self.lan.advance(2.0)

        return work(withdraw)

    def test_withdraw_services(self) -> None:
        counts = [self.withdrawing(number, Service, SETTLED) for number in (FEW, MANY)]
        self.assert_linear(*counts)

    def test_withdraw_services_just_announced(self) -> None:
        """When the goodbyes must wait for a second to pass (RFC 6762 §6)."""
        counts = [self.withdrawing(number, Service, 1.2) for number in (FEW, MANY)]
        self.assert_linear(*counts)

    def test_withdraw_services_being_probed_for(self) -> None:
        counts = [self.withdrawing(number, Service, 0.4) for number in (FEW, MANY)]
        self.assert_linear(*counts)

    def test_withdraw_hosts(self) -> None:
        counts = [self.withdrawing(number, Host, SETTLED) for number in (FEW, MANY)]
        self.assert_linear(*counts)

    def test_register(self) -> None:
        nodes = [self.settled("first"), self.settled("second")]

        def register(node: Node, number: int) -> int:
            return work(lambda: self.services(node, number))

        self.assert_linear(register(nodes[0], FEW), register(nodes[1], MANY))

    def stop(self, node: Node) -> None:
        self.lan.result(node.stopService())

    def test_stop(self) -> None:
        nodes = [self.settled("first"), self.settled("second")]
        for node, number in zip(nodes, (FEW, MANY), strict=True):
            self.services(node, number)
        self.lan.advance(SETTLED)
        self.assert_linear(*[work(partial(self.stop, node)) for node in nodes])

    def losing(self, number: int) -> int:
        """Have another host win every name in one go."""
        registrations = self.published(number)
        self.lan.advance(0.4)
        names = [Name.parse(f"S{each} of {number}._http._tcp.local.") for each in range(number)]
        rivals = [service(name, 0, 0, 9, Name.parse("rival.local."), 120) for name in names]

        def lose() -> None:
            for start in range(0, number, 20):
                self.contradict("lan", *rivals[start : start + 20])
            self.lan.advance(0.01)

        count = work(lose)
        self.assertEqual({one.name.endswith("(2)") for one in registrations}, {True})
        return count

    def test_lose(self) -> None:
        self.assert_linear(*[self.losing(number) for number in (FEW, MANY)])

    def following_a_link(self, number: int) -> int:
        node = self.settled(f"node{number}")
        self.services(node, number)
        self.lan.advance(SETTLED)
        return work(partial(node._publisher.link_changed, drivers(node)[0], LinkChange.WORKS))

    def test_a_link_that_works_again(self) -> None:
        """Which links work is found out once, and not for each service."""
        few, many = [self.following_a_link(number) for number in (FEW, MANY)]
        self.assertLess((many - few) / (MANY - FEW), 10)
