"""A device on a cable: what it can be made to do, and by whom."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from twisted.trial.unittest import SynchronousTestCase

from mcast.conform import cable
from mcast.conform.cable import Device, Hooks, our_addresses, require_frames
from mcast.conform.subjects import Action
from mcast.conform.verdicts import NotRunError
from mcast.sockets.interface import Interface, InterfaceAddress, interfaces
from tests.conform.bench_lab import BenchLab


class HookTests(SynchronousTestCase):
    """A hook, a person, or nobody."""

    def actions(self, hooks: Hooks) -> frozenset[Action]:
        return Device(None, "printer", hooks).actions

    def test_nobody(self) -> None:
        self.assertEqual(self.actions(Hooks({}, None)), frozenset())

    def test_a_person_can_do_all(self) -> None:
        self.assertEqual(self.actions(Hooks({}, lambda _: None)), frozenset(Action))

    def test_a_restart_ends_and_starts(self) -> None:
        self.assertEqual(self.actions(Hooks({"restart": "x"}, None)), {Action.START, Action.KILL})

    def test_one_of_each(self) -> None:
        hooks = Hooks({"start": "a", "restart": "b", "unplug": "c"}, None)
        self.assertEqual([hooks.of(each) for each in (Action.START, Action.UNPLUG)], ["a", "c"])
        self.assertIsNone(hooks.of(Action.PLUG))

    def test_what_nobody_does(self) -> None:
        lab = BenchLab()
        device = Device(None, "printer", Hooks({}, None))
        with self.assertRaisesRegex(NotRunError, "nobody is there to pull the network cable"):
            lab.run(device.act(Action.UNPLUG))

    def test_it_runs_until_it_is_ended(self) -> None:
        lab = BenchLab()
        device = Device(None, "printer", Hooks({"restart": "x"}, None))
        self.assertTrue(device.is_running)
        lab.run(device.act(Action.KILL))  # by the restart that follows
        self.assertFalse(device.is_running)


class RootTests(SynchronousTestCase):
    """Who may not see frames is told so once, before anything is played."""

    def refused(self, error: OSError) -> str:
        def refuse(interface: str, *, receives: bool) -> None:
            raise error

        self.patch(cable, "open_packet_socket", refuse)
        loopback = next(each.name for each in interfaces() if each.name.startswith("lo"))
        with self.assertRaises(NotRunError) as caught:
            require_frames(loopback)
        return str(caught.exception)

    def test_no_root(self) -> None:
        self.assertEqual(
            self.refused(PermissionError(1, "no")), "whole frames are seen by root only: run it with sudo"
        )

    def test_no_such_interface(self) -> None:
        with self.assertRaisesRegex(NotRunError, "none-such0"):
            require_frames("none-such0")


class AddressTests(SynchronousTestCase):
    """The addresses that we send from."""

    def test_of_both_families(self) -> None:
        addresses = (
            InterfaceAddress(IPv6Address("2001:db8::1"), 64),
            InterfaceAddress(IPv6Address("fe80::1"), 64),
            InterfaceAddress(IPv4Address("192.0.2.1"), 24),
        )
        self.assertEqual(our_addresses(Interface("eth0", 2, addresses)), ("192.0.2.1", "fe80::1"))

    def test_no_ipv6(self) -> None:
        addresses = (InterfaceAddress(IPv4Address("192.0.2.1"), 24),)
        self.assertEqual(our_addresses(Interface("eth0", 2, addresses)), ("192.0.2.1", ""))

    def test_no_ipv4(self) -> None:
        with self.assertRaisesRegex(ValueError, "no IPv4 address"):
            our_addresses(Interface("eth0", 2))
