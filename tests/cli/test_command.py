"""Tests for what the sub-commands share, and for what they refuse."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO, TextIOWrapper
from ipaddress import ip_address
from types import ModuleType
from typing import Any
from unittest import skipUnless

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mcast.cli import COMMANDS, groups, interfaces, listen, main, ping, send
from mcast.cli.command import CommandError, Output, Parser
from mcast.showing import one_line
from mcast.sockets import protocol
from mcast.sockets.interface import Interface, InterfaceAddress

ETH0 = Interface(
    "eth0", 2, (InterfaceAddress(ip_address("192.0.2.1"), 24), InterfaceAddress(ip_address("fe80::1"), 64))
)
ETH1 = Interface("eth1", 3, (InterfaceAddress(ip_address("198.51.100.1"), 24),))
DOWN = Interface("eth2", 4, (), up=False)


def called(*words: str) -> tuple[int, str, str]:
    """Return status, output and errors of a command that needs no reactor."""
    output, errors = StringIO(), StringIO()
    with redirect_stdout(output), redirect_stderr(errors):
        status = main(words)
    return status, output.getvalue(), errors.getvalue()


_COMMAND_FIRST = "mcast: --json: the command comes first, its options after it: mcast COMMAND --option\n"


class MainTests(SynchronousTestCase):
    def test_help_names_every_command(self) -> None:
        status, output, _ = called("--help")
        self.assertEqual(status, 0)
        self.assertEqual([name for name in COMMANDS if f"  {name} " not in output], [])

    def test_nothing(self) -> None:
        status, output, _ = called()
        self.assertEqual((status, output[:6]), (2, "usage:"))

    def test_help_fits_the_terminal(self) -> None:
        """Each page, at 80 columns; the lines of examples stay apart."""
        self.patch(os, "environ", {**os.environ, "COLUMNS": "80"})
        for name in COMMANDS:
            with self.subTest(name=name):
                status, printed, _ = called(name, "--help")
                self.assertEqual(status, 0)
                self.assertEqual([line for line in printed.splitlines() if len(line) > 80], [])
        self.assertIn("\n  mcast resolve kitchen.local ", called("resolve", "--help")[1])

    def test_version(self) -> None:
        self.assertEqual(called("--version")[0], 0)

    def test_unknown_command(self) -> None:
        status, output, errors = called("pong")
        self.assertEqual((status, output), (2, ""))
        self.assertTrue(errors.startswith("mcast: pong: no such command; there are ping, listen,"))
        self.assertEqual(errors.count("\n"), 1)

    def test_word_that_is_nearly_a_command(self) -> None:
        self.assertIn("; did you mean resolve?", called("resolv")[2])
        self.assertIn("mcast: pong: no such command", called("help", "pong")[2])

    def test_options_before_the_command(self) -> None:
        """They are taken where other tools take them."""
        self.assertEqual(called("--json", "ping", "192.0.2.1"), called("ping", "--json", "192.0.2.1"))
        self.assertEqual(called("--json")[1:], ("", _COMMAND_FIRST))

    def test_help_of_a_command_as_elsewhere(self) -> None:
        for words in (("help", "ping"), ("--help", "ping")):
            with self.subTest(words=words):
                self.assertEqual(called(*words), called("ping", "--help"))

    def test_help_of_a_command(self) -> None:
        status, output, _ = called("ping", "--help")
        self.assertEqual(status, 0)
        for option in ("-c", "-i", "-s", "-t", "-I", "-w", "--source", "--expect", "--no-loopback", "--json"):
            self.assertIn(option, output)

    def test_starts_lightly(self) -> None:
        """Help takes no reactor, and none of the other commands."""
        program = (
            "import sys; before = set(sys.modules); from mcast.cli import main; main(['--help']); "
            "print([each for each in set(sys.modules) - before if each.split('.')[0] in ('twisted', 'zope')])"
        )
        done = os.popen(f'"{sys.executable}" -c "{program}"').read()
        self.assertEqual(done.splitlines()[-1], "[]")

    def test_collector(self) -> None:
        """It looks no more at what was loaded when the reactor starts."""
        program = (
            "import argparse, gc, sys\n"
            "from mcast.cli.command import Output, run_command\n"
            "async def run(reactor, arguments, output): return gc.get_freeze_count() > 10000\n"
            "print(run_command('test', run, argparse.Namespace(), Output(sys.stdout, json_lines=False)))\n"
        )
        self.assertEqual(os.popen(f'{sys.executable} -c "{program}"').read(), "True\n")

    @skipUnless(os.path.exists("/dev/full"), "there is no /dev/full here")
    def test_full_disk(self) -> None:
        """One line, and the status of a failure."""
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
        with open("/dev/full", "w", encoding="ascii") as full:
            command = (sys.executable, "-m", "mcast.cli", "interfaces")
            done = subprocess.run(
                command, stdout=full, stderr=subprocess.PIPE, text=True, env=environment, check=False
            )
        self.assertEqual((done.returncode, done.stderr), (2, "mcast interfaces: No space left on device\n"))


class BadArgumentTests(SynchronousTestCase):
    """One line that names the value and the cause, and exit status 2."""

    def refused(self, line: str, *words: str) -> None:
        self.assertEqual(called(*words), (2, "", line + "\n"))

    def test_no_multicast_address(self) -> None:
        self.refused(
            "mcast ping: argument GROUP[:PORT]: 192.0.2.1: not a multicast address", "ping", "192.0.2.1"
        )

    def test_no_address(self) -> None:
        self.refused("mcast listen: argument GROUP[:PORT]: x.local: not an IP address", "listen", "x.local")

    def test_port(self) -> None:
        self.refused(
            "mcast send: argument GROUP[:PORT]: port 0: outside 1-65535", "send", "224.0.0.123:0", "Hello"
        )

    def test_port_without_brackets(self) -> None:
        self.refused(
            "mcast ping: argument GROUP[:PORT]: ff02::123:7645: if 7645 is a port, write [ff02::123]:7645; "
            "if it is part of the address, [ff02::123:7645]",
            *("ping", "ff02::123:7645"),
        )

    def test_list_of_types_in_another_domain(self) -> None:
        self.refused(
            "mcast browse: argument TYPE[,SUBTYPE…]: service type '_services._dns-sd._udp.example.com': "
            'write "_services._dns-sd._udp"; a domain is given separately',
            *("browse", "_services._dns-sd._udp.example.com"),
        )

    def test_port_no_number(self) -> None:
        self.refused(
            "mcast ping: argument GROUP[:PORT]: 224.0.0.123:x: port 'x' is not a number from 1 to 65535",
            *("ping", "224.0.0.123:x"),
        )

    def test_ttl(self) -> None:
        self.refused("mcast ping: argument -t/--ttl: 256: outside 0-255", "ping", "224.0.0.123", "-t", "256")

    def test_negative_ttl(self) -> None:
        self.refused("mcast ping: argument -t/--ttl: -1: outside 0-255", "ping", "224.0.0.123", "--ttl=-1")

    def test_interval(self) -> None:
        self.refused(
            "mcast ping: argument -i/--interval: 0: less than 0.0001", "ping", "224.0.0.123", "-i", "0"
        )

    def test_interval_not_a_number(self) -> None:
        self.refused(
            "mcast ping: argument -i/--interval: nan: less than 0.0001", "ping", "224.0.0.123", "-i", "nan"
        )

    def test_size(self) -> None:
        self.refused(
            "mcast ping: argument -s/--size: 65508: outside 0-65507", "ping", "224.0.0.123", "-s", "65508"
        )

    def test_count(self) -> None:
        self.refused(
            "mcast ping: argument -c/--count: many: not a whole number", "ping", "224.0.0.123", "-c", "many"
        )

    def test_no_group(self) -> None:
        self.refused("mcast ping: the following arguments are required: GROUP[:PORT]", "ping")

    def test_unknown_option(self) -> None:
        self.refused("mcast ping: unrecognized arguments: --fast", "ping", "224.0.0.123", "--fast")

    def test_hex_and_stats(self) -> None:
        self.refused(
            "mcast listen: argument --stats: not allowed with argument --hex",
            *("listen", "224.0.0.123", "--hex", "--stats", "1"),
        )


class BadHostTests(SynchronousTestCase):
    """What only the host can tell is refused in one line too."""

    def setUp(self) -> None:
        available = (ETH0, ETH1, DOWN)
        self.patch(groups, "interfaces", lambda: available)
        self.patch(interfaces, "interfaces", lambda: available)
        self.patch(
            protocol.GroupProtocol.__init__,
            "__kwdefaults__",
            {
                **(protocol.GroupProtocol.__init__.__kwdefaults__ or {}),
                "enumerate_interfaces": lambda: available,
                "use_netlink": False,
            },
        )

    def refused(self, command: ModuleType, line: str, *words: str) -> None:
        parser = Parser()
        command.configure(parser)
        arguments = parser.parse_intermixed_args(words)
        output = Output(StringIO(), json_lines=False)
        running: Deferred[Any] = Deferred.fromCoroutine(command.run(Clock(), arguments, output))
        self.assertEqual(one_line(self.failureResultOf(running, CommandError).value), line)

    def test_unknown_interface(self) -> None:
        line = "interface eth9: no such interface, index or address on this host"
        for command in (ping, listen, send):
            self.refused(command, line, "224.0.0.123", "-I", "eth9")
        self.refused(interfaces, line, "-I", "eth9")

    def test_interface_that_is_down(self) -> None:
        for command in (ping, listen, send):
            self.refused(command, "interface eth2: is down", "224.0.0.123", "-I", "eth2")

    def test_unknown_zone(self) -> None:
        self.refused(
            ping,
            "[ff02::123%eth9]:7645: interface eth9: no such interface, index or address on this host",
            "ff02::123%eth9",
        )

    def test_no_address_of_the_family(self) -> None:
        self.refused(ping, "[ff02::123%eth1]:7645: no IPv6 address on eth1", "ff02::123%eth1")

    def test_one_of_several_without_address(self) -> None:
        self.refused(
            send,
            "interface eth1: has no IPv6 address, for [ff02::123]:7645",
            *("ff02::123", "x", "-I", "eth0", "-I", "eth1"),
        )

    def test_source_of_the_other_family(self) -> None:
        self.refused(
            ping,
            "--source fe80::1: is not an IPv4 address as 224.0.0.123:7645 is",
            *("224.0.0.123", "--source", "fe80::1"),
        )
        self.refused(
            listen,
            "source fe80::1: not of the family of group 224.0.0.123 (IPv4)",
            *("224.0.0.123", "--source", "fe80::1"),
        )

    def test_source_not_ours(self) -> None:
        self.refused(
            ping,
            "--source 192.0.2.77: not an address of this host",
            *("224.0.0.123", "--source", "192.0.2.77"),
        )

    def test_source_no_address(self) -> None:
        self.refused(ping, "--source me: not an IP address", "224.0.0.123", "--source", "me")

    def test_source_specific_group_without_source(self) -> None:
        self.refused(listen, "232.1.1.1: a source-specific group needs a source (RFC 4607)", "232.1.1.1")

    def test_no_usable_interface(self) -> None:
        self.patch(groups, "interfaces", lambda: (DOWN,))
        self.refused(ping, "no usable interface: none is up and capable of multicast", "224.0.0.123")

    def test_text_and_file(self) -> None:
        self.refused(send, "give TEXT or --file, not both", "224.0.0.123", "Hello", "--file", "x")

    def test_file_too_large(self) -> None:
        with tempfile.NamedTemporaryFile() as file:
            file.write(bytes(65508))
            file.flush()
            self.refused(
                send,
                f"{file.name}: more than the 65507 octets of a datagram",
                *("224.0.0.123", "--file", file.name),
            )


class InterfaceChoiceTests(SynchronousTestCase):
    """Where a group is sent to."""

    def setUp(self) -> None:
        self.patch(groups, "interfaces", lambda: (ETH0, ETH1, DOWN))

    def chosen(self, group: str, *selectors: str, source: str = "") -> list[str]:
        return [each.name for each in groups.sending_interfaces(groups.parse_group(group), selectors, source)]

    def test_all(self) -> None:
        self.assertEqual(self.chosen("224.0.0.123"), ["eth0", "eth1"])

    def test_those_with_an_address_of_the_family(self) -> None:
        self.assertEqual(self.chosen("ff02::123"), ["eth0"])

    def test_named(self) -> None:
        self.assertEqual(self.chosen("224.0.0.123", "198.51.100.1"), ["eth1"])

    def test_zone(self) -> None:
        """A zone in the group names the interface; it may be named twice."""
        self.assertEqual(self.chosen("ff02::123%eth0"), ["eth0"])
        self.assertEqual(self.chosen("ff02::123%eth0", "eth0"), ["eth0"])

    def test_zone_and_another_interface(self) -> None:
        with self.assertRaisesRegex(CommandError, r"interface eth1: is not that of \[ff02::123%eth0\]:7645"):
            self.chosen("ff02::123%eth0", "eth1")

    def test_zone_and_unknown_interface(self) -> None:
        with self.assertRaisesRegex(CommandError, "interface eth9: no such interface"):
            self.chosen("ff02::123%eth0", "eth9")

    def test_source(self) -> None:
        self.assertEqual(self.chosen("224.0.0.123", source="198.51.100.1"), ["eth1"])


class OutputTests(SynchronousTestCase):
    def test_text(self) -> None:
        stream = StringIO()
        output = Output(stream, json_lines=False)
        output.text("hello")
        output.event(event="hello")
        self.assertEqual(stream.getvalue(), "hello\n")

    def test_json(self) -> None:
        stream = StringIO()
        output = Output(stream, json_lines=True)
        output.text("hello")
        output.event(event="grüße", number=1, nothing=None)
        self.assertEqual(json.loads(stream.getvalue()), {"event": "grüße", "number": 1, "nothing": None})

    def test_flushed_at_once(self) -> None:
        flushed = []

        class Stream(StringIO):
            def flush(self) -> None:
                flushed.append(self.getvalue())

        output = Output(Stream(), json_lines=True)
        output.event(event="a")
        self.assertEqual(flushed, ['{"event": "a"}\n'])

    def test_reader_gone(self) -> None:
        """`mcast listen … | head` ends without a complaint."""
        reading, writing = os.pipe()
        os.close(reading)
        gone = []
        with open(writing, "w", encoding="utf-8") as stream:
            output = Output(stream, json_lines=False)
            output.on_closed = lambda: gone.append(True)
            output.text("one")
            output.text("two")
        self.assertEqual((output.closed, gone), (True, [True]))

    def test_terminal_without_unicode(self) -> None:
        reading, writing = os.pipe()
        with open(writing, "w", encoding="ascii") as stream:
            Output(stream, json_lines=False).text("grün")
        with TextIOWrapper(open(reading, "rb"), encoding="ascii") as stream:
            self.assertEqual(stream.read(), "gr\\xfcn\n")


class ArgumentTests(SynchronousTestCase):
    def test_words_after_options(self) -> None:
        """`mcast send GROUP -c 3 Hello` reads as it looks."""
        parser = Parser()
        send.configure(parser)
        arguments: argparse.Namespace = parser.parse_intermixed_args(["224.0.0.123", "-c", "3", "Hello"])
        self.assertEqual((arguments.count, arguments.text), (3, "Hello"))
