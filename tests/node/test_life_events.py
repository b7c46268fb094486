"""What a node logs of its life: one constant format for each kind of event, and named fields."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.logger import LogLevel, capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.names import Name
from mcast.dns.records import address, text
from mcast.dnssd.service import Service
from mcast.errors import NameTaken
from mcast.node import lives
from mcast.showing import is_plain
from tests.node.node_lab import SETTLED, NodeTestCase

PUBLISHED = "published {name}"
CONTESTED = "{name} is contested on {link}; probing anew"
RENAMED = "{name} is taken by another host on {link}; trying {new} instead"
LOST = "{name} is taken by another host on {link}"
WITHDRAWN = "withdrew {name}"
CROWDED = "{count} names published or withdrawn within {seconds:.0f} s; further ones are counted"
COUNTED = "{published} more names published, {withdrawn} withdrawn"
JOINED = "joined {group} on {interface}"
LEFT = "left {group} on {interface}"
DOWN = "{link} carries nothing for now"
UP = "{link} is back"


class PageTests(SynchronousTestCase):
    """docs/metrics.md."""

    def test_lists_every_format(self) -> None:
        page = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()
        formats = (PUBLISHED, CONTESTED, RENAMED, LOST, WITHDRAWN, CROWDED, COUNTED, JOINED, LEFT, DOWN, UP)
        self.assertEqual([each for each in formats if f"| `{each}` |" not in page], [])


class LifeEventTests(NodeTestCase):
    """Events of level info and warn, by format."""

    def setUp(self) -> None:
        super().setUp()
        manager = capturedLogs()
        self.events: Any = manager.__enter__()
        self.addCleanup(manager.__exit__, None, None, None)

    def fields(self, log_format: str, *names: str, level: LogLevel = LogLevel.info) -> list[tuple[Any, ...]]:
        """Return those fields of every event of a format."""
        found = [event for event in self.events if event.get("log_format") == log_format]
        self.assertEqual({event["log_level"] for event in found} - {level}, set())
        return [tuple(event[name] for name in names) for event in found]

    def test_claimed(self) -> None:
        self.register(self.settled("kitchen"))
        self.assertEqual(self.fields(PUBLISHED, "name"), [("kitchen.local.",), ("Web._http._tcp.local.",)])

    def test_very_many_names(self) -> None:
        """As a bridge carries them in a flood with goodbyes: lines for some, and then numbers."""
        self.patch(lives, "MAX_LINES", 3)
        node = self.settled("kitchen")
        for number in range(3):
            self.lan.result(self.register(node, f"Web {number}").withdraw())
        self.assertEqual(len(self.fields(PUBLISHED, "name")) + len(self.fields(WITHDRAWN, "name")), 3)
        self.assertEqual(self.fields(CROWDED, "count", level=LogLevel.warn), [(3,)])
        self.assertEqual(self.fields(COUNTED, "published"), [])
        self.lan.advance(60)
        self.register(node, "Last")
        self.assertEqual(self.fields(COUNTED, "published", "withdrawn"), [(2, 2)])
        self.assertIn(("Last._http._tcp.local.",), self.fields(PUBLISHED, "name"))

    def test_name_that_would_steer_a_terminal(self) -> None:
        """Each line is shown as it stands by whoever reads the log: nothing in it acts."""
        name = "a\u202e\u2028\U000e0001b"
        self.register(self.settled("kitchen"), name)
        self.register(self.settled("pantry"), name)
        lines = [formatEvent(event) for event in self.events]
        self.assertIn(r"published a\226\128\174\226\128\168\243\160\128\129b._http._tcp.local.", lines)
        self.assertEqual([line for line in lines if not all(map(is_plain, line))], [])
        self.assertTrue(self.fields(RENAMED, "name", level=LogLevel.warn))

    def test_renamed(self) -> None:
        self.settled("kitchen")
        self.events.clear()
        self.settled("other", hostname="kitchen")
        found = self.fields(RENAMED, "name", "new", level=LogLevel.warn)
        self.assertEqual(found, [("kitchen.local.", "kitchen-2.local.")])
        self.assertEqual(self.fields(PUBLISHED, "name"), [("kitchen-2.local.",)])

    def test_renamed_after_it_was_claimed(self) -> None:
        """The name that it has then is told too."""
        host, rival = self.lan.host("one"), self.lan.host("two")
        self.lan.link().partition([host], [rival])
        node = self.settled(host, hostname="kitchen")
        self.settled(rival, hostname="kitchen")
        self.lan.link().heal()
        self.events.clear()
        node.reconnect()
        self.lan.advance(SETTLED)
        self.assertEqual(self.fields(PUBLISHED, "name"), [("kitchen-2.local.",)])

    def test_contested(self) -> None:
        self.settled("kitchen")
        self.events.clear()
        self.contradict("lan", address(Name.parse("kitchen.local"), "10.9.9.9", 120).with_cache_flush(True))
        self.lan.advance(SETTLED)
        self.assertEqual(self.fields(CONTESTED, "name", "link")[0], ("kitchen.local.", "eth0/IPv4"))

    def test_link_that_is_back_contests_nothing(self) -> None:
        host = self.lan.host("kitchen")
        self.settled(host)
        host.interface().unplug()
        self.lan.advance(SETTLED)
        host.interface().plug()
        self.lan.advance(SETTLED)
        self.assertEqual(self.fields(CONTESTED), [])

    def test_lost(self) -> None:
        """A record has no other name to take."""
        name = Name.parse("setting.local")
        first, second = self.settled("kitchen"), self.settled("hall")
        self.lan.result(first.publish(text(name, [b"a"], 120)).when_claimed())
        self.events.clear()
        with self.assertRaises(NameTaken):
            self.lan.result(second.publish(text(name, [b"b"], 120)).when_claimed())
        found = self.fields(LOST, "name", level=LogLevel.warn)
        self.assertEqual(found, [("setting.local.",)])

    def test_withdrawn(self) -> None:
        registration = self.register(self.settled("kitchen"))
        self.lan.result(registration.withdraw())
        self.assertEqual(self.fields(WITHDRAWN, "name"), [("Web._http._tcp.local.",)])

    def test_joined_and_left(self) -> None:
        node = self.settled("kitchen")
        expected = [("224.0.0.251", "eth0"), ("ff02::fb", "eth0")]
        self.assertEqual(self.fields(JOINED, "group", "interface"), expected)
        self.lan.result(node.stopService())
        self.assertEqual(self.fields(LEFT, "group", "interface"), expected)

    def test_link_down_and_up(self) -> None:
        host = self.lan.host("kitchen")
        self.settled(host)
        host.interface().unplug()
        self.lan.advance(SETTLED)
        self.assertEqual(self.fields(DOWN, "link"), [("eth0/IPv4",), ("eth0/IPv6",)])
        host.interface().plug()
        self.lan.advance(SETTLED)
        self.assertEqual(self.fields(UP, "link"), [("eth0/IPv4",), ("eth0/IPv6",)])

    def test_nothing_is_told_twice(self) -> None:
        """An update of a service is no new life."""
        registration = self.register(self.settled("kitchen"))
        self.events.clear()
        self.lan.result(registration.update(txt={"a": "b"}))
        self.lan.advance(SETTLED)
        self.assertEqual([event["log_format"] for event in self.events], [])
        self.assertEqual(registration.service, Service("Web", "_http._tcp", 80, txt={"a": "b"}))
