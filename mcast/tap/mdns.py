"""`twist mcast mdns`: options and service of the multicast DNS responder."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar, cast

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.usage import UsageError

from mcast.clock import clock_of
from mcast.dnssd.files.contents import RecordEntry
from mcast.dnssd.files.record_string import parse_record_string
from mcast.dnssd.files.service_string import parse_service_string
from mcast.dnssd.hosts import Alias, checked_host_label, host_label, host_name
from mcast.errors import InvalidService, ServicesFileError
from mcast.node.network import Network, SocketNetwork
from mcast.node.node import Node
from mcast.node.state import StateFile
from mcast.rate_limit import MAX_RATE
from mcast.tap.everywhere import Everywhere, parse_target, with_key
from mcast.tap.followed_file import FollowedFile
from mcast.tap.hangup import Hangups
from mcast.tap.options import Options as CommonOptions
from mcast.tap.resolver_socket import ResolverSocket
from mcast.tap.services_follower import FollowedFolder, ServicesFollower, read_followed
from mcast.tap.start_freezer import StartFreezer

MAX_MAX_RATE = 10_000_000
"""The largest ``--max-rate``. Our choice: more than any host answers; 0 stands for no limit."""


class Options(CommonOptions):
    """The command line after `twist mcast mdns`."""

    longdesc = "Publishes this host and services on it by multicast DNS, on each interface."

    optFlags: ClassVar[list[list[str | None]]] = [
        ["no-ipv4", None, "Use IPv6 only."],
        ["no-ipv6", None, "Use IPv4 only."],
    ]

    def __init__(self) -> None:
        super().__init__()
        self["hostname"] = None
        self["interfaces"] = []
        self["services"] = []
        self["files"] = []
        self["aliases"] = []
        self["records"] = []
        self["max_rate"] = MAX_RATE
        self["state"] = None
        self["resolver_socket"] = None
        self["updates"] = []
        self["update_owner"] = "mdns"

    def opt_hostname(self, text: str) -> None:
        """Name of this host, without ".local" (default: the first label of the system's name)."""
        self["hostname"] = _checked("hostname", checked_host_label, text)

    def opt_interface(self, text: str) -> None:
        """Interface by name, index or address; may be repeated (default: each that is up and does
        multicast)."""
        self["interfaces"].append(text)

    def opt_service(self, text: str) -> None:
        """Service, as NAME:TYPE[,SUBTYPE…]:PORT[:KEY=VALUE…], a backslash quotes a colon; may be repeated."""
        self["services"].append(_checked("service", parse_service_string, text))

    def opt_services(self, path: str) -> None:
        """File of services, in TOML or in the XML of Avahi, or folder of files named *.toml and *.service;
        followed as they change, and read again on SIGHUP; may be repeated."""
        self["files"].append(path)

    def opt_record(self, text: str) -> None:
        """Record that no other host has, as in a zone file: NAME [TTL] [IN] TYPE DATA; may be repeated."""
        self["records"].append(RecordEntry(_checked("record", parse_record_string, text)))

    def opt_shared_record(self, text: str) -> None:
        """Record as by --record that other hosts may have too; may be repeated."""
        self["records"].append(RecordEntry(_checked("shared-record", parse_record_string, text), shared=True))

    def opt_alias(self, text: str) -> None:
        """Further name of this host, without ".local"; may be repeated."""
        alias = _checked("alias", checked_host_label, text)
        if all(host_name(alias) != host_name(other) for other in self["aliases"]):
            self["aliases"].append(alias)

    def opt_max_rate(self, text: str) -> None:
        """Unicast answers a second to one source at most, 0 for no limit (default: 1000)."""
        if not (text.isascii() and text.isdecimal() and int(text[:9]) <= MAX_MAX_RATE):
            raise UsageError(f"--max-rate {text}: not a number from 0 to {MAX_MAX_RATE}")
        self["max_rate"] = int(text)

    def opt_update(self, text: str) -> None:
        """Register the services with a DNS server too, as DOMAIN@SERVER[:PORT]; may be repeated."""
        self["updates"].append(parse_target(text))

    def opt_update_key(self, path: str) -> None:
        """File with the key for the --update before it, as BIND keeps it."""
        if not self["updates"]:
            raise UsageError(f"--update-key {path}: it follows the --update that it is for")
        self["updates"][-1] = with_key(self["updates"][-1], path)

    def opt_update_owner(self, text: str) -> None:
        """Tells programs of this host apart that register in the same domain (default: mdns)."""
        self["update_owner"] = text

    def opt_state(self, path: str) -> None:
        """File that remembers the names taken after conflicts, for the next start."""
        self["state"] = path

    def opt_resolver_socket(self, path: str) -> None:
        """Unix socket on which libnss-mdns of the C library is answered: /run/avahi-daemon/socket is where it
        looks, when no avahi-daemon runs."""
        self["resolver_socket"] = path

    def parseArgs(self, *words: str) -> None:
        """Refuse words that are no options."""
        if words:
            raise UsageError(f"{words[0]}: unexpected argument; a service is named by --service")

    def postOptions(self) -> None:
        """Refuse options that leave nothing to do."""
        if self["no-ipv4"] and self["no-ipv6"]:
            raise UsageError("--no-ipv4 and --no-ipv6 together leave nothing to use")


class MDNSService(MultiService):
    """A `Node`, what the command line has it publish, and the files that are followed.

    SIGHUP has the files read again; SIGUSR1 calls `log_counters` (see `mcast.tap.tap.McastService`).

    :raises UsageError: a file cannot be read or has a fault, or a record cannot be published.
    """

    _log = Logger()

    def __init__(self, reactor: Any, options: Options, network: Network | None = None) -> None:
        super().__init__()
        self._hangups = Hangups(reactor, self._read_again)
        self._followers: list[ServicesFollower] = []
        hostname = options["hostname"]
        label = host_label(socket.gethostname()) if hostname is None else hostname
        files = [_read_files(path, label) for path in options["files"]]
        for followed in files:
            hostname = followed.hostname if hostname is None else hostname
        path = options["state"]
        self._state = None if path is None else StateFile(path, clock_of(reactor))
        self.node = Node(
            reactor,
            interfaces=options["interfaces"],
            # Named, so that the host is published even when it has no service.
            hostname=label if hostname is None else hostname,
            ipv4=not options["no-ipv4"],
            ipv6=not options["no-ipv6"],
            network=SocketNetwork(reactor) if network is None else network,
            state=self._state,
            max_rate=options["max_rate"],
        )
        self.node.setServiceParent(self)
        self._freezer = StartFreezer(clock_of(reactor), lambda: self.node.registrations)
        everywhere = Everywhere(self.node, options["updates"], options["update_owner"])
        self._resolver_socket: ResolverSocket | None = None
        if options["resolver_socket"] is not None:
            self._resolver_socket = ResolverSocket(reactor, options["resolver_socket"], self.node)
            self._resolver_socket.setServiceParent(self)
        for followed in files:
            # It publishes, and nothing else, which is all that the other one does.
            follower = ServicesFollower(reactor, cast(Node, everywhere), followed)
            follower.setServiceParent(self)
            self._followers.append(follower)
        for service in options["services"]:
            everywhere.publish(service)
        for alias in options["aliases"]:
            self.node.publish(Alias(alias))
        for entry in options["records"]:
            self._publish_record(entry)

    def startService(self) -> None:
        """Start publishing, on each interface from when it is there.

        :raises OSError: port 5353 or the resolver socket cannot be opened.
        """
        super().startService()
        self._freezer.start()
        self._hangups.start()

    def stopService(self) -> Deferred[None]:
        """Say goodbye and stop; fires when that is done."""
        self._hangups.stop()
        self._freezer.stop()
        stopped: Deferred[None] = super().stopService()
        return stopped.addCallback(self._save)

    def _save(self, result: None) -> None:
        if self._state is not None:
            self._state.save()

    def log_counters(self) -> None:
        """Log what is published, in which state, and every counter."""
        for registration in self.node.registrations:
            self._log.info(
                "{name} is {state}",
                name=str(registration.full_name),
                state="published" if registration.is_claimed else "not published yet",
            )
        for part, counters in self.node.statistics().items():
            self._log.info("{part}: {counters}", part=part, counters=counters)
        if self._resolver_socket is not None:
            self._resolver_socket.log_counters()

    def _publish_record(self, entry: RecordEntry) -> None:
        try:
            self.node.publish(entry.record, shared=entry.shared)
        except ValueError as error:
            raise UsageError(f"--record: {error}") from None

    def _read_again(self) -> None:
        self._freezer.thaw()
        for follower in self._followers:
            follower.read_again()


def makeService(options: Options) -> MDNSService:
    """Return the service that the options describe.

    :raises SystemExit: a file of services cannot be read or has a fault; the message says which.
    """
    # The reactor is chosen by `twist --reactor`, and installed when this is called.
    from twisted.internet import reactor

    try:
        return MDNSService(reactor, options)
    except UsageError as error:
        raise SystemExit(f"mcast: {error}") from None


_T = TypeVar("_T")


def _checked(option: str, convert: Callable[[str], _T], text: str) -> _T:
    try:
        return convert(text)
    except InvalidService as error:
        raise UsageError(f"--{option}: {error}") from None


def _read_files(path: str, label: str) -> FollowedFile | FollowedFolder:
    try:
        return read_followed(path, label)
    except ServicesFileError as error:
        raise UsageError(f"--services: {error}") from None
    except OSError as error:
        raise UsageError(f"--services {path}: {error.strerror}") from None
