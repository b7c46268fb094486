"""Hosts, services and links come and go at random; afterwards all is well.

After quiet: names are unique on each link, everything that is registered is found there and nothing else, the
traffic on the way was below a stated bound, and then there is none at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.codes import RecordType
from mcast.dns.messages import Message, Question, decode, encode
from mcast.dns.names import Name
from mcast.dns.records import ServiceData, TextData
from mcast.dnssd.found import FoundService
from mcast.dnssd.service import Service
from mcast.dnssd.text import Text
from mcast.node.node import Node
from mcast.node.registrations import ServiceRegistration
from mcast.testing import SimulatedHost, SimulatedInterface, SimulatedLan, SimulatedLink

HOSTS = {"ann": ("lan",), "bob": ("lan", "wifi"), "cid": ("wifi",)}
"""The hosts, and the links they are on at first."""

TYPES = ("_http._tcp", "_ipp._tcp")

ASKED = tuple(f"{type}.local." for type in TYPES)

Seen = tuple[Name, int, Name, Text]
"""What is known of a service: its name, port, host and attributes."""

NODES = 4
"""Nodes at one time; two of them share a host."""

SERVICES = 6
"""Services at one time."""

ROUNDS = 4
"""How often everything is asked for when quiet has come.

Where probes were lost, or hosts were parted, two have one name and cannot know; the question shows it to them
(RFC 6762 §9). The loser's next name may be taken as well.
"""

VIEW_DELAY = 5_000.0
"""Seconds after which a browser's view is true, whatever it missed: the longest TTL is 4500 s."""

PACKETS = 60
"""Packets that a node may send by one link and family until all is quiet again.

For each change of its own names: three probes and two announcements, the same again after each of a few
conflicts, a goodbye; and the answers to the questions asked here.
"""

REFRESHES = int(2 * VIEW_DELAY / (0.8 * 120))
"""Packets more that each service may cost on a link and family while somebody browses for `VIEW_DELAY`
seconds.

Its SRV record and the addresses of its host live 120 seconds, and are asked for when 80% of them are over
(RFC 6762 §5.2, §10); one packet each, and one with the answer.
"""


class Machine(RuleBasedStateMachine):
    """What may happen on a network."""

    refreshes = 0

    def __init__(self) -> None:
        super().__init__()
        self.lan = SimulatedLan()
        self.hosts = [self.lan.host(name, *links) for name, links in HOSTS.items()]
        self.links = [self.lan.link("lan"), self.lan.link("wifi")]
        self.nodes: list[tuple[SimulatedHost, Node]] = []
        self.registrations: list[tuple[Node, ServiceRegistration]] = []
        self.last_port = 1000
        self.observer = self.lan.host("observer", *self.links)
        self.heard: list[tuple[str, Message]] = []
        self.port = self.observer.open(False)
        for interface in self.observer.interfaces():
            self.port.join(interface, partial(self.hear, interface.index))

    def hear(self, interface: int, payload: bytes, source: object, multicast: bool) -> None:
        self.heard.append((self.observer.interface_at(interface).link.name, decode(payload)))

    # What happens

    @initialize(same=st.booleans())
    def begin(self, same: bool) -> None:
        """Let there be something to disturb."""
        for number, name in enumerate(HOSTS):
            self.start(name, "kitchen" if same else f"kitchen-{number}")
            self.publish(self.nodes[-1][1], "Web", TYPES[0])

    @precondition(lambda self: len(self.nodes) < NODES)
    @rule(host=st.sampled_from(sorted(HOSTS)), hostname=st.sampled_from(["kitchen", "hall"]))
    def start(self, host: str, hostname: str) -> None:
        place = self.lan.host(host)
        node = Node(self.lan.clock, network=place, hostname=hostname, rng=place.rng)
        node.startService()
        self.nodes.append((place, node))

    @precondition(lambda self: self.nodes)
    @rule(data=st.data())
    def stop(self, data: st.DataObject) -> None:
        number = data.draw(st.integers(0, len(self.nodes) - 1))
        _, node = self.nodes.pop(number)
        self.registrations = [pair for pair in self.registrations if pair[0] is not node]
        self.lan.result(node.stopService(), within=1.5)

    @precondition(lambda self: self.nodes and len(self.registrations) < SERVICES)
    @rule(data=st.data(), name=st.sampled_from(["Web", "Music"]), type=st.sampled_from(TYPES))
    def register(self, data: st.DataObject, name: str, type: str) -> None:
        _, node = data.draw(st.sampled_from(self.nodes))
        self.publish(node, name, type)

    def publish(self, node: Node, name: str, type: str) -> None:
        self.last_port += 1
        service = Service(name, type, self.last_port, txt={"v": "1"}, subtypes=["_x"])
        self.registrations.append((node, node.publish(service)))

    @precondition(lambda self: self.registrations)
    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        number = data.draw(st.integers(0, len(self.registrations) - 1))
        _, registration = self.registrations.pop(number)
        self.lan.result(registration.withdraw(), within=1.5)

    @precondition(lambda self: self.registrations)
    @rule(data=st.data(), value=st.text("ab", max_size=3))
    def update(self, data: st.DataObject, value: str) -> None:
        _, registration = data.draw(st.sampled_from(self.registrations))
        registration.update(txt={"v": value})

    @rule(data=st.data(), what=st.sampled_from(["plug", "unplug", "up", "down", "move", "readdress"]))
    def change_interface(self, data: st.DataObject, what: str) -> None:
        interface: SimulatedInterface = data.draw(st.sampled_from(list(self.interfaces())))
        if what in ("plug", "unplug"):
            interface.set_carrier(what == "plug")
        elif what in ("up", "down"):
            interface.set_up(what == "up")
        elif what == "move":
            interface.plug(data.draw(st.sampled_from(self.links)))
        else:
            network, host = interface.link.number, 10 * interface.host.number + data.draw(st.integers(1, 9))
            interface.set_addresses(f"10.0.{network}.{host}/24", f"fe80::{network}:{host:x}/64")

    @rule(link=st.sampled_from(["lan", "wifi"]), loss=st.sampled_from([0.0, 0.2, 0.5]))
    def lose(self, link: str, loss: float) -> None:
        self.lan.link(link, loss=loss, duplication=loss / 2, reordering=loss / 2, jitter=loss / 10)

    @rule(link=st.sampled_from(["lan", "wifi"]), side=st.sets(st.sampled_from(sorted(HOSTS))))
    def part(self, link: str, side: set[str]) -> None:
        self.lan.link(link).partition([self.lan.host(name) for name in sorted(side)])

    @rule(seconds=st.sampled_from([0.1, 0.3, 1.0, 5.0, 100.0]))
    def wait(self, seconds: float) -> None:
        self.lan.advance(seconds)

    # What must be so afterwards

    @rule()
    def quiet(self) -> None:
        """Mend everything, let things settle, and look."""
        self.mend()
        self.lan.advance(5)
        for _ in range(ROUNDS):
            self.ask()
            self.lan.advance(15)
        self.check_names()
        self.check_answers()
        self.check_traffic()
        self.lan.advance(120)
        self.lan.packets.clear()
        self.lan.advance(3600)
        assert not self.lan.packets, f"an idle network sends\n{self.lan.packets}"

    def mend(self) -> None:
        """End whatever keeps hosts from hearing each other."""
        for link in self.links:
            link.loss = link.duplication = link.reordering = link.jitter = 0.0
            link.heal()
        for interface in self.interfaces():
            interface.set_up(True)
            interface.plug()
        self.lan.packets.clear()

    def teardown(self) -> None:
        self.quiet()
        self.finish()

    def finish(self) -> None:
        """Stop all nodes; nothing is left of them."""
        for _, node in self.nodes:
            self.lan.result(node.stopService(), within=1.5)
        self.lan.advance(1)
        left = self.lan.clock.getDelayedCalls()
        assert not left, f"{left} when all nodes have stopped"

    def interfaces(self) -> Iterator[SimulatedInterface]:
        """Yield the interfaces of the hosts with nodes on them."""
        for host in self.hosts:
            for number in range(len(HOSTS[host.name])):
                yield host.interface(f"eth{number}")

    def nodes_on(self, link: SimulatedLink) -> Iterator[tuple[SimulatedHost, Node]]:
        for host, node in self.nodes:
            if any(interface.host is host for interface in link.interfaces):
                yield host, node

    def names_on(self, link: SimulatedLink) -> list[Name]:
        """Return the unique names on a link, as often as somebody has them.

        Two nodes of one host may have one host name: their records say the same (RFC 6762 §9).
        """
        nodes = [node for _, node in self.nodes_on(link)]
        hosts = {(host.name, node.host) for host, node in self.nodes_on(link)}
        services = [one.full_name for node, one in self.registrations if node in nodes]
        return [name for _, name in hosts] + services

    def ask(self) -> None:
        """Ask for every name and type on every link, by multicast from a full implementation's port."""
        self.heard.clear()
        for number, link in enumerate(self.links):
            questions = [Question(Name.parse(name), RecordType.PTR) for name in ASKED]
            questions += [Question(name, RecordType.ANY) for name in dict.fromkeys(self.names_on(link))]
            self.port.send(encode(Message(questions=tuple(questions))), 2 + number, None)

    def check_names(self) -> None:
        """Names are unique on each link."""
        for link in self.links:
            twice = [name for name, count in Counter(self.names_on(link)).items() if count > 1]
            assert not twice, f"on {link.name} more than one host has {twice}"

    def expected_on(self, link: SimulatedLink) -> set[Seen]:
        """Return what is registered by the nodes on a link."""
        nodes = [node for _, node in self.nodes_on(link)]
        return {
            (one.full_name, one.service.port, node.host, one.service.txt)
            for node, one in self.registrations
            if node in nodes
        }

    def check_answers(self) -> None:
        """What the link answers is what is registered: each service once, as it is now."""
        for link in self.links:
            listed: set[object] = set()
            services: dict[Name, set[ServiceData]] = {}
            texts: dict[Name, set[Text]] = {}
            for heard_on, message in self.heard:
                for record in (*message.answers, *message.additionals):
                    data = record.data
                    if heard_on != link.name or not record.ttl:
                        continue
                    if record.type == RecordType.PTR and str(record.name) in ASKED:
                        listed.add(data)
                    elif isinstance(data, ServiceData):
                        services.setdefault(record.name, set()).add(data)
                    elif isinstance(data, TextData):
                        texts.setdefault(record.name, set()).add(Text(data.strings))
            seen = {
                (name, service.port, service.target, text)
                for name in services
                for service in services[name]
                for text in texts.get(name, ())
            }
            expected = self.expected_on(link)
            assert listed == {name for name, *_ in expected}, f"on {link.name}: {listed}, not {expected}"
            assert seen == expected, f"on {link.name}: {seen}, not {expected}"

    def check_traffic(self) -> None:
        """No node has sent more than it had to."""
        sent = Counter((packet.sender, packet.link, packet.ipv6) for packet in self.lan.packets)
        nodes = Counter(host.name for host, _ in self.nodes)
        for (sender, link, _), count in sent.items():
            services = len(self.expected_on(self.lan.link(link)))
            # A cable that moved may have left a host with two on one link.
            cables = sum(one.host.name == sender for one in self.lan.link(link).interfaces)
            bound = (PACKETS * max(1, nodes[sender]) + self.refreshes * services) * cables
            assert count <= bound, f"{sender} sent {count} packets on {link}, more than {bound}"


class WatchedMachine(Machine):
    """The same, under the eyes of a node that browses all the time and loses packets as the others do."""

    refreshes = REFRESHES

    def __init__(self) -> None:
        super().__init__()
        self.watcher_host = self.lan.host("watcher", *self.links)
        self.watcher = Node(self.lan.clock, network=self.watcher_host, rng=self.watcher_host.rng)
        self.watcher.startService()
        # One for each link: on two links, two hosts may have one name, which a browser of both shows once.
        self.browsers = [
            self.watcher.browse(*TYPES, interfaces=(f"eth{number}",)) for number in range(len(self.links))
        ]

    def quiet(self) -> None:
        """Mend everything, wait until the longest TTL is over, and compare the views with the truth."""
        self.mend()
        self.lan.advance(VIEW_DELAY)
        self.check_names()
        for link, browser in zip(self.links, self.browsers, strict=True):
            services = browser.snapshot()
            expected = self.expected_on(link)
            seen = {(one.full_name, one.port, one.host, one.txt) for one in services}
            assert seen == expected, f"seen on {link.name} is {seen}, not {expected}"
            for service in services:
                self.check_addresses(link, service)
        self.check_traffic()

    def check_addresses(self, link: SimulatedLink, service: FoundService) -> None:
        """A service is seen at the addresses that its host has there now, and at no others."""
        (node,) = (
            node
            for node, one in self.registrations
            if (one.full_name, one.service.port) == (service.full_name, service.port)
        )
        (host,) = (host for host, one in self.nodes if one is node)
        addresses = {
            str(one.address)
            for interface in link.interfaces
            if interface.host is host
            for one in interface.addresses
        }
        seen = {str(one.address).partition("%")[0] for one in service.addresses}
        assert seen == addresses, f"{service.name} is seen on {link.name} at {seen}, not {addresses}"

    def teardown(self) -> None:
        self.quiet()
        for browser in self.browsers:
            browser.close()
        self.nodes.append((self.watcher_host, self.watcher))
        self.finish()


class MachineTests(SynchronousTestCase):
    def run_machine(self, machine: type[Machine], examples: int) -> None:
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=examples,
                stateful_step_count=20,
                deadline=None,
                derandomize=True,
                suppress_health_check=list(HealthCheck),
            ),
        )

    def test_names_and_answers(self) -> None:
        """M-9-5, M-3-2: whatever comes and goes, names end up unique on each link, and answers true."""
        self.run_machine(Machine, 40)

    def test_views(self) -> None:
        """A browser ends up with what there is: added, updated, removed."""
        self.run_machine(WatchedMachine, 15)
