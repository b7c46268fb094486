"""How servers are written, and how a system names its own."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from mcast.unicast.servers import (
    MAX_SEARCH,
    MAX_SERVERS,
    ServerAddress,
    parse_resolv_conf,
    parse_server,
)


class ServerTests(SynchronousTestCase):
    def test_written(self) -> None:
        self.assertEqual(parse_server("192.0.2.1"), ServerAddress("192.0.2.1", 53))
        self.assertEqual(parse_server("192.0.2.1:5300"), ServerAddress("192.0.2.1", 5300))
        self.assertEqual(parse_server("2001:db8::1"), ServerAddress("2001:db8::1", 53))
        self.assertEqual(parse_server("[2001:DB8::1]:5300"), ServerAddress("2001:db8::1", 5300))
        self.assertEqual(parse_server("fe80::1%eth0"), ServerAddress("fe80::1%eth0", 53))

    def test_shown_as_written(self) -> None:
        for text in ("192.0.2.1", "192.0.2.1:5300", "2001:db8::1", "[2001:db8::1]:5300"):
            self.assertEqual(str(parse_server(text)), text)

    def refused(self, text: str) -> str:
        return str(self.assertRaises(ValueError, parse_server, text))

    def test_mistakes(self) -> None:
        self.assertIn("it is no address", self.refused("ns.example.com"))
        self.assertIn("port is not between", self.refused("192.0.2.1:0"))
        self.assertIn("port is not between", self.refused("[2001:db8::1]:x"))
        self.assertIn("not written as", self.refused("[2001:db8::1"))
        self.assertIn("needs its interface", self.refused("fe80::1"))
        self.assertIn("no server has", self.refused("224.0.0.251"))


class ResolvConfTests(SynchronousTestCase):
    """As resolv.conf(5) has it."""

    def test_servers_and_search(self) -> None:
        found = parse_resolv_conf(
            "# made by somebody\nsearch old.example\nnameserver 192.0.2.1 # first\nnameserver fe80::1%eth0\n"
            "search example.com example.org\noptions edns0 trust-ad\n"
        )
        self.assertEqual(list(map(str, found.servers)), ["192.0.2.1", "fe80::1%eth0"])
        self.assertEqual(list(map(str, found.search)), ["example.com.", "example.org."])

    def test_nonsense_is_passed_over(self) -> None:
        found = parse_resolv_conf("nameserver\nnameserver nobody\n\0\nnameserver 192.0.2.1\nsearch .\n")
        self.assertEqual(list(map(str, found.servers)), ["192.0.2.1"])
        self.assertEqual(found.search, ())

    def test_no_server_is_this_host(self) -> None:
        self.assertEqual(parse_resolv_conf("").servers, (ServerAddress("127.0.0.1"),))

    def test_bounded(self) -> None:
        lines = "\n".join([f"nameserver 192.0.2.{number}" for number in range(1, 100)])
        words = " ".join([f"d{number}.example" for number in range(100)])
        found = parse_resolv_conf(f"{lines}\nsearch {words}\n")
        self.assertEqual((len(found.servers), len(found.search)), (MAX_SERVERS, MAX_SEARCH))
