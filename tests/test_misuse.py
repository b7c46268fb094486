"""A mistake of the caller raises at once, with an exception of the right kind that names the value.

TypeError is for a value of a wrong type or an unknown keyword, ValueError for a value that cannot be one;
`InvalidService` is the ValueError that says which part of a description is wrong. The calls of a `Node` are
in `tests.node.test_misuse`, those of the endpoints and of `ask` beside their other tests.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from mcast import (
    EchoResponder,
    Group,
    GroupProtocol,
    InstanceName,
    InvalidService,
    Name,
    Service,
    ServiceType,
    Text,
    provide_node,
    shared_node,
)

GROUP = Group.parse("224.0.0.123:7645")


class MisuseTestCase(SynchronousTestCase):
    def refused(self, kind: type[Exception], told: str, call: Any, *args: Any, **keywords: Any) -> None:
        """Check what a call raises, and that its text is one line with something in it."""
        error = self.assertRaises(kind, call, *args, **keywords)
        self.assertIn(told, str(error))
        self.assertNotIn("\n", str(error))


class GroupTests(MisuseTestCase):
    def test_no_address(self) -> None:
        self.refused(ValueError, "nosuch", Group.parse, "nosuch:7645")

    def test_no_multicast_address(self) -> None:
        self.refused(ValueError, "10.0.0.1", Group.parse, "10.0.0.1:7645")

    def test_port(self) -> None:
        self.refused(ValueError, "99999", Group.parse, "224.0.0.123:99999")

    def test_no_text(self) -> None:
        self.refused(TypeError, "7645", Group.parse, 7645)

    def test_text_in_place_of_an_address(self) -> None:
        self.refused(TypeError, "'224.0.0.123'", Group, "224.0.0.123", 7645)


class GroupProtocolTests(MisuseTestCase):
    def test_text_in_place_of_a_group(self) -> None:
        self.refused(TypeError, "'224.0.0.123'", GroupProtocol, ["224.0.0.123"])

    def test_one_interface_in_place_of_several(self) -> None:
        self.refused(TypeError, "'eth0'", GroupProtocol, [GROUP], interfaces="eth0")

    def test_interface_as_number(self) -> None:
        self.refused(TypeError, "interface 2", GroupProtocol, [GROUP], interfaces=[2])

    def test_source_of_the_other_family(self) -> None:
        self.refused(ValueError, "fe80::1", GroupProtocol, [GROUP], sources=["fe80::1"])

    def test_unknown_keyword(self) -> None:
        self.refused(TypeError, "colour", EchoResponder, [GROUP], colour="red")


class ServiceTests(MisuseTestCase):
    def service(self, name: Any = "Web", type: Any = "_http._tcp", port: Any = 80, **details: Any) -> Service:
        return Service(name, type, port, **details)

    def test_name(self) -> None:
        self.refused(InvalidService, "instance name ''", self.service, "")

    def test_name_of_no_text(self) -> None:
        self.refused(TypeError, "instance name 5", self.service, 5)

    def test_type(self) -> None:
        self.refused(InvalidService, "'http'", self.service, type="http")

    def test_type_of_no_text(self) -> None:
        self.refused(TypeError, "None", self.service, type=None)

    def test_port(self) -> None:
        self.refused(InvalidService, "port 70000", self.service, port=70000)

    def test_port_as_text(self) -> None:
        self.refused(InvalidService, "port '80'", self.service, port="80")

    def test_key(self) -> None:
        self.refused(InvalidService, "TXT key 'a=b'", self.service, txt={"a=b": "c"})

    def test_value(self) -> None:
        self.refused(InvalidService, "TXT key 'a'", self.service, txt={"a": 5})

    def test_attributes(self) -> None:
        self.refused(TypeError, "5", self.service, txt=5)

    def test_host(self) -> None:
        self.refused(InvalidService, "host 'a..b'", self.service, host="a..b")

    def test_domain(self) -> None:
        self.refused(InvalidService, "domain 'a..b'", self.service, domain="a..b")

    def test_domain_of_no_text(self) -> None:
        self.refused(TypeError, "5", self.service, domain=5)

    def test_one_subtype_in_place_of_several(self) -> None:
        self.refused(InvalidService, "'_x'", self.service, subtypes="_x")

    def test_flagship(self) -> None:
        self.refused(InvalidService, "flagship", self.service, flagship="_http._tcp")

    def test_unknown_keyword(self) -> None:
        self.refused(TypeError, "colour", self.service, colour="red")


class NameTests(MisuseTestCase):
    def test_label(self) -> None:
        self.refused(ValueError, "1 to 63", Name.parse, "a..b")

    def test_no_text(self) -> None:
        self.refused(TypeError, "5", Name.parse, 5)

    def test_no_instance(self) -> None:
        self.refused(InvalidService, "printer.local", InstanceName.parse, "printer.local")

    def test_no_type(self) -> None:
        self.refused(InvalidService, "'_http'", ServiceType.parse, "_http")

    def test_type_of_no_text(self) -> None:
        self.refused(TypeError, "5", ServiceType.parse, 5)

    def test_attributes(self) -> None:
        self.refused(TypeError, "5", Text.for_publishing, 5)


class SharedNodeTests(MisuseTestCase):
    def test_one_interface_in_place_of_several(self) -> None:
        self.refused(TypeError, "'eth0'", shared_node, object(), interfaces="eth0")

    def test_no_node(self) -> None:
        self.refused(TypeError, "'kitchen'", provide_node, object(), "kitchen")
