"""`mcast.node.node` on real sockets and interfaces."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from random import Random

from mcast.dnssd.hosts import Host
from mcast.dnssd.service import Service
from mcast.node.node import Node
from tests.interop.probe import Packet, Prober
from tests.interop.wire import AAAA, A, Question, address_record, labels, query, response
from tests.network.lan import PATIENCE
from tests.network.reactors import ReactorLanTestCase

HOST = labels("kitchen.local")


def is_probe(packet: Packet) -> bool:
    return not packet.message.is_response and bool(packet.message.authorities)


class RealNodeTests(ReactorLanTestCase):
    """A node on the first host, with two links."""

    def setUp(self) -> None:
        super().setUp()
        self.probers = [Prober(self.there, self.there.ipv4(link), f"eth{link}") for link in range(2)]
        for prober in self.probers:
            self.addCleanup(prober.close)
        self.node = self.started(Node(self.reactor, hostname="kitchen", rng=Random(1)))
        self.wait(self.node.publish(Host()).when_claimed())

    def started(self, node: Node) -> Node:
        node.startService()
        self.addCleanup(lambda: self.wait(node.stopService()))
        return node

    def sees(self, link: int, wanted: Callable[[Packet], bool], timeout: float = PATIENCE) -> Packet:
        """Return the first packet from the node's host that the other host sees there and is wanted."""
        found: list[Packet] = []
        start = 0

        def look() -> bool:
            nonlocal start
            packets = self.probers[link].sniffer.poll()
            found.extend(each for each in packets[start:] if not each.outgoing and wanted(each))
            start = len(packets)
            return bool(found)

        self.until(look, "a packet", timeout)
        return found[0]

    def answers(self, link: int) -> Packet:
        """Ask for the host's address, again when nothing comes, and return the response."""
        heard: list[Packet] = []

        def is_answered() -> bool:
            self.probers[link].sniffer.poll().clear()
            self.probers[link].send(query(Question(HOST, A)))
            with contextlib.suppress(AssertionError):
                heard.append(self.sees(link, lambda packet: bool(packet.message.answers_for(HOST, A)), 2.0))
            return bool(heard)

        self.turn(1.1)  # what was multicast within the last second is not multicast again
        self.until(is_answered, "an answer")
        return heard[0]

    def test_addresses_of_the_link(self) -> None:
        """M-6.2-2, M-14-3: on each link its own address."""
        self.turn(1.2)
        for link in range(2):
            found = self.answers(link).message.answers_for(HOST, A)
            self.assertEqual([each.address for each in found], [self.here.ipv4(link)])

    def test_registers(self) -> None:
        registration = self.wait(self.node.publish(Service("Web", "_http._tcp", 80)).when_claimed())
        assert registration is not None
        self.assertEqual(registration.name, "Web")

    def test_port_bound_by_another_program(self) -> None:
        """RFC 6762 §15.1: it takes the unicast responses from then on, so none is asked for."""
        self.turn(1.2)  # the socket tables were read a second ago
        other = self.here.udp_socket(port=5353)
        self.addCleanup(other.close)
        self.probers[0].sniffer.poll().clear()
        self.wait(self.node.publish(Service("Web", "_http._tcp", 80)).when_claimed())
        probes = [each for each in self.probers[0].sniffer.poll() if is_probe(each)]
        classes = {
            question.rclass
            for each in probes
            if each.source == self.here.ipv4(0)
            for question in each.message.questions
        }
        self.assertEqual(classes, {1})

    def test_interface_down_and_up(self) -> None:
        """M-8-2, M-10.2-1: probed anew on the link that was down, and on no other."""
        self.here.ip("link", "set", "eth0", "down")
        self.until(lambda: self.node.working_links != self.node.links, "the loss to be noticed")
        for prober in self.probers:
            prober.sniffer.poll().clear()
        self.lan.restore(self.here, 0)
        self.sees(0, is_probe)
        self.sees(0, lambda packet: bool(packet.message.answers_for(HOST, A)))
        self.assertEqual([each for each in self.probers[1].sniffer.poll() if is_probe(each)], [])

    def test_new_address(self) -> None:
        """M-8.4-1: a second address is announced without probing."""
        self.turn(1.2)
        self.probers[0].sniffer.poll().clear()
        self.here.ip("addr", "add", "10.77.0.200/24", "dev", "eth0")
        self.addCleanup(self.here.ip, "addr", "del", "10.77.0.200/24", "dev", "eth0")

        def found(packet: Packet) -> set[str]:
            return {each.address for each in packet.message.answers_for(HOST, A)}

        packet = self.sees(0, lambda packet: "10.77.0.200" in found(packet))
        self.assertEqual(found(packet), {self.here.ipv4(0), "10.77.0.200"})
        self.assertEqual([each for each in self.probers[0].sniffer.poll() if is_probe(each)], [])

    def test_address_of_another_host(self) -> None:
        """RFC 4862 §5.4: one that duplicate address detection found to be another host's is not published."""
        mine, theirs = "fd77:0:0:0::42", "fd77:0:0:0::43"
        self.there.ip("addr", "add", f"{theirs}/64", "dev", "eth0", "nodad")
        self.addCleanup(self.there.ip, "addr", "del", f"{theirs}/64", "dev", "eth0")
        for part in ("all", "eth0"):
            Path(f"/proc/sys/net/ipv6/conf/{part}/accept_dad").write_text("1")
            self.addCleanup(Path(f"/proc/sys/net/ipv6/conf/{part}/accept_dad").write_text, "0")
        self.probers[0].sniffer.poll().clear()
        for address in (theirs, mine):
            self.here.ip("addr", "add", f"{address}/64", "dev", "eth0")
            self.addCleanup(self.here.ip, "addr", "del", f"{address}/64", "dev", "eth0")

        def found(packet: Packet) -> set[str]:
            return {each.address for each in packet.message.answers_for(HOST, AAAA)}

        packet = self.sees(0, lambda each: "fd77::42" in found(each))
        self.assertNotIn("fd77::43", found(packet))
        self.turn(1.0)
        seen = [found(each) for each in self.probers[0].sniffer.poll()]
        self.assertFalse(any("fd77::43" in each for each in seen))

    def test_interface_comes_and_goes(self) -> None:
        self.lan.unplug(self.here, 1)
        self.until(lambda: len(self.node.links) == 2, "the links to go")
        self.probers[1].sniffer.poll().clear()
        self.lan.plug(self.here, 1)
        self.sees(1, is_probe)
        self.until(
            lambda: all(claim.is_claimed for claim in self.node.registrations), "the name to be claimed"
        )
        self.assertEqual(len(self.node.links), 4)

    def test_two_nodes(self) -> None:
        """M-2-2, M-15.1-1, M-15.1-2: a second node in the process with the same host name is no conflict."""
        second = self.started(Node(self.reactor, hostname="kitchen", rng=Random(2)))
        self.wait(second.publish(Host()).when_claimed())
        self.turn(1.5)
        self.assertEqual((self.node.hostname, second.hostname), ("kitchen", "kitchen"))
        self.wait(self.node.stopService())
        self.turn(1.1)
        self.answers(0)

    def test_asks_from_port_5353(self) -> None:
        """M-5.2-15, M-5.2-16: the query comes from port 5353, and the response multicast there is heard."""
        peer = labels("peer.local")
        found = self.node.resolve_host("peer.local", timeout=PATIENCE)

        def asks(packet: Packet) -> bool:
            return any(each.name == peer for each in packet.message.questions)

        packet = self.sees(0, asks)
        self.assertEqual((packet.source_port, packet.destination_port), (5353, 5353))
        self.probers[0].send(response(address_record(peer, self.there.ipv4(0))))
        self.assertTrue(self.wait(found))

    def test_goodbye(self) -> None:
        """M-10.1-1: on each link, before the ports close."""
        self.wait(self.node.stopService())  # for how long at most is in tests.node.test_node
        for link in range(2):

            def ttls(link: int = link) -> list[int]:
                packets = self.probers[link].sniffer.poll()
                return [one.ttl for each in packets for one in each.message.answers_for(HOST, A)]

            self.until(lambda ttls=ttls: ttls()[-1:] == [0], "a goodbye")  # type: ignore[misc]
