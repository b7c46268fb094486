"""`mcast.tap.view`: the command line of `twist mcast view`."""

from __future__ import annotations

from errno import ENOENT
from pathlib import Path
from typing import NoReturn

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionLost
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.server import Site

from mcast.tap.tap import Options as TapOptions
from mcast.tap.view import Options, ViewService
from mcast.testing import SimulatedLan

TOKEN = "0123456789abcdef"


def parsed(*words: str) -> Options:
    options = Options()
    options.parseOptions(list(words))
    return options


class OptionsTests(SynchronousTestCase):
    """What is asked for is possible, and safe."""

    def refused(self, *words: str) -> str:
        return str(self.assertRaises(UsageError, parsed, *words))

    def test_defaults(self) -> None:
        options = parsed()
        self.assertEqual((options["listen"], options["token"]), ("tcp:8765:interface=127.0.0.1", None))

    def test_only_this_host_without_a_token(self) -> None:
        for listen in (
            "tcp:8765",
            "tcp:8765:interface=0.0.0.0",
            "tcp6:1:interface=\\:\\:",
            "ssl:1:interface=10.0.0.1",
            "tcp:1:interface=127.0.0.1:interface=0.0.0.0",
            "haproxy:tcp:8765",
        ):
            self.assertIn("others than this host could look", self.refused("--listen", listen))

    def test_this_host(self) -> None:
        for listen in (
            "tcp:1:interface=127.0.0.2",
            "tcp6:1:interface=\\:\\:1",
            "tcp:1:backlog=5:interface=127.0.0.1",
            "unix:/run/x",
            "haproxy:tcp:1:interface=127.0.0.1",
        ):
            self.assertEqual(parsed("--listen", listen)["listen"], listen)

    def test_all_with_a_token(self) -> None:
        self.assertEqual(parsed("--listen", "tcp:8765", "--token", TOKEN)["token"], TOKEN)

    def test_short_token(self) -> None:
        self.assertIn("16 characters or more, not 5", self.refused("--token", "short"))

    def test_token_file(self) -> None:
        path = Path(self.mktemp())
        path.write_text(f"{TOKEN}\nmore\n")
        self.assertEqual(parsed("--token-file", str(path))["token"], TOKEN)
        path.write_bytes(b"\xff" * 20)
        self.assertIn("not text", self.refused("--token-file", str(path)))
        path.write_text("\n")
        self.assertIn("16 characters", self.refused("--token-file", str(path)))
        self.assertIn("No such file", self.refused("--token-file", "/nowhere/token"))

    def test_nothing_to_watch(self) -> None:
        self.assertIn("nothing to watch", self.refused("--no-ipv4", "--no-ipv6"))

    def test_words(self) -> None:
        self.assertIn("unexpected argument", self.refused("here"))

    def test_sub_command(self) -> None:
        options = TapOptions()
        options.parseOptions(["view", "--interface", "eth0"])
        self.assertEqual(options.subOptions["interfaces"], ["eth0"])


class _Refusing:
    """An endpoint where nobody can listen."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def listen(self, factory: object) -> NoReturn:
        raise self._error


class ServiceTests(SynchronousTestCase):
    """The service listens, and ends."""

    def service(self, *words: str) -> tuple[SimulatedLan, MemoryReactorClock, ViewService]:
        lan = SimulatedLan(seed=1)
        reactor = MemoryReactorClock()
        return lan, reactor, ViewService(reactor, parsed(*words), network=lan.host("here"))

    def test_listens(self) -> None:
        _, reactor, service = self.service()
        service.startService()
        ((port, factory, _, interface),) = reactor.tcpServers
        self.assertEqual((port, interface), (8765, "127.0.0.1"))
        self.assertIsInstance(factory, Site)
        self.assertTrue(service.node.running and service.view.running)
        service.stopService()
        self.assertFalse(service.view.running)

    def test_content_is_bounded(self) -> None:
        """A page elsewhere may have a browser send any amount: it ends neither in memory nor on a disk."""
        _, reactor, service = self.service()
        service.startService()
        self.addCleanup(service.stopService)
        ((_, factory, _, _),) = reactor.tcpServers
        for head in (b"Content-Length: 100000000000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n2000\r\n"):
            protocol = factory.buildProtocol(IPv4Address("TCP", "127.0.0.1", 1))
            assert protocol is not None
            transport = StringTransport(hostAddress=IPv4Address("TCP", "127.0.0.1", 8765))
            protocol.makeConnection(transport)
            protocol.dataReceived(b"POST / HTTP/1.1\r\nHost: localhost\r\n" + head)
            protocol.dataReceived(b"x" * 4000)
            self.assertFalse(transport.disconnecting)
            protocol.dataReceived(b"x" * 1000)
            self.assertTrue(transport.disconnecting)
            protocol.connectionLost(Failure(ConnectionLost()))

    def test_no_such_endpoint(self) -> None:
        error = self.assertRaises(UsageError, self.service, "--listen", "nonsense:1")
        self.assertIn("--listen nonsense:1: ", str(error))
        self.assertRaises(UsageError, self.service, "--listen", "tcp:interface=127.0.0.1")

    def test_what_an_endpoint_lacks(self) -> None:
        """One line, whatever the parser of the endpoint raises."""
        for listen, cause in (
            ("ssl:1:interface=127.0.0.1:privateKey=/nowhere", "/nowhere: No such file or directory"),
            ("systemd:domain=INET:index=7", "list index out of range"),
        ):
            error = self.assertRaises(UsageError, self.service, "--listen", listen)
            self.assertEqual(str(error), f"--listen {listen}: {cause}")

    def test_where_nobody_can_listen(self) -> None:
        """A UNIX socket in a folder that is not there; a port above 65535."""
        lock = OSError(ENOENT, "No such file or directory", "4711", None, b"/nowhere/x.lock")
        for error, cause in (
            (lock, "/nowhere/x.lock: No such file or directory"),
            (OverflowError("big"), "big"),
        ):
            _, _, service = self.service()
            self.patch(service, "_endpoint", _Refusing(error))
            refused = self.assertRaises(UsageError, service.startService)
            self.assertEqual(str(refused), f"--listen tcp:8765:interface=127.0.0.1: {cause}")
            service.stopService()

    def test_publishes_nothing(self) -> None:
        _, _, service = self.service()
        self.assertEqual(service.node.registrations, ())
