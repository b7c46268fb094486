"""Tests for the `twist mcast` command line."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from ipaddress import ip_address

from twisted.application.service import IService, IServiceMaker, Service
from twisted.internet.error import CannotListenError
from twisted.internet.task import Clock
from twisted.plugin import getPlugins
from twisted.python.usage import Options as UsageOptions
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from mcast.echo.responder import EchoRules
from mcast.echo.sources import DEFAULT_MAX_RATE
from mcast.sockets.interface import Interface, InterfaceAddress
from mcast.tap import mdns, tap
from mcast.tap.echo import make_echo_service
from mcast.version import version, versions

ETH0 = Interface(
    "eth0", 2, (InterfaceAddress(ip_address("192.0.2.1"), 24), InterfaceAddress(ip_address("fe80::1"), 64))
)
DOWN = Interface("eth1", 3, (), up=False)


def parsed(*words: str) -> tap.Options:
    options = tap.Options()
    options.parseOptions(words)
    return options


class HelpTests(SynchronousTestCase):
    """What `--help` and `--version` print."""

    def test_no_runs_of_blanks(self) -> None:
        """The indentation of our docstrings is none of the user's business."""
        for options in (tap.Options(), mdns.Options()):
            texts = [line[21:] for line in options.getUsage(80).splitlines() if line.startswith("  ")]
            self.assertEqual([text for text in texts if re.search(r"\w  +\w", text)], [])

    def test_version(self) -> None:
        """It is ours, and not Twisted's."""
        for options in (tap.Options(), mdns.Options()):
            printed = StringIO()
            with redirect_stdout(printed):
                leaving = self.assertRaises(SystemExit, options.parseOptions, ["--version"])
            self.assertEqual((leaving.code, printed.getvalue()), (0, f"{versions()}\n"))
            self.assertEqual(printed.getvalue().splitlines()[0], f"mcast {version()}")


class OptionTests(SynchronousTestCase):
    def groups(self, *words: str) -> list[str]:
        return [str(group) for group in parsed(*words)["groups"]]

    def test_default(self) -> None:
        self.assertEqual(self.groups(), ["224.0.0.123:7645", "[ff02::123]:7645"])

    def test_default_groups_on_another_port(self) -> None:
        self.assertEqual(self.groups("--port", "9"), ["224.0.0.123:9", "[ff02::123]:9"])

    def test_several_groups(self) -> None:
        self.assertEqual(
            self.groups("--group", "224.0.0.123", "--group", "ff02::123%eth0", "--port", "7"),
            ["224.0.0.123:7", "[ff02::123%eth0]:7"],
        )

    def test_port_of_a_group(self) -> None:
        """--port is for groups that name none, wherever it stands."""
        self.assertEqual(
            self.groups("--group", "224.0.0.1:1", "--port", "2", "--group", "224.0.0.2"),
            ["224.0.0.1:1", "224.0.0.2:2"],
        )

    def test_other_defaults(self) -> None:
        options = parsed()
        self.assertEqual(
            [options[name] for name in ("interfaces", "sources", "reply", "ttl", "max_rate", "no-loopback")],
            [[], [], None, None, DEFAULT_MAX_RATE, 0],
        )

    def test_everything(self) -> None:
        options = parsed(
            *("--interface", "eth0", "--interface", "192.0.2.1", "--reply", "da bin ich", "--ttl", "0"),
            *("--group", "232.1.1.1", "--source", "192.0.2.2", "--source", "192.0.2.3"),
            *("--max-rate", "0", "--no-loopback"),
        )
        self.assertEqual(
            [options[name] for name in ("interfaces", "sources", "reply", "ttl", "max_rate", "no-loopback")],
            [["eth0", "192.0.2.1"], ["192.0.2.2", "192.0.2.3"], b"da bin ich", 0, 0, 1],
        )

    def test_service(self) -> None:
        """What was asked for reaches the responder."""
        options = parsed("--interface", "eth0", "--reply", "x", "--no-loopback", "--max-rate", "5")
        responder = make_echo_service(None, options).responder
        self.assertEqual(responder.interfaces, ("eth0",))
        self.assertEqual(responder.rules, EchoRules(b"x", 5, False))

    def test_answer_group(self) -> None:
        """Only where it is asked for: each answer goes to all members of the group."""
        rules = [
            make_echo_service(None, parsed(*words)).responder.rules for words in ([], ["--answer-group"])
        ]
        self.assertEqual([each.answer_group for each in rules], [False, True])


class BadOptionTests(SynchronousTestCase):
    """One line that names the value and the cause, and exit status 1."""

    def refused(self, line: str, *words: str) -> None:
        leaving = self.assertRaises(SystemExit, parsed, *words)
        # A string is printed on standard error, and the status is then 1.
        self.assertEqual(leaving.code, line)

    def test_no_multicast_address(self) -> None:
        self.refused("mcast: --group 192.0.2.1: not a multicast address", "--group", "192.0.2.1")

    def test_no_address(self) -> None:
        self.refused("mcast: --group printer.local: not an IP address", "--group", "printer.local")

    def test_empty_group(self) -> None:
        self.refused("mcast: --group : not an IP address", "--group", "")

    def test_port_without_brackets(self) -> None:
        self.refused(
            "mcast: --group ff02::123:7645: if 7645 is a port, write [ff02::123]:7645; if it is part of the "
            "address, [ff02::123:7645]",
            *("--group", "ff02::123:7645"),
        )

    def test_port_zero(self) -> None:
        self.refused("mcast: --port 0: not a number from 1 to 65535", "--port", "0")

    def test_port_too_large(self) -> None:
        self.refused("mcast: --port 65536: not a number from 1 to 65535", "--port", "65536")

    def test_port_no_number(self) -> None:
        self.refused("mcast: --port http: not a number from 1 to 65535", "--port", "http")

    def test_port_of_many_digits(self) -> None:
        """Python converts no more than 4300 digits."""
        self.assertRaises(SystemExit, parsed, "--port", "1" * 5000)

    def test_port_of_a_group(self) -> None:
        self.refused("mcast: --group port 65536: outside 1-65535", "--group", "224.0.0.1:65536")

    def test_source_of_the_other_family(self) -> None:
        self.refused(
            "mcast: source fe80::1: not of the family of any group",
            *("--group", "224.0.0.1", "--source", "192.0.2.1", "--source", "fe80::1"),
        )

    def test_source_only_of_the_other_family(self) -> None:
        self.refused(
            "mcast: source fe80::1: not of the family of group 224.0.0.1 (IPv4)",
            *("--group", "224.0.0.1", "--source", "fe80::1"),
        )

    def test_source_specific_group_without_source(self) -> None:
        self.refused(
            "mcast: 232.1.1.1: a source-specific group needs a source (RFC 4607)", "--group", "232.1.1.1"
        )

    def test_ttl(self) -> None:
        self.refused("mcast: --ttl 256: not a number from 0 to 255", "--ttl", "256")

    def test_negative_ttl(self) -> None:
        self.refused("mcast: --ttl -1: not a number from 0 to 255", "--ttl", "-1")

    def test_max_rate(self) -> None:
        self.refused("mcast: --max-rate fast: not a number from 0 to 1000000000", "--max-rate", "fast")

    def test_unknown_option(self) -> None:
        self.refused("mcast: option --grup not recognized", "--grup", "224.0.0.1")

    def test_stray_word(self) -> None:
        names = ", ".join(name for name, _, _ in tap.SUBCOMMANDS)
        self.refused(
            f"mcast: 224.0.0.1: no such sub-command ({names}); name a group by --group 224.0.0.1", "224.0.0.1"
        )


class AwaitedInterfaceTests(SynchronousTestCase):
    """A machine boots before its network: what is not there yet is waited for, with one line."""

    def awaited(self, line: str, *words: str, available: tuple[Interface, ...] = (ETH0, DOWN)) -> None:
        service = tap.McastService(None)
        child = make_echo_service(Clock(), parsed(*words))
        child.responder._enumerate = lambda: available
        child.responder._use_netlink = False
        lines: list[str] = []
        self.patch(child.responder, "interface_awaited", lines.append)
        child.setServiceParent(service)
        service.startService()
        self.addCleanup(service.stopService)
        self.assertEqual(lines, [line])

    def test_unknown_interface(self) -> None:
        self.awaited(
            "interface eth9: no such interface, index or address on this host", "--interface", "eth9"
        )

    def test_interface_that_is_down(self) -> None:
        self.awaited("interface eth1: is down", "--interface", "eth1")

    def test_unknown_zone(self) -> None:
        self.awaited(
            "interface eth9: no such interface, index or address on this host",
            *("--group", "ff02::123%eth9"),
        )

    def test_no_usable_interface(self) -> None:
        self.awaited("no usable interface: none is up and capable of multicast", available=(DOWN,))


class BadHostTests(SynchronousTestCase):
    """What the system refuses when the service starts: one line, exit status 1."""

    def test_refused_by_the_system(self) -> None:
        """A port that is taken comes as an OSError."""

        class Failing(Service):
            def startService(self) -> None:
                raise OSError(98, "UDP port 7645 on 224.0.0.123: already in use")

        service = tap.McastService(None)
        Failing().setServiceParent(service)
        leaving = self.assertRaises(SystemExit, service.startService)
        self.assertEqual(leaving.code, "mcast: UDP port 7645 on 224.0.0.123: already in use")

    def test_file(self) -> None:
        """It is named, as the `mcast` command does."""

        class Failing(Service):
            def startService(self) -> None:
                raise FileNotFoundError(2, "No such file or directory", "services.toml")

        service = tap.McastService(None)
        Failing().setServiceParent(service)
        leaving = self.assertRaises(SystemExit, service.startService)
        self.assertEqual(leaving.code, "mcast: services.toml: No such file or directory")

    def test_refused_by_a_stock_port(self) -> None:
        class Failing(Service):
            def startService(self) -> None:
                raise CannotListenError("", 7645, OSError(98, "Address already in use"))

        service = tap.McastService(None)
        Failing().setServiceParent(service)
        leaving = self.assertRaises(SystemExit, service.startService)
        self.assertEqual(leaving.code, "mcast: port 7645: Address already in use")


class FakeReactor:
    """Runs at once what a signal handler hands over."""

    def callFromThread(self, function: Callable[[], object]) -> None:
        function()


class SignalTests(SynchronousTestCase):
    """SIGUSR1 logs what was counted."""

    def setUp(self) -> None:
        if not hasattr(signal, "SIGUSR1"):
            raise SkipTest("this system has no SIGUSR1")
        self.logged = 0
        case = self

        class Counting(Service):
            def log_counters(self) -> None:
                case.logged += 1

        self.service = tap.McastService(FakeReactor())
        Counting().setServiceParent(self.service)
        Service().setServiceParent(self.service)

    def test_each_service_that_counts(self) -> None:
        self.service.startService()
        self.addCleanup(self.service.stopService)
        os.kill(os.getpid(), signal.SIGUSR1)
        self.assertEqual(self.logged, 1)

    def test_while_it_starts(self) -> None:
        """Who has read the first line of the log may send it."""

        class Asked(Service):
            def startService(self) -> None:
                os.kill(os.getpid(), signal.SIGUSR1)

        self.addCleanup(signal.signal, signal.SIGUSR1, signal.getsignal(signal.SIGUSR1))
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # the default is to end
        Asked().setServiceParent(self.service)
        self.service.startService()
        self.addCleanup(self.service.stopService)
        self.assertEqual(self.logged, 1)

    def test_handler_is_given_back_when_refused(self) -> None:
        class Refused(Service):
            def startService(self) -> None:
                raise OSError("as meant")

        before = signal.getsignal(signal.SIGUSR1)
        Refused().setServiceParent(self.service)
        self.assertRaises(SystemExit, self.service.startService)
        self.assertEqual(signal.getsignal(signal.SIGUSR1), before)

    def test_handler_is_given_back(self) -> None:
        before = signal.getsignal(signal.SIGUSR1)
        self.service.startService()
        self.assertNotEqual(signal.getsignal(signal.SIGUSR1), before)
        self.service.stopService()
        self.assertEqual(signal.getsignal(signal.SIGUSR1), before)


class SubcommandOptions(UsageOptions):
    optFlags = [["loud", None, "Speak up."]]  # noqa: RUF012


class SubcommandTests(SynchronousTestCase):
    """`twist mcast NAME` is a module with Options and makeService, imported when it is used."""

    def setUp(self) -> None:
        self.patch(tap, "SUBCOMMANDS", (("other", "tests.tap.test_tap", "Something else."),))

    def test_options(self) -> None:
        options = parsed("other", "--loud")
        self.assertEqual((options.subCommand, options.subOptions["loud"]), ("other", 1))

    def test_unknown(self) -> None:
        leaving = self.assertRaises(SystemExit, parsed, "nothing")
        self.assertEqual(
            leaving.code, "mcast: nothing: no such sub-command (other); name a group by --group nothing"
        )

    def test_listed_in_help(self) -> None:
        self.assertIn("Something else.", str(tap.Options()))

    def test_service(self) -> None:
        service = tap.makeService(parsed("other"))
        self.assertIsInstance(next(iter(service)), SubcommandService)  # type: ignore[call-overload]


class SubcommandService(Service):
    """What the sub-command of the tests runs."""


Options = SubcommandOptions


def makeService(options: SubcommandOptions) -> Service:
    return SubcommandService()


class PluginTests(SynchronousTestCase):
    def test_found(self) -> None:
        makers = [each for each in getPlugins(IServiceMaker) if each.tapname == "mcast"]
        self.assertEqual([each.module for each in makers], ["mcast.tap.tap"])  # type: ignore[attr-defined]

    def test_help(self) -> None:
        """--help names every option, and ends with status 0."""
        output = StringIO()
        with redirect_stdout(output):
            leaving = self.assertRaises(SystemExit, parsed, "--help")
        self.assertEqual(leaving.code, 0)
        for option in ("group", "port", "interface", "reply", "ttl", "source", "max-rate"):
            self.assertIn(f"--{option}", output.getvalue())
        for option in ("no-loopback", "answer-group"):
            self.assertIn(f"--{option}", output.getvalue())

    def test_service(self) -> None:
        self.assertTrue(IService.providedBy(tap.makeService(parsed())))

    def test_collector(self) -> None:
        """It looks no more at what is loaded once the reactor of the program has started."""
        program = (
            "import gc\n"
            "at_first = gc.get_freeze_count()\n"  # not 0 in Python 3.12
            "from twisted.internet import reactor\n"
            "from mcast.tap import tap\n"
            "options = tap.Options()\n"
            "options.parseOptions([])\n"
            "tap.makeService(options)\n"
            "before = gc.get_freeze_count() - at_first\n"
            "reactor.callWhenRunning(reactor.stop)\n"
            "reactor.run()\n"
            "print(before, gc.get_freeze_count() > 10000)\n"
        )
        self.assertEqual(os.popen(f'{sys.executable} -c "{program}"').read(), "0 True\n")
