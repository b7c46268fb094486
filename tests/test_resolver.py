"""Host names in Twisted programs, looked up by multicast."""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import CancelledError
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.interfaces import IAddress, IHostnameResolver, IHostResolution, IResolutionReceiver
from zope.interface import implementer
from zope.interface.verify import verifyObject

import mcast.resolver as hosts_module
from mcast.dns.codes import RecordType
from mcast.errors import NotFound
from mcast.mdns.constants import IPV4_GROUP, IPV6_GROUP
from mcast.node.lookups import LOOKUP_TIMEOUT
from mcast.node.node import Node
from mcast.node.shared import shared_node
from mcast.resolver import MulticastResolver, install
from tests.endpoints.endpoint_lab import FACTORY, LanReactor
from tests.node.node_lab import NodeTestCase

KITCHEN = "10.0.1.2"
"""The IPv4 address of the second host."""


@implementer(IHostResolution)
class Resolution:
    def __init__(self, name: str) -> None:
        self.name = name
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True


@implementer(IHostnameResolver)
class Stub:
    """The resolver there was before: it knows 192.0.2.1, and what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.resolution: Resolution | None = None
        self.answers = True

    def resolveHostName(
        self,
        resolutionReceiver: IResolutionReceiver,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Any = None,
        transportSemantics: str = "TCP",
    ) -> IHostResolution:
        self.asked.append(hostName)
        self.resolution = Resolution(hostName)
        resolutionReceiver.resolutionBegan(self.resolution)
        if self.answers:
            resolutionReceiver.addressResolved(IPv4Address("TCP", "192.0.2.1", portNumber))
            resolutionReceiver.resolutionComplete()
        return self.resolution


@implementer(IResolutionReceiver)
class Receiver:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.began: list[IHostResolution] = []
        self.addresses: list[IAddress] = []
        self.is_complete = False

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:
        self.began.append(resolutionInProgress)

    def addressResolved(self, address: IAddress) -> None:
        self.addresses.append(address)

    def resolutionComplete(self) -> None:
        assert not self.is_complete
        self.is_complete = True


class ResolverTestCase(NodeTestCase):
    """A host with the resolver, and one that is called kitchen."""

    def setUp(self) -> None:
        super().setUp()
        self.reactor = LanReactor(self.lan)
        self.reactor.nameResolver = self.before = Stub()
        here = self.lan.host("here")
        self.kitchen = self.settled("kitchen")
        # Started last, so that it has heard of nothing.
        self.here = self.node(here, None)
        self.resolver = self.installed()
        self.lan.advance(1)
        self.lan.packets.clear()

    def installed(self, **settings: Any) -> MulticastResolver:
        return install(self.reactor, self.here, **settings)

    def begin(self, name: str, **details: Any) -> Receiver:
        receiver = Receiver()
        self.reactor.nameResolver.resolveHostName(receiver, name, **details)
        return receiver

    def resolve(self, name: str, **details: Any) -> Receiver:
        """Return the receiver after as long as a look-up can take."""
        receiver = self.begin(name, **details)
        self.lan.advance(LOOKUP_TIMEOUT + 0.1)
        return receiver

    def questions(self) -> set[tuple[str, int]]:
        """Return what this host asked by multicast."""
        sent = self.lan.packets.sent_by("here").multicast
        return {(str(one.name), one.type) for packet in sent for one in packet.message.questions}


class LookupTests(ResolverTestCase):
    def test_both_families(self) -> None:
        """Link-local IPv6 addresses have their zone, without which they lead nowhere (RFC 4007 §6)."""
        receiver = self.resolve("kitchen.local", portNumber=80)
        self.assertEqual(
            receiver.addresses,
            [IPv4Address("TCP", KITCHEN, 80), IPv6Address("TCP", "fe80::1:2%eth0", 80, scopeID=2)],
        )
        self.assertTrue(receiver.is_complete)

    def test_by_multicast_alone(self) -> None:
        """M-3-3: whatever its case, a name in .local is asked for in the groups, and nowhere else."""
        self.resolve("kitchen.LOCAL.")
        packets = self.lan.packets.sent_by("here").queries
        self.assertEqual({packet.destination for packet in packets}, {IPV4_GROUP, IPV6_GROUP})
        self.assertEqual({packet.destination_port for packet in packets}, {5353})
        self.assertEqual(self.before.asked, [])

    def test_one_family(self) -> None:
        receiver = self.resolve("kitchen.local", addressTypes=[IPv6Address])
        self.assertEqual([type(one) for one in receiver.addresses], [IPv6Address])
        self.assertEqual(self.questions(), {("kitchen.local.", RecordType.AAAA)})

    def test_datagrams(self) -> None:
        receiver = self.resolve("kitchen.local", addressTypes=[IPv4Address], transportSemantics="UDP")
        self.assertEqual(receiver.addresses, [IPv4Address("UDP", KITCHEN, 0)])

    def test_soon(self) -> None:
        """It waits for nobody once the host has answered."""
        receiver = self.begin("kitchen.local")
        self.lan.advance(0.5)
        self.assertTrue(receiver.is_complete)

    def test_denied_at_once(self) -> None:
        """M-6.1-1: the NSEC record of a host without IPv6 says so."""
        host = self.lan.host("bare", "elsewhere")
        host.connect(self.lan.link(), "10.0.1.9/24")
        self.settled(host)
        receiver = self.begin("bare.local", addressTypes=[IPv6Address])
        self.lan.advance(0.5)
        self.assertEqual((receiver.is_complete, receiver.addresses), (True, []))

    def test_nobody(self) -> None:
        receiver = self.begin("nobody.local")
        self.lan.advance(LOOKUP_TIMEOUT - 0.1)
        self.assertFalse(receiver.is_complete)
        self.lan.advance(0.2)
        self.assertEqual((receiver.is_complete, receiver.addresses), (True, []))

    def test_timeout(self) -> None:
        self.resolver.remove()
        self.installed(timeout=1.0)
        receiver = self.begin("nobody.local")
        self.lan.advance(1.1)
        self.assertTrue(receiver.is_complete)

    def test_interfaces(self) -> None:
        resolution = self.resolver.resolveHostName(Receiver(), "kitchen.local")
        self.assertTrue(verifyObject(IHostnameResolver, self.resolver))
        self.assertTrue(verifyObject(IHostResolution, resolution))
        self.assertEqual(resolution.name, "kitchen.local")

    def test_endpoint(self) -> None:
        """Twisted's own endpoint connects to a .local name."""
        self.reactor.serving.add((KITCHEN, 80))
        connecting = HostnameEndpoint(self.reactor, "kitchen.local", 80).connect(FACTORY)
        self.lan.result(connecting)
        self.assertEqual(self.reactor.tried[0], (KITCHEN, 80))


class OtherNamesTests(ResolverTestCase):
    def test_left_to_the_resolver_before(self) -> None:
        """M-13-1: without a word by multicast."""
        receiver = self.resolve("www.example.com", portNumber=80)
        self.assertEqual(receiver.addresses, [IPv4Address("TCP", "192.0.2.1", 80)])
        self.assertEqual(self.before.asked, ["www.example.com"])
        self.assertEqual(self.lan.packets, [])

    def test_not_found_there(self) -> None:
        """M-13-1: nor is it asked for by multicast when nobody else knows it."""
        self.before.answers = False
        self.resolve("www.example.com")
        self.assertEqual(self.lan.packets, [])

    def test_no_name(self) -> None:
        self.resolve("x" * 64 + ".local")
        self.assertEqual(len(self.before.asked), 1)

    def test_single_label(self) -> None:
        """M-13-2: without "local" in the search list it is nobody's business here."""
        self.resolve("kitchen")
        self.assertEqual((self.before.asked, self.lan.packets), (["kitchen"], []))

    def test_unicast_resolver_hears_no_multicast_name(self) -> None:
        """M-22.1-1: of none of the six domains, nor of names in them."""
        for name in (
            "nobody.local",
            "1.2.254.169.in-addr.arpa",
            "1.8.e.f.ip6.arpa",
            "1.9.e.f.ip6.arpa",
            "1.a.e.f.ip6.arpa",
            "1.b.e.f.ip6.arpa",
        ):
            self.assertTrue(self.resolve(name).is_complete)
        self.assertEqual(self.before.asked, [])


class SearchListTests(ResolverTestCase):
    """Where "local" is in the search list."""

    def installed(self, **settings: Any) -> MulticastResolver:
        return super().installed(append_local=True, **settings)

    def test_single_label(self) -> None:
        """M-13-2: "kitchen" is looked up as "kitchen.local"."""
        receiver = self.resolve("kitchen", addressTypes=[IPv4Address])
        self.assertEqual(receiver.addresses, [IPv4Address("TCP", KITCHEN, 0)])
        self.assertEqual(self.before.asked, [])

    def test_several_labels(self) -> None:
        """M-21-1: "www.example" never becomes "www.example.local"."""
        self.resolve("www.example")
        self.assertEqual((self.before.asked, self.lan.packets), (["www.example"], []))

    def test_absolute(self) -> None:
        self.resolve("kitchen.")
        self.assertEqual((self.before.asked, self.lan.packets), (["kitchen."], []))

    def test_localhost(self) -> None:
        """RFC 6761 §6.3: it is this host, wherever one asks."""
        self.resolve("localhost")
        self.assertEqual((self.before.asked, self.lan.packets), (["localhost"], []))

    def test_not_there(self) -> None:
        """Then it may be a name of the resolver before."""
        receiver = self.resolve("server", portNumber=80)
        self.assertEqual(receiver.addresses, [IPv4Address("TCP", "192.0.2.1", 80)])
        self.assertEqual((len(receiver.began), receiver.is_complete), (1, True))

    def test_cancelled_there(self) -> None:
        self.before.answers = False
        receiver = self.resolve("server")
        receiver.began[0].cancel()
        assert self.before.resolution is not None
        self.assertTrue(self.before.resolution.is_cancelled)


class CancelTests(ResolverTestCase):
    def test_no_more_questions(self) -> None:
        receiver = self.begin("nobody.local")
        self.lan.advance(0.5)
        receiver.began[0].cancel()
        self.lan.packets.clear()
        self.lan.advance(60)
        self.assertEqual(list(self.lan.packets), [])
        self.assertFalse(receiver.is_complete)

    def test_when_it_is_over(self) -> None:
        receiver = self.resolve("kitchen.local")
        receiver.began[0].cancel()
        receiver.began[0].cancel()
        self.assertTrue(receiver.is_complete)

    def test_receiver_that_fails(self) -> None:
        """It is told no more, and others are not hurt."""
        failing = self.begin("kitchen.local")
        told: list[IAddress] = []

        def fail(address: IAddress) -> None:
            told.append(address)
            raise RuntimeError("a fault of the receiver")

        failing.addressResolved = fail  # type: ignore[method-assign]  # the fault
        other = self.resolve("kitchen.local")
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.assertEqual((len(told), failing.is_complete, other.is_complete), (1, False, True))

    def test_receiver_that_fails_at_the_beginning(self) -> None:
        receiver = Receiver()

        def fail(resolution: IHostResolution) -> None:
            raise RuntimeError("a fault of the receiver")

        receiver.resolutionBegan = fail  # type: ignore[method-assign,assignment]  # the fault
        self.assertRaises(RuntimeError, self.resolver.resolveHostName, receiver, "nobody.local")
        self.lan.advance(60)
        self.assertFalse(receiver.is_complete)


class ReverseTests(ResolverTestCase):
    def asked_for(self, address: str) -> None:
        looking = self.resolver.reverse(address)
        self.assertRaises(NotFound, self.lan.result, looking)

    def test_ipv4(self) -> None:
        """M-4-1: in the groups, and nowhere else."""
        self.asked_for("169.254.3.4")
        self.assertEqual(self.questions(), {("4.3.254.169.in-addr.arpa.", RecordType.PTR)})
        self.assertEqual(self.before.asked, [])

    def test_ipv6(self) -> None:
        """M-4-2: the four zones of fe80::/10."""
        for digit in "89ab":
            self.asked_for(f"fe{digit}0::1")
        names = {name.removesuffix(".ip6.arpa.")[-5:] for name, _ in self.questions()}
        self.assertEqual(names, {"8.e.f", "9.e.f", "a.e.f", "b.e.f"})
        self.assertEqual(self.before.asked, [])

    def test_others(self) -> None:
        """M-4-2: fec0:: and addresses of the wide world are not looked up by multicast."""
        for address in ("fec0::1", "2001:db8::1", "192.0.2.1"):
            error = self.assertRaises(ValueError, self.resolver.reverse, address)
            self.assertIn(address, str(error))
        self.assertEqual(self.lan.packets, [])

    def test_found(self) -> None:
        names = self.lan.result(self.resolver.reverse("fe80::1:2%eth0"))
        self.assertEqual([str(name) for name in names], ["kitchen.local."])

    def test_cancelled(self) -> None:
        looking = self.resolver.reverse("169.254.3.4")
        looking.cancel()
        self.failureResultOf(looking, CancelledError)
        self.lan.packets.clear()
        self.lan.advance(60)
        self.assertEqual(list(self.lan.packets), [])


class InstallTests(ResolverTestCase):
    def test_installed(self) -> None:
        self.assertIs(self.reactor.nameResolver, self.resolver)

    def test_removed(self) -> None:
        self.lan.result(self.resolver.remove())
        self.assertIs(self.reactor.nameResolver, self.before)

    def test_removed_twice(self) -> None:
        self.lan.result(self.resolver.remove())
        self.lan.result(self.resolver.remove())
        self.assertIs(self.reactor.nameResolver, self.before)

    def test_removed_from_below_another(self) -> None:
        """What was put on top of it stays, and what reaches it goes on to the resolver before."""
        above = install(self.reactor, self.here)
        self.lan.result(self.resolver.remove())
        self.assertIs(self.reactor.nameResolver, above)
        self.resolver.resolveHostName(Receiver(), "kitchen.local")
        self.assertEqual(self.before.asked, ["kitchen.local"])

    def test_own_node_stays(self) -> None:
        self.resolve("kitchen.local")
        self.lan.result(self.resolver.remove())
        self.assertTrue(self.here.running)


class MisuseTests(ResolverTestCase):
    def test_timeout(self) -> None:
        """It is told at once, and the reactor keeps the resolver that it has."""
        before = self.reactor.nameResolver
        with self.assertRaisesRegex(ValueError, "timeout 0"):
            self.installed(timeout=0)
        self.assertIs(self.reactor.nameResolver, before)


class SharedNodeTests(NodeTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.reactor = LanReactor(self.lan)
        self.reactor.nameResolver = Stub()
        self.made: list[Node] = []
        self.patch(hosts_module, "shared_node", self.shared)

    def shared(self, reactor: Any) -> Any:
        lease = shared_node(reactor, network=self.lan.host("here"))
        self.made.append(lease.node)
        return lease

    def test_started_by_the_first_look_up(self) -> None:
        """So that it may be installed before a fork."""
        resolver = install(self.reactor)
        self.assertEqual(self.made, [])
        resolver.resolveHostName(Receiver(), "nobody.local")
        self.assertTrue(self.made[0].running)

    def test_stopped_when_removed(self) -> None:
        resolver = install(self.reactor)
        resolver.resolveHostName(Receiver(), "nobody.local")
        self.lan.result(resolver.remove())
        self.assertFalse(self.made[0].running)

    def test_one_for_all_look_ups(self) -> None:
        resolver = install(self.reactor)
        resolver.resolveHostName(Receiver(), "nobody.local")
        resolver.resolveHostName(Receiver(), "noone.local")
        self.assertEqual(len(self.made), 1)

    def test_that_cannot_start(self) -> None:
        """It is logged, and nothing is found."""

        def refuse(reactor: Any) -> Any:
            raise OSError("port 5353 is taken")

        self.patch(hosts_module, "shared_node", refuse)
        receiver = Receiver()
        install(self.reactor).resolveHostName(receiver, "kitchen.local")
        self.assertEqual((receiver.is_complete, receiver.addresses), (True, []))
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)
