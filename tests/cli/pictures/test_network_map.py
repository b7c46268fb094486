"""``mcast browse --map``: what is there is on the map."""

from __future__ import annotations

from itertools import pairwise

from twisted.trial.unittest import SynchronousTestCase

from mcast.cli import browse
from mcast.cli.command import GOOD, NOT_ALL, CommandError
from mcast.cli.pictures import network_map
from mcast.cli.pictures.network_map import MappedHost, MappedService, draw_map
from tests.cli.finding_lab import FindingTestCase
from tests.cli.pictures.drawn import kinds, of_kind, texts


class MapTests(SynchronousTestCase):
    def map(self, *hosts: MappedHost) -> str:
        return draw_map("title", "subtitle", hosts)

    def test_links_hosts_services(self) -> None:
        picture = self.map(
            MappedHost("b.local", ["192.0.2.2"], ["eth1"], [MappedService("Web", "_http._tcp", 80)]),
            MappedHost("a.local", ["192.0.2.1"], ["eth0", "eth1"], []),
        )
        self.assertEqual(
            texts(picture)[2:],
            [
                *("eth0", "1 host, 0 services", "eth1", "a.local", "192.0.2.1"),
                *("eth1", "1 host, 1 service", "b.local", "192.0.2.2", "_http._tcp :80", "Web"),
            ],
        )

    def test_order_does_not_matter(self) -> None:
        hosts = [MappedHost(f"h{number}.local", [], ["eth0"], []) for number in range(9)]
        self.assertEqual(self.map(*hosts), self.map(*reversed(hosts)))

    def test_cards_do_not_overlap(self) -> None:
        """Each begins below the one before in its column, however high that is."""
        picture = self.map(
            *[
                MappedHost(
                    f"h{number}", ["x"] * (number % 4), ["eth0"], [MappedService("s", "t", 1)] * number
                )
                for number in range(20)
            ]
        )
        columns: dict[str, list[tuple[float, float]]] = {}
        for each in of_kind(picture, "rect"):
            if "card" in each.attrib["class"]:
                at, high = float(each.attrib["y"]), float(each.attrib["height"])
                columns.setdefault(each.attrib["x"], []).append((at, at + high))
        self.assertEqual(len(columns), 3)
        self.assertTrue(
            all(end < begin for cards in columns.values() for (_, end), (begin, _) in pairwise(cards))
        )

    def test_bounded(self) -> None:
        service = MappedService("s", "t", 1)
        found = texts(
            self.map(
                *[MappedHost(f"h{number}", ["x"] * 9, ["eth0"], [service] * 50) for number in range(500)]
            )
        )
        self.assertEqual(found.count("and 10 more services"), network_map.MAX_HOSTS)
        self.assertIn("and 5 more addresses", found)
        self.assertIn("and 100 more hosts", found)

    def test_nothing(self) -> None:
        self.assertIn("nothing was found", texts(self.map()))

    def test_hostile(self) -> None:
        name = "</text><script>alert(1)</script>\x1b[2J\u202e"
        picture = self.map(MappedHost(name, [name], [name], [MappedService(name, name, 1)]))
        self.assertEqual(
            kinds(picture) - {"svg", "title", "desc", "style", "rect", "text", "path", "circle"}, set()
        )
        self.assertNotIn("\x1b", picture)
        self.assertNotIn("\u202e", picture)


class CommandTests(FindingTestCase):
    command = browse

    def map(self, *words: str, status: int = GOOD) -> list[str]:
        path: str = self.mktemp()
        self.assertEqual(self.run_command(*words, "--map", path), status)
        with open(path, encoding="utf-8") as stream:
            return texts(stream.read())

    def test_map(self) -> None:
        self.publish()
        found = self.map("_http._tcp")
        self.assertEqual(found[0], "Services on this network")
        self.assertTrue(found[1].startswith("1 host, 1 service; "), found[1])
        self.assertEqual(found[2:4], ["eth0", "1 host, 1 service"])
        self.assertEqual(found[4:], ["there.local", "10.0.1.2", "fe80::1:2%eth0", "_http._tcp :80", "My Web"])
        self.assertEqual(self.lines[0], "NAME    TYPE        INTERFACE")

    def test_all_types(self) -> None:
        self.publish()
        self.publish("Printer", "_ipp._tcp", 631)
        self.assertIn("Printer", self.map())

    def test_nothing(self) -> None:
        self.assertIn("nothing was found", self.map("_http._tcp", status=NOT_ALL))

    def test_of_types(self) -> None:
        done = self.start("_services._dns-sd._udp", "--map", "a.svg")
        self.assertIsInstance(self.failureResultOf(done).value, CommandError)
