"""Hosts, services and links come and go at random; afterwards all is well.

After quiet: names are unique on each link, everything that is registered is found there and nothing else, the
traffic on the way was below a stated bound, and then there is none at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.codes import RecordType
from mcast.dns.messages import Message, Question, decode, encode
from mcast.dns.names import Name
from mcast.dns.records import ServiceData
from mcast.dnssd.service import Service
from mcast.node import Node
from mcast.registration import Registration
from mcast.testing import SimulatedHost, SimulatedInterface, SimulatedLan, SimulatedLink

HOSTS = {"ann": ("lan",), "bob": ("lan", "wifi"), "cid": ("wifi",)}
"""The hosts, and the links they are on at first."""

TYPES = ("_http._tcp", "_ipp._tcp")

NODES = 4
"""Nodes at one time; two of them share a host."""

ROUNDS = 4
"""How often everything is asked for when quiet has come.

Where probes were lost, or hosts were parted, two have one name and cannot know; the question shows it to them
(RFC 6762 §9). The loser's next name may be taken as well.
"""

PACKETS = 60
"""Packets that a node may send by one link and family until all is quiet again.

For each change of its own names: three probes and two announcements, the same again after each of a few
conflicts, a goodbye; and the answers to the questions asked here.
"""


class Machine(RuleBasedStateMachine):
    """What may happen on a network."""

    def __init__(self) -> None:
        super().__init__()
        self.lan = SimulatedLan()
        self.hosts = [self.lan.host(name, *links) for name, links in HOSTS.items()]
        self.links = [self.lan.link("lan"), self.lan.link("wifi")]
        self.nodes: list[tuple[SimulatedHost, Node]] = []
        self.registrations: list[tuple[Node, Registration]] = []
        self.last_port = 1000
        self.observer = self.lan.host("observer", *self.links)
        self.heard: list[tuple[str, Message]] = []
        self.port = self.observer.open(False, self.hear)
        for interface in self.observer.interfaces():
            self.port.join(interface)

    def hear(self, payload: bytes, source: object, interface: int, multicast: bool) -> None:
        self.heard.append((self.observer.interface_at(interface).link.name, decode(payload)))

    # What happens

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

    @precondition(lambda self: self.nodes)
    @rule(data=st.data(), name=st.sampled_from(["Web", "Music"]), type=st.sampled_from(TYPES))
    def register(self, data: st.DataObject, name: str, type: str) -> None:
        _, node = data.draw(st.sampled_from(self.nodes))
        self.last_port += 1
        self.registrations.append((node, node.publish(Service(name, type, self.last_port, txt={"v": "1"}))))

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
        self.lan.result(registration.update(txt={"v": value}))

    @rule(data=st.data(), plugged=st.booleans())
    def cable(self, data: st.DataObject, plugged: bool) -> None:
        data.draw(st.sampled_from(list(self.interfaces()))).set_carrier(plugged)

    @rule(data=st.data(), up=st.booleans())
    def switch(self, data: st.DataObject, up: bool) -> None:
        data.draw(st.sampled_from(list(self.interfaces()))).set_up(up)

    @rule(data=st.data(), link=st.sampled_from(["lan", "wifi"]))
    def move(self, data: st.DataObject, link: str) -> None:
        interface = data.draw(st.sampled_from(list(self.interfaces())))
        interface.plug(self.lan.link(link))

    @rule(data=st.data(), number=st.integers(1, 9))
    def readdress(self, data: st.DataObject, number: int) -> None:
        interface: SimulatedInterface = data.draw(st.sampled_from(list(self.interfaces())))
        network, host = interface.link.number, 10 * interface.host.number + number
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
        for link in self.links:
            link.loss = link.duplication = link.reordering = link.jitter = 0.0
            link.heal()
        for interface in self.interfaces():
            interface.set_up(True)
            interface.plug()
        self.lan.packets.clear()
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

    def teardown(self) -> None:
        self.quiet()
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
        services = [one.owner for node, one in self.registrations if node in nodes]
        return [name for _, name in hosts] + services

    def ask(self) -> None:
        """Ask for every name and type on every link, by multicast from a full implementation's port."""
        self.heard.clear()
        for number, link in enumerate(self.links):
            questions = [Question(Name.parse(f"{type}.local"), RecordType.PTR) for type in TYPES]
            questions += [Question(name, RecordType.ANY) for name in dict.fromkeys(self.names_on(link))]
            self.port.send(encode(Message(questions=tuple(questions))), 2 + number, None)

    def check_names(self) -> None:
        """Names are unique on each link."""
        for link in self.links:
            twice = [name for name, count in Counter(self.names_on(link)).items() if count > 1]
            assert not twice, f"on {link.name} more than one host has {twice}"

    def check_answers(self) -> None:
        """What the link answers is what is registered: each service once, with its own port."""
        for link in self.links:
            nodes = [node for _, node in self.nodes_on(link)]
            expected = {(one.owner, one.service.port) for node, one in self.registrations if node in nodes}
            listed, located = set(), set()
            for heard_on, message in self.heard:
                if heard_on != link.name:
                    continue
                for record in (*message.answers, *message.additionals):
                    if record.ttl and record.type == RecordType.PTR and str(record.name)[:-7] in TYPES:
                        listed.add(record.data)
                    if record.ttl and isinstance(record.data, ServiceData):
                        located.add((record.name, record.data.port))
            assert listed == {name for name, _ in expected}, f"on {link.name}: {listed}, not {expected}"
            assert located == expected, f"on {link.name}: {located}, not {expected}"

    def check_traffic(self) -> None:
        """No node has sent more than it had to."""
        sent = Counter((packet.sender, packet.link, packet.ipv6) for packet in self.lan.packets)
        nodes = Counter(host.name for host, _ in self.nodes)
        for (sender, link, _), count in sent.items():
            if sender != self.observer.name:
                assert count <= PACKETS * nodes[sender], f"{sender} sent {count} packets on {link}"


class MachineTests(SynchronousTestCase):
    def test_comings_and_goings(self) -> None:
        run_state_machine_as_test(
            Machine,
            settings=settings(
                max_examples=40,
                stateful_step_count=25,
                deadline=None,
                derandomize=True,
                suppress_health_check=list(HealthCheck),
            ),
        )
