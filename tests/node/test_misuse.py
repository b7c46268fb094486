"""A mistake in a call of a node raises at once, with an exception of the right kind that names the value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mcast.dns.codes import RecordClass, RecordType
from mcast.dns.names import Name
from mcast.dns.records import Record
from mcast.dnssd.service import Service
from mcast.errors import InvalidService
from mcast.node.node import Node
from tests.node.node_lab import NodeTestCase

WEB = Service("Web", "_http._tcp", 80)


class NodeMisuseTestCase(NodeTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.here: Any = self.node("here")

    def refused(
        self, kind: type[Exception], told: str, call: Callable[..., object], *args: object, **more: object
    ) -> None:
        """Check what a call raises, that its text has something in it, and that nothing is asked after it."""
        self.lan.advance(10)
        error = self.assertRaises(kind, call, *args, **more)
        self.assertIn(told, str(error))
        self.lan.packets.clear()
        self.lan.advance(10)
        self.assertEqual(list(self.lan.packets), [])


class ConstructorTests(NodeTestCase):
    def refused(self, kind: type[Exception], told: str, **settings: Any) -> None:
        error = self.assertRaises(kind, Node, self.lan.clock, network=self.lan.host("here"), **settings)
        self.assertIn(told, str(error))

    def test_host_name(self) -> None:
        self.refused(InvalidService, "''", hostname="")

    def test_host_name_of_no_text(self) -> None:
        self.refused(TypeError, "5", hostname=5)

    def test_one_interface_in_place_of_several(self) -> None:
        self.refused(TypeError, "'eth0'", interfaces="eth0")

    def test_no_list_of_interfaces(self) -> None:
        self.refused(TypeError, "interfaces 5: they are a list", interfaces=5)
        self.refused(TypeError, "interfaces None: they are a list", interfaces=None)

    def test_no_family(self) -> None:
        self.refused(ValueError, "IPv4", ipv4=False, ipv6=False)

    def test_rate(self) -> None:
        self.refused(ValueError, "max_rate -1", max_rate=-1)

    def test_unknown_keyword(self) -> None:
        self.refused(TypeError, "colour", colour="red")


class PublishingTests(NodeMisuseTestCase):
    def test_nothing_that_can_be_published(self) -> None:
        self.refused(TypeError, "'Web'", self.here.publish, "Web")

    def test_unknown_way_out_of_a_conflict(self) -> None:
        self.refused(ValueError, "'retry'", self.here.publish, WEB, on_conflict="retry")

    def test_listener_that_cannot_be_called(self) -> None:
        self.refused(TypeError, "'listener'", self.here.publish, WEB, listener="listener")

    def test_one_interface_in_place_of_several(self) -> None:
        self.refused(TypeError, "'eth0'", self.here.publish, WEB, interfaces="eth0")

    def test_service_that_is_shared(self) -> None:
        self.refused(TypeError, "shared", self.here.publish, WEB, shared=True)

    def test_unknown_keyword(self) -> None:
        self.refused(TypeError, "colour", self.here.publish, WEB, colour="red")

    def test_record_that_is_no_data(self) -> None:
        record = Record(Name.parse("a.local."), RecordType.OPT, RecordClass.IN, 120, b"")
        self.refused(ValueError, "OPT", self.here.publish, record)


class RegistrationTests(NodeMisuseTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.web = self.here.publish(WEB)

    def test_update_of_something_unknown(self) -> None:
        self.refused(TypeError, "colour", self.web.update, colour="red")

    def test_update_of_the_name(self) -> None:
        self.refused(ValueError, "withdraw", self.web.update, name="Other")

    def test_update_to_a_wrong_value(self) -> None:
        self.refused(InvalidService, "port 70000", self.web.update, port=70000)

    def test_update_of_what_is_withdrawn(self) -> None:
        self.lan.advance(3)
        self.lan.result(self.web.withdraw())
        self.refused(ValueError, "Web._http._tcp.local. is withdrawn", self.web.update, port=81)

    def test_listener_that_cannot_be_called(self) -> None:
        self.refused(TypeError, "'listener'", self.web.add_listener, "listener")

    def test_listener_that_is_none(self) -> None:
        self.refused(ValueError, "print", self.web.remove_listener, print)


class FindingTests(NodeMisuseTestCase):
    def test_browse_for_nothing(self) -> None:
        self.refused(TypeError, "type", self.here.browse)

    def test_browse_for_no_type(self) -> None:
        self.refused(InvalidService, "'http'", self.here.browse, "http")

    def test_browse_for_no_text(self) -> None:
        self.refused(TypeError, "5", self.here.browse, 5)

    def test_browse_for_no_subtype(self) -> None:
        self.refused(InvalidService, "subtype", self.here.browse, "_http._tcp,")

    def test_browse_in_no_domain(self) -> None:
        self.refused(ValueError, "1 to 63", self.here.browse, "_http._tcp", domain="a..b")

    def test_browse_on_one_interface_in_place_of_several(self) -> None:
        self.refused(TypeError, "'eth0'", self.here.browse, "_http._tcp", interfaces="eth0")

    def test_follow_no_instance(self) -> None:
        self.refused(InvalidService, "printer.local", self.here.follow, "printer.local")

    def test_resolve_no_name(self) -> None:
        self.refused(TypeError, "5", self.here.resolve, 5, "_http._tcp")

    def test_resolve_a_name_too_long(self) -> None:
        self.refused(InvalidService, "xxx", self.here.resolve, "x" * 64, "_http._tcp")

    def test_resolve_in_no_time(self) -> None:
        self.refused(ValueError, "-1", self.here.resolve, "Web", "_http._tcp", -1)

    def test_resolve_on_one_interface_in_place_of_several(self) -> None:
        self.refused(TypeError, "'eth0'", self.here.resolve, "Web", "_http._tcp", interfaces="eth0")

    def test_resolve_no_host(self) -> None:
        self.refused(ValueError, "1 to 63", self.here.resolve_host, "a..b")

    def test_resolve_a_host_of_no_family(self) -> None:
        self.refused(ValueError, "IPv4", self.here.resolve_host, "printer", ipv4=False, ipv6=False)

    def test_query_no_name(self) -> None:
        self.refused(TypeError, "None", self.here.query, None)

    def test_query_no_type(self) -> None:
        self.refused(ValueError, "NOSUCH", self.here.query, "printer.local", "NOSUCH")

    def test_query_a_type_that_is_too_large(self) -> None:
        self.refused(ValueError, "65536", self.here.query, "printer.local", 65536)

    def test_query_in_an_unknown_time(self) -> None:
        self.refused(TypeError, "'3'", self.here.query, "printer.local", RecordType.A, "3")

    def test_server_that_is_no_address(self) -> None:
        self.refused(ValueError, "ns.example", self.here.domains, domain="example.com", server="ns.example")

    def test_server_for_local(self) -> None:
        self.refused(ValueError, "192.0.2.1", self.here.domains, server="192.0.2.1")

    def test_listener_that_cannot_be_called(self) -> None:
        browser = self.here.browse("_http._tcp")
        self.addCleanup(browser.close)
        with self.assertRaisesRegex(TypeError, "'listener'"):
            browser.add_listener("listener")

    def test_wait_in_no_time(self) -> None:
        browser = self.here.browse("_http._tcp")
        self.addCleanup(browser.close)
        with self.assertRaisesRegex(ValueError, "-1"):
            browser.wait_for(bool, -1)
