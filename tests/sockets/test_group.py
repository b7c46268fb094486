"""Group addresses: scopes, flags, ranges, and the forms people write."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mcast.sockets.group import Group, Scope, parse_address, port_in_address

PORT = 7645


def group(text: str) -> Group:
    return Group.parse(text, PORT)


class ParsingTests(SynchronousTestCase):
    """`Group.parse`."""

    def test_ipv4_with_port(self) -> None:
        self.assertEqual(Group.parse("224.0.0.123:9"), Group(IPv4Address("224.0.0.123"), 9))

    def test_ipv4_with_default_port(self) -> None:
        self.assertEqual(group("224.0.0.123"), Group(IPv4Address("224.0.0.123"), PORT))

    def test_ipv6_in_brackets(self) -> None:
        self.assertEqual(Group.parse("[ff02::123]:9"), Group(IPv6Address("ff02::123"), 9))

    def test_ipv6_in_brackets_with_zone(self) -> None:
        self.assertEqual(Group.parse("[ff02::123%eth0]:9"), Group(IPv6Address("ff02::123"), 9, "eth0"))

    def test_ipv6_without_brackets(self) -> None:
        self.assertEqual(group("ff02::1:23"), Group(IPv6Address("ff02::1:23"), PORT))

    def test_port_without_brackets(self) -> None:
        """It would be another group, in which nobody is."""
        advice = port_in_address("ff02::123:7645")
        self.assertIn("write [ff02::123]:7645", advice)
        self.assertIn("[ff02::123:7645]", advice)
        for text in (
            "ff02::7645",
            "ff02::1:ff12:3456",
            "ff0e:0:0:0:0:0:1:2345",
            "ff02::1:23",
            "ff02::123%eth0:7645",
            "224.0.0.1:7645",
        ):
            with self.subTest(text=text):
                self.assertEqual(port_in_address(text), "")

    def test_port_without_brackets_and_no_other(self) -> None:
        with self.assertRaisesRegex(ValueError, r"no port; if 7645 is a port, write \[ff02::123\]:7645"):
            Group.parse("ff02::123:7645")

    def test_zone_then_port(self) -> None:
        self.assertEqual(Group.parse("ff02::123%eth0:9"), Group(IPv6Address("ff02::123"), 9, "eth0"))

    def test_own_port_goes_before_default(self) -> None:
        self.assertEqual(group("224.0.0.123:9").port, 9)

    def test_decimal_zone(self) -> None:
        """G-4007-11.2-1: a zone may be a decimal index, the default one among them."""
        zones = [group(text).zone for text in ("ff02::fb%2", "ff02::fb%0", "ff02::fb")]
        self.assertEqual(zones, ["2", "0", ""])

    def test_decimal_zone_of_an_address(self) -> None:
        """G-4007-11.2-1: the same for an address that is no group."""
        self.assertEqual(parse_address("fe80::1%2"), (IPv6Address("fe80::1"), "2"))

    def test_two_delimiters(self) -> None:
        """G-4007-11.2-2: a zone does not contain "%"."""
        with self.assertRaisesRegex(ValueError, "ff02::1%a%b: the zone after '%'"):
            group("ff02::1%a%b")

    def test_empty_zone(self) -> None:
        """G-4007-11.2-2: a zone is a non-null string."""
        with self.assertRaisesRegex(ValueError, "ff02::1%: the zone after '%'"):
            group("ff02::1%")

    def test_no_port(self) -> None:
        with self.assertRaisesRegex(ValueError, "224.0.0.123: no port"):
            Group.parse("224.0.0.123")

    def test_port_zero(self) -> None:
        with self.assertRaisesRegex(ValueError, "port 0: outside 1-65535"):
            Group.parse("224.0.0.123:0")

    def test_port_too_large(self) -> None:
        with self.assertRaisesRegex(ValueError, "port 65536: outside 1-65535"):
            Group.parse("224.0.0.123:65536")

    def test_port_no_number(self) -> None:
        with self.assertRaisesRegex(ValueError, "port 'http' is not a number"):
            Group.parse("224.0.0.123:http")

    def test_bracket_left_open(self) -> None:
        with self.assertRaisesRegex(ValueError, r"expected \[ADDRESS\]"):
            Group.parse("[ff02::1:9")

    def test_unicast(self) -> None:
        with self.assertRaisesRegex(ValueError, "192.0.2.1: not a multicast address"):
            group("192.0.2.1")

    def test_name(self) -> None:
        with self.assertRaisesRegex(ValueError, "printer.local: not an IP address"):
            group("printer.local")


class PropertyTests(SynchronousTestCase):
    """What holds for all groups and all texts."""

    groups = st.builds(
        Group,
        st.one_of(
            st.integers(0xE0000000, 0xEFFFFFFF).map(IPv4Address),
            st.builds(
                lambda head, rest: IPv6Address(0xFF << 120 | head << 112 | rest),
                st.integers(0, 255).filter(lambda head: head & 0xF),
                st.integers(0, (1 << 112) - 1),
            ),
        ),
        st.integers(1, 65535),
        st.sampled_from(["", "eth0", "2", "wlp3s0", "br-lan.7"]),
    )

    @settings(deadline=None)
    @given(groups)
    def test_text_and_back(self, group: Group) -> None:
        self.assertEqual(Group.parse(str(group)), group)

    @settings(deadline=None)
    @given(groups)
    def test_text_without_port_and_back(self, group: Group) -> None:
        zone = f"%{group.zone}" if group.zone else ""
        self.assertEqual(Group.parse(f"{group.host}{zone}", group.port), group)

    @settings(deadline=None)
    @given(st.text(alphabet="0123456789abcdef:.[]%eth fF", max_size=50) | st.text(max_size=20))
    def test_any_text(self, text: str) -> None:
        """Any text is a group or a ValueError of one line."""
        try:
            Group.parse(text, PORT)
        except ValueError as problem:
            self.assertTrue(str(problem).isprintable(), str(problem))

    @settings(deadline=None)
    @given(groups)
    def test_source_specific_is_consistent(self, group: Group) -> None:
        """G-4607-1-1: the classifier agrees with the text of the address."""
        exploded = group.address.exploded
        expected = (
            exploded.startswith("232.")
            if group.family == 4
            else exploded[:3] == "ff3" and exploded[5:9] == "0000"
        )
        self.assertEqual(group.source_specific, expected)


class ClassificationTests(SynchronousTestCase):
    """What the bits of an address mean."""

    def test_permanent_link_local(self) -> None:
        """G-4291-2.7-1: ff02::fb has no flags and scope 2."""
        mdns = group("ff02::fb")
        self.assertEqual((mdns.flags, mdns.scope, mdns.transient), (0, Scope.LINK_LOCAL, False))

    def test_transient(self) -> None:
        """G-4291-2.7-1: ff15::1 has T=1 and scope 5."""
        self.assertEqual((group("ff15::1").transient, group("ff15::1").scope), (True, Scope.SITE_LOCAL))

    def test_unicast_is_no_group(self) -> None:
        """G-4291-2.7-1: fe80::1 is refused."""
        self.assertRaises(ValueError, group, "fe80::1")

    def test_scope_zero(self) -> None:
        """G-4291-2.7-2: nothing is sent to scope 0."""
        with self.assertRaisesRegex(ValueError, "ff00::1: scope 0 is reserved"):
            group("ff00::1")

    def test_scope_f_is_global(self) -> None:
        """G-4291-2.7-2: the reserved scope F is treated as global."""
        self.assertEqual(group("ff0f::1").scope, Scope.GLOBAL)

    def test_same_group_in_another_scope(self) -> None:
        """G-4291-2.7-3: ff05::fb is site-local and has the group id of ff02::fb."""
        self.assertEqual(group("ff05::fb").scope, Scope.SITE_LOCAL)
        self.assertEqual(group("ff05::fb").group_id, group("ff02::fb").group_id)

    def test_scope_names(self) -> None:
        """G-7346-2-1: all sixteen values."""
        self.assertEqual(
            [Scope(value).name for value in range(16)],
            [
                "RESERVED_0",
                "INTERFACE_LOCAL",
                "LINK_LOCAL",
                "REALM_LOCAL",
                "ADMIN_LOCAL",
                "SITE_LOCAL",
                "UNASSIGNED_6",
                "UNASSIGNED_7",
                "ORGANIZATION_LOCAL",
                "UNASSIGNED_9",
                "UNASSIGNED_A",
                "UNASSIGNED_B",
                "UNASSIGNED_C",
                "UNASSIGNED_D",
                "GLOBAL",
                "RESERVED_F",
            ],
        )

    def test_scopes_of_ipv6_groups(self) -> None:
        """G-7346-2-1: the scope of a group is its fourth nibble."""
        self.assertEqual([group(f"ff0{value:x}::1").scope for value in range(1, 15)], list(range(1, 15)))

    def test_who_needs_an_interface(self) -> None:
        """G-7346-2-2: the boundaries of scopes 1 to 3 come from the links, so those need an interface."""
        needing = [value for value in range(1, 16) if group(f"ff0{value:x}::1").requires_interface]
        self.assertEqual(needing, [1, 2, 3])

    def test_local_network_control_block(self) -> None:
        """G-5771-4-1: 224.0.0.0/24 stays on the link and needs an interface; 224.0.1.1 is not in it."""
        edges = [group(text) for text in ("224.0.0.0", "224.0.0.251", "224.0.0.255", "224.0.1.1")]
        self.assertEqual(
            [each.scope for each in edges],
            [Scope.LINK_LOCAL, Scope.LINK_LOCAL, Scope.LINK_LOCAL, Scope.GLOBAL],
        )
        self.assertEqual([each.requires_interface for each in edges], [True, True, True, False])

    def test_ipv4_multicast_space(self) -> None:
        """G-5771-10-1: 224.0.0.0/4 is multicast, and nothing beyond."""
        self.assertEqual(group("224.0.0.0").family, 4)
        self.assertRaises(ValueError, group, "223.255.255.255")
        self.assertRaises(ValueError, group, "240.0.0.0")

    def test_administratively_scoped(self) -> None:
        """G-5771-10-1: 239.0.0.0/8."""
        scopes = [group(text).scope for text in ("238.255.255.255", "239.0.0.0", "239.255.255.255")]
        self.assertEqual(scopes, [Scope.GLOBAL, Scope.ADMIN_LOCAL, Scope.ADMIN_LOCAL])

    def test_ipv4_source_specific(self) -> None:
        """G-4607-1-1: the edges of 232.0.0.0/8."""
        edges = ("231.255.255.255", "232.0.0.0", "232.255.255.255", "233.0.0.0")
        self.assertEqual([group(text).source_specific for text in edges], [False, True, True, False])

    def test_ipv6_source_specific(self) -> None:
        """G-4607-1-1: the edges of ff3x::/32."""
        edges = ("ff2e:ffff::1", "ff31::", "ff3e::1", "ff3e:0:ffff::1", "ff3e:1::1", "ff4e::1")
        expected = [False, True, True, True, False, False]
        self.assertEqual([group(text).source_specific for text in edges], expected)
