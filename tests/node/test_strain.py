"""Which limits are reached, on which link and by whom: in the log, the statistics and the metrics."""

from __future__ import annotations

import errno
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from twisted.logger import LogEvent, capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.messages import Message, Question, encode
from mcast.dns.names import Name
from mcast.mdns.constants import IPV4_GROUP
from mcast.metrics import openmetrics
from mcast.node.links import RETRY_DELAY
from mcast.node.network import Network
from mcast.node.node import Node
from mcast.node.strain import (
    INTERVAL,
    LINK_LIMITS,
    MAX_SOURCES,
    NOBODY,
    OTHERS,
    PORT_LIMITS,
    SEARCH_LIMITS,
    SYSTEM_LIMITS,
    Strain,
)
from mcast.sockets.interface import Interface
from mcast.testing.ports import SimulatedPort
from tests.node.node_lab import CountingHost, NodeTestCase

RATE = "answers over rate"


@dataclass(frozen=True)
class Label:
    label: str = "eth0/IPv4"


class StrainTests(SynchronousTestCase):
    """One that is fed with numbers."""

    def setUp(self) -> None:
        self.strain = Strain(LINK_LIMITS)
        self.counters: Counter[str] = Counter()

    def hit(self, now: float, source: str = "192.0.2.1", count: int = 1) -> Sequence[LogEvent]:
        """Reach a limit; return what is logged."""
        self.counters[RATE] += count
        with capturedLogs() as logged:
            self.strain.look((self.counters,), Label(), source, now)
        return logged

    def test_first_time(self) -> None:
        (event,) = self.hit(0.0)
        fields = ("link", "count", "most", "source", "cause")
        self.assertEqual([event[name] for name in fields], ["eth0/IPv4", 1, 1, "192.0.2.1", RATE])

    def test_one_line_a_minute(self) -> None:
        self.hit(0.0)
        self.assertEqual([self.hit(at, "192.0.2.2") for at in (0.1, 30.0, INTERVAL - 0.1)], [[], [], []])
        (event,) = self.hit(INTERVAL)
        self.assertEqual((event["count"], event["most"], event["source"]), (4, 3, "192.0.2.2"))

    def test_clock_set_back(self) -> None:
        self.hit(1000.0)
        self.assertEqual(len(self.hit(10.0)), 1)

    def test_each_cause_has_its_line(self) -> None:
        self.hit(0.0)
        self.counters["queries not observed"] += 1
        self.assertEqual(len(self.hit(1.0)), 1)

    def test_nothing_new(self) -> None:
        self.counters["queries received"] += 1
        self.assertEqual(self.hit(0.0, count=0), [])
        self.assertEqual(self.strain.numbers(), {})

    def test_numbers(self) -> None:
        self.hit(0.0)
        self.hit(0.1, "192.0.2.2", 5)
        self.hit(0.2, "")
        self.assertEqual(
            self.strain.numbers(), {"eth0/IPv4": {RATE: {"count": 7, "by": "192.0.2.2", "most": 5}}}
        )

    def test_nobody(self) -> None:
        (event,) = self.hit(0.0, "")
        self.assertEqual(event["source"], NOBODY)

    def test_sources_are_bounded(self) -> None:
        for number in range(2 * MAX_SOURCES):
            self.hit(number / 1000, f"forged {number}")
        self.assertEqual(self.strain.numbers()["eth0/IPv4"][RATE]["by"], OTHERS)
        self.assertEqual(self.strain.numbers()["eth0/IPv4"][RATE]["most"], MAX_SOURCES)


class NodeStrainTests(NodeTestCase):
    """A node that answers twice a second, and is asked more often."""

    def test_rate(self) -> None:
        node = self.settled("kitchen", max_rate=2, ipv6=False)
        link = self.lan.link("lan")
        query = encode(Message(questions=[Question(Name.parse("kitchen.local"), 1)]))
        with capturedLogs() as logged:
            for _ in range(5):
                link.inject(query, "10.0.1.66", 40000, IPV4_GROUP, 5353)
            self.lan.advance(0.1)
        lines = [event for event in logged if event.get("cause") == RATE]
        self.assertEqual([(event["link"], event["source"]) for event in lines], [("eth0/IPv4", "10.0.1.66")])
        reached = {"count": 3, "by": "10.0.1.66", "most": 3}
        self.assertEqual(node.statistics()["limits"], {"eth0/IPv4": {RATE: reached}})
        told = openmetrics(node)
        self.assertIn("mcast_limits_reached_total{", told)
        self.assertIn('limit="answers over rate",node="kitchen"} 3.0', told)
        self.assertIn('source="10.0.1.66"} 3.0', told)

    def test_port(self) -> None:
        """What all links of a family share stands under its name."""
        node = self.settled("kitchen", ipv6=False)
        reached = {"IPv4": {"send_full": {"count": 3, "by": NOBODY, "most": 3}}}
        self.patch(SimulatedPort, "limits", reached)
        self.assertEqual(node.statistics()["limits"], reached)
        self.assertIn('family="IPv4",interface="",limit="send_full",node="kitchen"} 3.0', openmetrics(node))


class SystemLimitTests(NodeTestCase):
    """The system grants no more memberships, or no more descriptors."""

    def setUp(self) -> None:
        super().setUp()
        host = self.lan.host("kitchen", "one", "two")
        self.lan.advance(0.1)
        self.network = CountingHost(host)
        network: Network = self.network
        self.subject = Node(self.lan.clock, network=network, hostname="kitchen", rng=host.rng)

    def start(self) -> Sequence[str]:
        """Start, and return what is logged of limits."""
        with capturedLogs() as logged:
            self.subject.startService()
            self.lan.advance(2.5 * RETRY_DELAY)
        return [formatEvent(event) for event in logged if "limit of" in str(event.get("log_format"))]

    def test_memberships(self) -> None:
        """Each link that is left out is told once a minute; each attempt is counted."""
        self.network.refused = {"eth0"}
        told = self.start()
        self.assertEqual(len(told), 2)
        self.assertEqual(
            told[0],
            "eth0/IPv4: limit of group memberships that the system grants reached 1 times, "
            "1 of them by nobody in particular (joins refused, memberships full)",
        )
        reached = {"joins refused, memberships full": {"count": 3, "by": NOBODY, "most": 3}}
        limits = self.subject.statistics()["limits"]
        self.assertEqual(limits, {"eth0/IPv4": reached, "eth0/IPv6": reached})
        self.assertIn(
            'family="IPv4",interface="eth0",limit="joins refused, memberships full",node="kitchen"} 3.0',
            openmetrics(self.subject),
        )
        self.network.refused = set()
        self.lan.advance(RETRY_DELAY)
        self.assertEqual(len(self.subject.links), 4)
        self.assertEqual(self.subject.statistics()["limits"], limits)

    def test_other_refusals(self) -> None:
        """An interface that went is no limit."""
        self.network.refused = {"eth0"}
        self.network.refusal = errno.ENODEV
        self.assertEqual(self.start(), [])
        self.assertEqual(self.subject.statistics()["limits"], {})

    def test_no_descriptor_for_a_port(self) -> None:
        self.network.refused_families = {True}
        self.network.refusal = errno.EMFILE
        self.assertEqual(len(self.start()), 1)
        limits = self.subject.statistics()["limits"]
        self.assertEqual(list(limits), ["IPv6"])
        self.assertEqual(list(limits["IPv6"]), ["descriptors full"])

    def test_no_descriptor_for_a_membership(self) -> None:
        """A socket without room takes a further one, for which there is no descriptor."""
        self.network.refused = {"eth1"}
        self.network.refusal = errno.EMFILE
        self.start()
        self.assertEqual(list(self.subject.statistics()["limits"]["eth1/IPv4"]), ["descriptors full"])

    def test_no_descriptor_to_look_with(self) -> None:
        self.network.refused = {"eth1"}
        self.subject.startService()

        def refuses() -> tuple[Interface, ...]:
            raise OSError(errno.EMFILE, "Too many open files")

        self.network.interfaces = refuses
        self.lan.advance(1.5 * RETRY_DELAY)
        reached = {"descriptors full": {"count": 1, "by": NOBODY, "most": 1}}
        self.assertEqual(self.subject.statistics()["limits"]["interfaces"], reached)


class NameTests(SynchronousTestCase):
    """The counters that are watched are those of the code."""

    def setUp(self) -> None:
        folder = Path(__file__).resolve().parents[2] / "mcast"
        paths = [path for room in ("mdns", "dnssd") for path in (folder / room).rglob("*.py")]
        self.code = "".join([path.read_text(encoding="utf-8") for path in paths])

    def test_all_are_counted_somewhere(self) -> None:
        names = [*LINK_LIMITS, *SEARCH_LIMITS]
        self.assertEqual([name for name in names if f'"{name}"' not in self.code], [])

    def test_those_of_the_port(self) -> None:
        """Its counters are counted by the sockets and by what waits for them."""
        sockets = Path(__file__).resolve().parents[2] / "mcast"
        paths = [sockets / "sockets" / "sending.py", sockets / "node" / "answers.py"]
        code = "".join(
            [path.read_text(encoding="utf-8") for path in [*paths, sockets / "node" / "network.py"]]
        )
        self.assertEqual([name for name in PORT_LIMITS if f'"{name}"' not in code], [])

    def test_those_of_the_system(self) -> None:
        links = Path(__file__).resolve().parents[2] / "mcast" / "node" / "links.py"
        code = links.read_text(encoding="utf-8")
        self.assertEqual([name for name in SYSTEM_LIMITS if f'"{name}"' not in code], [])

    def test_all_that_sound_like_it_are_watched(self) -> None:
        """A new limit is told like the others."""
        sounds = r'ounters\["([^"]*(?:over|beyond|refused|full)\b[^"]*)"\]'
        self.assertEqual(
            set(re.findall(sounds, self.code)) - LINK_LIMITS.keys() - SEARCH_LIMITS.keys(), set()
        )
