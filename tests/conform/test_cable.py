"""A device on a cable: what it can be made to do, and by whom."""

from __future__ import annotations

import os
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.trial.unittest import SynchronousTestCase

from mcast.conform import cable
from mcast.conform.cable import our_addresses, require_frames, still_told
from mcast.conform.devices import BrowsingDevice, Device
from mcast.conform.hooks import Hooks
from mcast.conform.packets import Packet, Sender, packet_of
from mcast.conform.person import Person
from mcast.conform.subjects import Action, Names
from mcast.conform.verdicts import NotRunError
from mcast.dns.codes import RESPONSE_FLAGS, RecordType
from mcast.dns.messages import Message, Question, encode
from mcast.dns.names import Name
from mcast.dns.records import Record, address, pointer
from mcast.sockets.frames import Datagram
from mcast.sockets.interface import Interface, InterfaceAddress, interfaces
from tests.conform.bench_lab import NAMES, BenchLab, FakeLink, packet, probe


class Agreeable(Person):
    """A person who presses Enter at once, or types s."""

    def __init__(self, agrees: bool = True) -> None:
        self.agrees = agrees
        self.heard: list[str] = []

    def asked(self, text: str) -> Deferred[bool]:
        self.heard.append(text)
        return succeed(self.agrees)


class HookTests(SynchronousTestCase):
    """A hook, a person, or nobody."""

    def actions(self, hooks: Hooks) -> frozenset[Action]:
        return Device(None, "printer", hooks, BenchLab().view).actions

    def test_nobody(self) -> None:
        self.assertEqual(self.actions(Hooks({}, None)), frozenset())

    def test_a_person_can_do_all(self) -> None:
        self.assertEqual(self.actions(Hooks({}, Agreeable())), frozenset(Action))

    def test_a_restart_ends_and_starts(self) -> None:
        self.assertEqual(self.actions(Hooks({"restart": "x"}, None)), {Action.START, Action.KILL})

    def test_one_of_each(self) -> None:
        hooks = Hooks({"start": "a", "restart": "b", "unplug": "c"}, None)
        self.assertEqual([hooks.of(each) for each in (Action.START, Action.UNPLUG)], ["a", "c"])
        self.assertIsNone(hooks.of(Action.PLUG))

    def test_what_nobody_does(self) -> None:
        lab = BenchLab()
        device = Device(None, "printer", Hooks({}, None), lab.view)
        with self.assertRaisesRegex(NotRunError, "--hook unplug"):
            lab.run(device.act(Action.UNPLUG))

    def test_it_runs_until_it_is_ended(self) -> None:
        lab = BenchLab()
        device = Device(None, "printer", Hooks({"restart": "x"}, None), lab.view)
        self.assertTrue(device.is_running)
        lab.run(device.act(Action.KILL))  # by the restart that follows
        self.assertFalse(device.is_running)

    def test_what_was_skipped_is_not_asked_for_again(self) -> None:
        lab, person = BenchLab(), Agreeable(False)
        device = Device(None, "printer", Hooks({}, person), lab.view)
        for _ in range(2):
            with self.assertRaisesRegex(NotRunError, "skipped at the terminal: cut the power"):
                lab.run(device.act(Action.KILL))
        self.assertEqual(len(person.heard), 1)
        self.assertEqual(device.actions, frozenset(Action) - {Action.KILL})

    def test_a_new_name_is_told(self) -> None:
        lab, person = BenchLab(), Agreeable()
        lab.run(Device(None, "printer", Hooks({}, person), lab.view).act(Action.RENAME, "Other"))
        self.assertEqual(person.heard, ["give the device the name “Other”"])


class Hesitant(Agreeable):
    """A person who presses nothing."""

    def asked(self, text: str) -> Deferred[bool]:
        self.heard.append(text)
        return Deferred()


class StartTests(SynchronousTestCase):
    """What is to be answered in a quarter of a second does not wait for Enter."""

    def test_a_probe_ends_the_wait(self) -> None:
        lab = BenchLab()
        device = Device(None, "printer", Hooks({}, Hesitant()), lab.view)
        proposed = [address(NAMES.host, "10.0.0.2", 120)]
        lab.play(probe(3.0, Question(NAMES.host, RecordType.ANY), proposed=proposed))
        lab.run(device.act(Action.START))
        self.assertLess(lab.clock.seconds(), 3.1)

    def test_another_query_does_not(self) -> None:
        """A device that is restarted may speak before it goes down."""
        lab = BenchLab()
        device = Device(None, "printer", Hooks({}, Hesitant()), lab.view)
        lab.play(packet(3.0, Message(questions=[Question(NAMES.host, RecordType.A)])))
        with self.assertRaises(ValueError):  # it goes on
            lab.run(device.act(Action.START), 30.0)


class FakeReader:
    """The part of a reactor that waits for a person."""

    def __init__(self) -> None:
        self.readers: list[Any] = []
        self.addReader = self.readers.append
        self.removeReader = self.readers.remove


class PersonTests(SynchronousTestCase):
    """Enter, or s and Enter, on what stands for a terminal."""

    def setUp(self) -> None:
        self.reactor, self.said = FakeReader(), list[str]()
        read, self.write = os.pipe()
        self.addCleanup(os.close, read)
        self.person = Person(self.reactor, self.said.append, read)

    def typed(self, data: bytes) -> bool:
        asked = self.person.asked("push it")
        os.write(self.write, data)
        self.reactor.readers[0].doRead()
        self.assertEqual(self.reactor.readers, [])
        return self.successResultOf(asked)

    def test_done(self) -> None:
        self.assertTrue(self.typed(b"\n"))
        self.assertEqual(self.said, ["Please push it, then press Enter (s and Enter: skip it)."])

    def test_skipped(self) -> None:
        self.assertFalse(self.typed(b"S\n"))

    def test_the_terminal_ends(self) -> None:
        os.close(self.write)
        asked = self.person.asked("push it")
        self.reactor.readers[0].doRead()
        self.assertFalse(self.successResultOf(asked))

    def test_taken_back(self) -> None:
        self.person.asked("push it").addErrback(lambda _: None).cancel()
        self.assertEqual(self.reactor.readers, [])


KIND = NAMES.type
QUERIER_NAMES = replace(Names.parse("conform-subject.local", "none._ipp._tcp"), browses=True, is_told=False)


class FakeInterface(FakeLink):
    """A link that knows no subject yet."""

    def __init__(self, lab: BenchLab) -> None:
        super().__init__(lab.view)
        self.view = lab.view
        self.adopted: list[bytes] = []

    def adopt(self, mac: bytes) -> None:
        self.adopted.append(mac)


class BrowsingTests(SynchronousTestCase):
    """What browses is known by its first question."""

    def setUp(self) -> None:
        self.lab = BenchLab()
        self.link: Any = FakeInterface(self.lab)
        self.hooks = Hooks({}, Hesitant())

    def device(self) -> BrowsingDevice:
        return BrowsingDevice(None, QUERIER_NAMES, self.hooks, self.link, False)

    def asks(self, at: float, mac: bytes) -> Packet:
        assert KIND is not None
        data = encode(Message(questions=[Question(KIND, RecordType.PTR)]))
        return packet_of(at, Sender.OTHER, Datagram(mac, "10.0.0.9", 5353, "224.0.0.251", 5353, data))

    def test_who_asks_first(self) -> None:
        device = self.device()
        self.lab.play(self.asks(7.0, b"first."), self.asks(8.0, b"second"))
        self.lab.run(device.act(Action.START))
        self.assertEqual((self.link.adopted, self.hooks.met_mac), ([b"first."], b"first."))
        self.assertTrue(device.is_running)

    def test_the_same_one_in_the_next_group(self) -> None:
        self.hooks.met_mac = b"second"
        self.lab.play(self.asks(7.0, b"first."), self.asks(8.0, b"second"))
        self.lab.run(self.device().act(Action.START))
        self.assertEqual(self.link.adopted, [b"second"])

    def test_nobody_asks(self) -> None:
        self.hooks = Hooks({}, Agreeable())
        with self.assertRaisesRegex(NotRunError, "nobody asks for _ipp._tcp.local. within 45 s"):
            self.lab.run(self.device().act(Action.START))

    def test_nobody_is_there(self) -> None:
        self.hooks = Hooks({}, None)
        self.assertEqual(self.device().actions, frozenset())
        with self.assertRaisesRegex(NotRunError, "--hook browse="):
            self.lab.run(self.device().act(Action.START))


class TakenBackTests(SynchronousTestCase):
    """What we told on a real link does not stay there."""

    def told(self, *packets: Packet) -> list[Record]:
        return list(still_told(packets, 10.0, NAMES))

    def of_ours(self, *records: Record) -> Packet:
        return packet(1.0, Message(flags=RESPONSE_FLAGS, answers=records), Sender.JUDGE)

    def test_what_lives_on(self) -> None:
        long = address(Name.parse("mcast-x.local"), "10.0.0.1", 120)
        short = address(Name.parse("mcast-y.local"), "10.0.0.1", 20)
        self.assertEqual(self.told(self.of_ours(long, short)), [long])

    def test_what_was_taken_back_before(self) -> None:
        record = address(Name.parse("mcast-x.local"), "10.0.0.1", 120)
        self.assertEqual(self.told(self.of_ours(record), self.of_ours(record.with_ttl(0))), [])

    def test_names_of_the_device(self) -> None:
        assert KIND is not None
        assert NAMES.service is not None
        records = (address(NAMES.host, "10.0.0.9", 120), pointer(KIND, NAMES.service, 4500))
        self.assertEqual(self.told(self.of_ours(*records)), [])


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
