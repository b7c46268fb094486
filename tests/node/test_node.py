"""`mcast.node.node`: links that follow the interfaces, what each link says, and the node's life."""

from __future__ import annotations

from twisted.application.service import IService
from twisted.internet.defer import Deferred
from zope.interface.verify import verifyObject

from mcast.dns.codes import RecordType
from mcast.dns.names import Name
from mcast.dns.records import Identity, address
from mcast.dnssd.hosts import Host
from mcast.errors import InvalidService
from mcast.mdns.constants import IPV4_GROUP, IPV6_GROUP
from mcast.node.node import REFUSED_LIMIT, STOP_LIMIT, Node
from mcast.testing import Capture
from tests.node.node_lab import SETTLED, CountingHost, NodeTestCase, drivers

A, AAAA, NSEC, PTR = RecordType.A, RecordType.AAAA, RecordType.NSEC, RecordType.PTR


class StartTests(NodeTestCase):
    """What a node does when it starts."""

    def test_is_a_service(self) -> None:
        verifyObject(IService, Node(self.lan.clock, network=self.lan.host("kitchen")))

    def test_probes_then_announces_on_each_link(self) -> None:
        """M-8-2: at startup probing, then announcing, on each interface."""
        self.settled(self.lan.host("kitchen", "one", "two"))
        kinds = {
            (link, family): [
                "probe" if not packet.message.is_response else "announcement"
                for packet in self.lan.packets.on(link)
                if packet.ipv6 is family
            ]
            for link in ("one", "two")
            for family in (False, True)
        }
        expected = ["probe"] * 3 + ["announcement"] * 2
        self.assertEqual(kinds, dict.fromkeys(kinds, expected))

    def test_addresses_of_every_interface(self) -> None:
        """M-8-1: address records for all active interfaces."""
        self.settled(self.lan.host("kitchen", "one", "two"))
        self.assertEqual(self.lan.packets.on("one").responses.addresses, {"10.0.1.1", "fe80::1:1"})
        self.assertEqual(self.lan.packets.on("two").responses.addresses, {"10.0.2.1", "fe80::2:1"})

    def test_no_foreign_address(self) -> None:
        """M-6.2-2, M-14-3: answers, additional records and announcements hold addresses of their own
        interface only."""
        self.settled(self.lan.host("kitchen", "one", "two"))
        self.ask("one", "kitchen.local", A)
        self.ask("one", "1.1.0.10.in-addr.arpa", PTR)
        said = self.lan.packets.on("one").sent_by("kitchen").addresses
        self.assertEqual(said, {"10.0.1.1", "fe80::1:1"})
        self.assertEqual(self.ask("one", "1.2.0.10.in-addr.arpa", PTR).owners(), set())

    def test_both_families(self) -> None:
        """M-20-1, M-22-1: takes part in both zones, by the two groups of RFC 6762 and no other."""
        self.settled("kitchen")
        responses = self.lan.packets.responses
        spoken = {(packet.destination, name) for packet in responses for name in Capture([packet]).owners(A)}
        self.assertEqual(spoken, {(IPV4_GROUP, "kitchen.local."), (IPV6_GROUP, "kitchen.local.")})
        self.assertEqual({packet.destination for packet in self.lan.packets}, {IPV4_GROUP, IPV6_GROUP})

    def test_denies_neither_family(self) -> None:
        """M-20-2: the NSEC record shows A and AAAA, by whichever family it goes."""
        self.settled("kitchen")
        (found,) = self.ask("lan", "kitchen.local", A).records(NSEC)
        self.assertEqual(found.data.types, {A, AAAA})  # type: ignore[union-attr]

    def test_lifetimes(self) -> None:
        """M-10-1, M-10-2: 120 seconds where a host's name is owner or data, else 75 minutes."""
        node = self.settled("kitchen")
        self.register(node, txt={"a": "b"}, subtypes=["_sub"])
        self.lan.advance(2.0)
        ttls = {(record.type, record.ttl) for record in self.lan.packets.responses.records()}
        wanted = {
            (A, 120),
            (AAAA, 120),
            (RecordType.SRV, 120),
            (RecordType.TXT, 4500),
            (PTR, 4500),
            (PTR, 120),
        }
        self.assertEqual({pair for pair in ttls if pair[0] != NSEC}, wanted)
        reverse = {
            record.ttl for record in self.lan.packets.responses.records() if b"arpa" in record.name.labels
        }
        self.assertEqual(reverse, {120})

    def test_host_name_is_one_label(self) -> None:
        """M-3-6: the owner of the addresses has two labels, or the name is refused."""
        with self.assertRaises(InvalidService):
            Node(self.lan.clock, network=self.lan.host("kitchen"), hostname="my.computer")
        node = self.settled("kitchen", hostname=None)
        self.lan.result(node.publish(Host()).when_claimed())
        self.assertEqual({len(record.name.labels) for record in self.lan.packets.records(A)}, {2})

    def test_unnamed_host_is_silent(self) -> None:
        """Who only looks publishes nothing."""
        self.settled("kitchen", hostname=None)
        self.assertEqual(self.lan.packets, [])

    def test_one_family(self) -> None:
        self.settled("kitchen", ipv6=False)
        self.assertEqual({packet.ipv6 for packet in self.lan.packets}, {False})

    def test_named_interfaces(self) -> None:
        self.settled(self.lan.host("kitchen", "one", "two"), interfaces=["eth1"])
        self.assertEqual({packet.link for packet in self.lan.packets}, {"two"})

    def test_source_port_and_hop_limit(self) -> None:
        """M-11-1, M-6-14: everything, unicast too, goes from port 5353 with hop limit 255."""
        self.settled("kitchen")
        answers = self.ask("lan", "kitchen.local", A, unicast=True)
        self.assertFalse(answers[0].is_multicast)
        sent = self.lan.packets.sent_by("kitchen")
        self.assertEqual({(packet.source_port, packet.hop_limit) for packet in sent}, {(5353, 255)})

    def test_memberships_do_not_grow(self) -> None:
        """M-B-1: a thousand names, one membership for each interface and family."""
        host = CountingHost(self.lan.host("kitchen"))
        node = Node(self.lan.clock, network=host, hostname="kitchen", rng=self.lan.host("kitchen").rng)
        node.startService()
        for number in range(1000):
            node.publish(address(Name.parse(f"n{number}.local"), "10.9.9.9", 120))
        self.lan.advance(5.0)
        self.assertEqual(host.joined, [("eth0", False), ("eth0", True)])


class FollowTests(NodeTestCase):
    """Interfaces that come, go and change: there, and only there (RFC 6762 §8)."""

    def setUp(self) -> None:
        super().setUp()
        self.host = self.lan.host("kitchen", "one", "two")
        self.subject = self.settled(self.host)
        self.lan.packets.clear()

    def test_carrier_lost_and_found(self) -> None:
        """M-8-2, M-10.2-1: a link that was disconnected is probed on anew, and no other is."""
        self.host.interface("eth0").unplug()
        self.lan.advance(5.0)
        self.assertEqual(self.lan.packets, [])
        self.host.interface("eth0").plug()
        self.lan.advance(5.0)
        said = [packet.message.is_response for packet in self.lan.packets.on("one") if not packet.ipv6]
        self.assertEqual(said, [False] * 3 + [True] * 2)
        self.assertEqual(self.lan.packets.on("two"), [])

    def test_new_address_is_announced(self) -> None:
        """M-8.4-1, M-10.2-2: a changed address is announced twice, a second apart, without probing, on its
        interface only."""
        self.host.interface("eth0").set_addresses("10.0.1.1/24", "10.0.1.77/24", "fe80::1:1/64")
        self.lan.advance(5.0)
        said = self.lan.packets.on("one").where(lambda packet: not packet.ipv6)
        self.assertEqual([packet.message.is_response for packet in said], [True, True])
        self.assertEqual(said.addresses, {"10.0.1.1", "10.0.1.77", "fe80::1:1"})
        self.assertAlmostEqual(said[1].at - said[0].at, 1.0, places=3)
        self.assertEqual(self.lan.packets.on("two"), [])

    def test_another_network_is_probed(self) -> None:
        """M-8-2: an interface that moved to another network may meet other hosts there."""
        self.host.interface("eth0").set_addresses("172.16.0.1/24", "fe80::1:1/64")
        self.lan.advance(5.0)
        self.assertEqual(len(self.lan.packets.on("one").where(lambda packet: not packet.ipv6).probes), 3)
        self.assertEqual(self.lan.packets.on("two"), [])

    def test_new_interface(self) -> None:
        self.host.connect(self.lan.link("three"))
        self.lan.advance(5.0)
        self.assertEqual({packet.link for packet in self.lan.packets}, {"three"})
        self.assertEqual(len(self.subject.links), 6)

    def test_interface_gone(self) -> None:
        self.host.interface("eth0").remove()
        self.lan.advance(5.0)
        self.assertEqual([str(link) for link in self.subject.links], ["eth1/IPv4", "eth1/IPv6"])
        self.assertEqual(self.lan.packets, [])

    def test_family_gone(self) -> None:
        self.host.interface("eth0").set_addresses("fe80::1:1/64")
        self.lan.advance(5.0)
        quiet = set(self.subject.links) - set(self.subject.working_links)
        self.assertEqual([str(link) for link in quiet], ["eth0/IPv4"])
        self.assertEqual({packet.ipv6 for packet in self.lan.packets}, {True})

    def test_smaller_mtu(self) -> None:
        """M-17-1: messages fit the MTU that the interface has now."""
        for number in range(30):
            self.subject.publish(address(Name.parse(f"n{number:030}.local"), "10.9.9.9", 120))
        self.lan.advance(5.0)
        self.lan.packets.clear()
        self.lan.link("one").mtu = 600
        self.host.changed()
        self.lan.advance(5.0)
        sizes = [packet.size for packet in self.lan.packets.on("one")]
        self.assertTrue(sizes)
        self.assertLessEqual(max(sizes), 600)
        self.assertEqual(self.lan.packets.on("two"), [])

    def test_claimed_anew_when_the_link_is_back(self) -> None:
        """M-8-2: what is published is not in use while it is probed for again."""
        registration = self.register(self.subject)
        for driver in drivers(self.subject):
            driver.suspend()
        self.assertEqual((registration.is_claimed, registration.interfaces), (False, ()))
        for driver in drivers(self.subject):
            driver.resume()
        self.assertFalse(registration.is_claimed)
        self.lan.advance(SETTLED)
        self.assertTrue(registration.is_claimed)
        self.assertTrue(registration.interfaces)

    def test_reconnect(self) -> None:
        """M-8-2: a wake from sleep, as the program tells it, has all links probed on anew."""
        self.subject.reconnect()
        self.lan.advance(5.0)
        self.assertEqual(len(self.lan.packets.probes), 12)


class SeveralLinksTests(NodeTestCase):
    """A host on two links (RFC 6762 §14)."""

    def setUp(self) -> None:
        super().setUp()
        self.host = self.lan.host("kitchen", "one", "two")
        self.subject = self.settled(self.host)
        self.foreign = address(Name.parse("kitchen.local"), "10.9.9.9", 120, cache_flush=True)

    def test_defends_on_each(self) -> None:
        """M-14-1: the name is defended on the interface where it is contested."""
        self.lan.packets.clear()
        self.contradict("two", self.foreign)
        self.lan.advance(2.0)
        self.assertEqual({packet.link for packet in self.lan.packets.probes}, {"two"})
        self.assertEqual(self.subject.hostname, "kitchen")

    def test_one_name_for_all(self) -> None:
        """M-14-2, M-3-1, M-3-2: a name lost on one link is changed on all, and not used any more."""
        peer = self.settled(self.lan.host("other", "two"), hostname="kitchen")
        self.assertEqual(peer.hostname, "kitchen-2")
        self.lan.link("two").partition([self.host])
        third = self.settled(self.lan.host("third", "two"), hostname="kitchen")
        self.assertEqual(third.hostname, "kitchen")
        self.lan.link("two").partition()
        self.host.interface("eth1").unplug()
        self.lan.advance(0.1)
        self.host.interface("eth1").plug()
        self.lan.advance(5.0)
        self.assertEqual(self.subject.hostname, "kitchen-3")
        self.lan.advance(5.0)
        self.lan.packets.clear()
        self.assertIn("10.0.1.1", self.ask("one", "kitchen-3.local", A).addresses)
        self.assertEqual(self.ask("one", "kitchen.local", A), [])

    def test_same_name_on_two_links(self) -> None:
        """M-14-4: another host of the same name elsewhere is no conflict."""
        left, right = self.lan.host("left", "three"), self.lan.host("right", "four")
        first, second = self.settled(left, hostname="twin"), self.settled(right, hostname="twin")
        self.assertEqual((first.hostname, second.hostname), ("twin", "twin"))

    def test_bridged_interfaces(self) -> None:
        """M-14-6, M-14-7: two interfaces of a host on one link are no conflict, announce the addresses that
        the other's cache-flush bit would have removed, and come to rest."""
        host = self.lan.host("bridged", "three")
        host.interface().set_addresses("10.0.3.31/24", "fe80::3:31/64")
        host.connect(self.lan.link("three"), "10.0.3.32/24", "fe80::3:32/64")
        node = self.settled(host)
        self.assertEqual(node.hostname, "bridged")
        self.assertTrue(all(one.is_claimed for one in node.registrations))
        self.lan.advance(10.0)
        self.lan.packets.clear()
        host.interface("eth1").unplug()
        self.lan.advance(5.0)
        host.interface("eth1").plug()
        self.lan.advance(60.0)
        said = self.lan.packets.on("three")
        # What eth1 announced when it was back has flushed the addresses that eth0 announced long ago.
        announced = [packet for packet in said.responses if packet.source == "10.0.3.31"]
        self.assertEqual(node.hostname, "bridged")
        self.assertTrue(announced)
        self.assertLess(len(said), 40)
        self.lan.packets.clear()
        self.lan.advance(3600.0)
        self.assertEqual(self.lan.packets, [])


class TwoNodesTests(NodeTestCase):
    """Two nodes on one host (RFC 6762 §15)."""

    def setUp(self) -> None:
        super().setUp()
        self.host = self.lan.host("kitchen")
        self.first, self.second = self.settled(self.host), self.settled(self.host)

    def test_same_host_name(self) -> None:
        """M-2-2, M-9-2: identical data is no conflict, and both answer."""
        self.assertEqual((self.first.hostname, self.second.hostname), ("kitchen", "kitchen"))
        self.lan.result(self.first.stopService())
        self.lan.advance(2.0)
        self.assertIn("10.0.1.1", self.ask("lan", "kitchen.local", A).addresses)

    def test_second_asks_for_no_unicast(self) -> None:
        """M-15.1-2: who is not the first on port 5353 does not ask for unicast responses."""
        questions = [each for packet in self.lan.packets.queries for each in packet.message.questions]
        self.settled(self.host, hostname="third")
        more = [each for packet in self.lan.packets.queries for each in packet.message.questions]
        third = [each.unicast for each in more if each.name == Name.parse("third.local")]
        self.assertEqual(sorted(each.unicast for each in questions), [False] * 10 + [True] * 2)
        self.assertEqual(set(third), {False})


class StopTests(NodeTestCase):
    """The end, and a new beginning."""

    def setUp(self) -> None:
        super().setUp()
        self.host = self.lan.host("kitchen", "one", "two")
        self.subject = self.settled(self.host)
        self.register(self.subject)
        self.lan.advance(5.0)
        self.lan.packets.clear()

    def test_goodbye_to_everything(self) -> None:
        """M-10.1-1: a goodbye for every record, on every link, before the ports close."""
        published = {
            (link.interface.name, link.ipv6): {each.identity for each in link.link.responder.records()}
            for link in drivers(self.subject)
        }
        self.lan.result(self.subject.stopService(), within=STOP_LIMIT)
        said: dict[tuple[str, bool], set[Identity]] = {}
        for packet in self.lan.packets:
            link = ("eth0" if packet.link == "one" else "eth1", packet.ipv6)
            said.setdefault(link, set()).update(each.identity for each in Capture([packet]).goodbyes)
        self.assertEqual(said, published)

    def test_within_a_second_of_an_announcement(self) -> None:
        """Goodbyes wait until a second has passed since the records were multicast (RFC 6762 §6), and the
        stop waits for them."""
        self.register(self.subject, "Late")
        began = self.lan.now
        self.lan.result(self.subject.stopService(), within=STOP_LIMIT)
        said = [str(record.name) for record in self.lan.packets.since(began).goodbyes]
        self.assertIn("Late._http._tcp.local.", said)
        self.assertLessEqual(self.lan.now - began, STOP_LIMIT)

    def test_a_dead_link_does_not_hold_it_up(self) -> None:
        for link in drivers(self.subject):
            link.goodbyes_sent = Deferred  # type: ignore[method-assign]
        began = self.lan.now
        self.lan.result(self.subject.stopService(), within=STOP_LIMIT)
        self.assertLessEqual(self.lan.now - began, STOP_LIMIT)

    def test_a_system_that_refuses_does_not_hold_it_up_for_long(self) -> None:
        """SIGTERM ends a program within a second, so that nothing is tried for all of it."""
        for link in drivers(self.subject):
            link.port.send = lambda *_: False  # type: ignore[method-assign]
        began = self.lan.now
        self.lan.result(self.subject.stopService(), within=STOP_LIMIT)
        self.assertLessEqual(self.lan.now - began, REFUSED_LIMIT)

    def test_a_moment_of_refusal_costs_no_goodbye(self) -> None:
        """A send buffer that is full has room again soon."""
        link = drivers(self.subject)[0]
        send = link.port.send
        link.port.send = lambda *_: False  # type: ignore[method-assign]
        stopped = self.subject.stopService()
        self.lan.advance(REFUSED_LIMIT / 2)
        link.port.send = send  # type: ignore[method-assign]
        self.lan.result(stopped, within=STOP_LIMIT)
        said = [str(record.name) for record in self.lan.packets.goodbyes]
        self.assertEqual(said.count("Web._http._tcp.local."), 8, "SRV and TXT on four links")

    def test_leaves_nothing_behind(self) -> None:
        self.lan.result(self.subject.stopService())
        self.assertEqual(self.lan.clock.getDelayedCalls(), [])
        self.assertEqual(self.subject.links, ())
        self.assertEqual(self.host.ports.bound(False, 5353) + self.host.ports.bound(True, 5353), [])

    def test_stopping_twice(self) -> None:
        first, second = self.subject.stopService(), self.subject.stopService()
        self.lan.result(first)
        self.lan.result(second)
        self.successResultOf(self.subject.stopService())

    def test_publishes_again_after_a_restart(self) -> None:
        """A restart within a second takes its names back."""
        self.lan.result(self.subject.stopService())
        self.subject.startService()
        self.lan.advance(1.5)
        self.assertEqual(self.subject.hostname, "kitchen")
        self.assertEqual([one.is_claimed for one in self.subject.registrations], [True, True])

    def test_start_while_stopping(self) -> None:
        stopped: Deferred[None] = self.subject.stopService()
        self.subject.startService()
        self.lan.result(stopped)
        self.lan.advance(3.0)
        self.assertTrue(all(one.is_claimed for one in self.subject.registrations))

    def test_idle_has_no_timer(self) -> None:
        """M-8.3-6: without a reason nothing is sent, and nothing is waited for."""
        self.lan.advance(10.0)
        self.assertEqual(self.lan.clock.getDelayedCalls(), [])


class StatisticsTests(NodeTestCase):
    """`Node.statistics`."""

    def test_plain_numbers(self) -> None:
        node = self.settled("kitchen")
        found = node.statistics()
        self.assertEqual(found["node"]["names claimed"], 1)
        self.assertEqual(found["links"]["eth0/IPv4"]["probes"], 3)

    def test_drops_by_cause(self) -> None:
        node = self.settled("kitchen")
        peer = self.lan.host("peer")
        peer.transmit(5353, b"\x00" * 5, IPV4_GROUP, 5353, peer.interface().index, 255, False)
        self.lan.advance(1.0)
        self.assertEqual(node.statistics()["links"]["eth0/IPv4"]["malformed datagrams"], 1)

    def test_totals_do_not_shrink(self) -> None:
        node = self.settled("kitchen")
        self.lan.result(node.stopService())
        self.assertEqual(node.statistics()["links gone"]["probes"], 6)
