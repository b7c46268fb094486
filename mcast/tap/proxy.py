"""`twist mcast proxy`: options and service of the Discovery Proxy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any, ClassVar, TypeVar

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.usage import UsageError

from mcast.dns.names import Name
from mcast.errors import McastError, ServicesFileError
from mcast.node.network import Network, SocketNetwork
from mcast.node.node import Node
from mcast.proxy.discovery_proxy import (
    DNS_PORT,
    MAX_RATE,
    TLS_PORT,
    DiscoveryProxy,
    ProxySettings,
)
from mcast.showing import shown
from mcast.tap.hangup import Hangups
from mcast.tap.options import Options as CommonOptions
from mcast.tap.proxy_file import read_proxy_file
from mcast.unicast.pacing import LINK_RATE
from mcast.unicast.zone import Zone

_T = TypeVar("_T")


@dataclass
class _ZoneOptions:
    """A zone as far as it has been described."""

    name: Name
    interface: str
    host_zone: Name | None = None
    reverse: list[IPv4Network | IPv6Network] | None = None
    browse_domains: list[Name] = field(default_factory=list)

    def zone(self) -> Zone:
        """Return what the options describe.

        :raises ValueError: it cannot be a zone.
        """
        reverse = None if self.reverse is None else tuple(self.reverse)
        return Zone(self.name, self.interface, self.host_zone, reverse, tuple(self.browse_domains))


class Options(CommonOptions):
    """The command line after `twist mcast proxy`."""

    longdesc = (
        "Answers unicast DNS from what is on links (RFC 8766). "
        "--host-zone, --reverse and --browse-domain belong to the --zone before them."
    )

    optFlags: ClassVar[list[list[str | None]]] = [
        ["no-reverse", None, "Answer no reverse names of the zones that name none by --reverse."],
        [
            "unusable-addresses",
            None,
            "Tell also addresses that are of no use elsewhere, such as link-local ones.",
        ],
    ]

    def __init__(self) -> None:
        super().__init__()
        self.zones: list[_ZoneOptions] = []
        self["ns"] = []
        self["contact"] = None
        self["listen"] = []
        self["port"] = DNS_PORT
        self["tls_certificate"] = None
        self["tls_key"] = None
        self["tls_port"] = TLS_PORT
        self["allow"] = []
        self["max_rate"] = MAX_RATE
        self["link_rate"] = LINK_RATE

    def opt_zone(self, text: str) -> None:
        """Zone and the interface of its link, as "Building 1.example.com=eth0"; may be repeated, one link
        each."""
        name, equals, interface = text.rpartition("=")
        if not equals or not name or not interface:
            raise UsageError(f"--zone {text}: this is NAME=INTERFACE, such as 'Building 1.example.com=eth0'")
        self.zones.append(_ZoneOptions(_name("zone", name), interface))
        self._check_zone("zone", text)

    def opt_host_zone(self, text: str) -> None:
        """Zone of letters, digits and hyphens for the host names of the link (default: they are in the
        zone)."""
        self._zone("host-zone", text).host_zone = _name("host-zone", text)
        self._check_zone("host-zone", text)

    def opt_reverse(self, text: str) -> None:
        """Network whose reverse names are answered, as 192.0.2.0/24; may be repeated (default: those of the
        interface)."""
        zone = self._zone("reverse", text)
        zone.reverse = [*(zone.reverse or ()), _network("reverse", text)]

    def opt_browse_domain(self, text: str) -> None:
        """Domain that is recommended for browsing to the hosts of the link, the default one first; may be
        repeated."""
        self._zone("browse-domain", text).browse_domains.append(_name("browse-domain", text))

    def opt_ns(self, text: str) -> None:
        """Name of this name server, and of others that serve the same links, ours first; may be repeated
        (default: the name of this host)."""
        self["ns"].append(_name("ns", text))

    def opt_contact(self, text: str) -> None:
        """Mailbox of who is responsible, as ops@example.com (default: hostmaster at the domain of the first
        --ns)."""
        local, at, domain = text.partition("@")
        name = _checked("contact", text, lambda: _mailbox(local, domain) if at else Name.parse(text))
        self["contact"] = name

    def opt_listen(self, text: str) -> None:
        """Address to listen on; may be repeated, 0.0.0.0 stands for all of IPv4, and :: for all of IPv6
        (default: loopback only)."""
        _checked("listen", text, lambda: ip_address(text.partition("%")[0]))
        self["listen"].append(text)

    def opt_port(self, text: str) -> None:
        """UDP and TCP port (default: 53)."""
        self["port"] = _number("port", text, 0xFFFF)

    def opt_tls_certificate(self, path: str) -> None:
        """PEM file of the certificate, and those above it; opens the TLS port, which takes subscriptions."""
        self["tls_certificate"] = path

    def opt_tls_key(self, path: str) -> None:
        """PEM file of its private key."""
        self["tls_key"] = path

    def opt_tls_port(self, text: str) -> None:
        """TCP port of TLS (default: 853)."""
        self["tls_port"] = _number("tls-port", text, 0xFFFF)

    def opt_allow(self, text: str) -> None:
        """Network whose hosts may ask; may be repeated (default: private, shared and link-local networks, and
        this host)."""
        self["allow"].append(_network("allow", text))

    def opt_max_rate(self, text: str) -> None:
        """Answers by UDP a second to one source at most, 0 for no limit (default: 1000)."""
        self["max_rate"] = _number("max-rate", text, 10_000_000, least=0)

    def opt_link_rate(self, text: str) -> None:
        """Query packets a second that clients can cause on each link (default: 20)."""
        self["link_rate"] = _number("link-rate", text, 10_000)

    def opt_config(self, path: str) -> None:
        """File in TOML with any of these options: ns = ["proxy.example.com"], [[zone]] name = "…"."""
        try:
            read_proxy_file(path, self)
        except ServicesFileError as error:
            raise UsageError(f"--config {error}") from None
        except OSError as error:
            raise UsageError(f"--config {path}: {error.strerror}") from None

    def parseArgs(self, *words: str) -> None:
        """Refuse words that are no options."""
        if words:
            raise UsageError(f"{words[0]}: unexpected argument; a zone is named by --zone NAME=INTERFACE")

    def postOptions(self) -> None:
        """See that what is given fits together."""
        if not self.zones:
            raise UsageError("no zone is given; name one by --zone 'Building 1.example.com=eth0'")
        if (self["tls_certificate"] is None) is not (self["tls_key"] is None):
            given, missing = "--tls-certificate", "--tls-key"
            if self["tls_certificate"] is None:
                given, missing = missing, given
            raise UsageError(f"{given} is of no use without {missing}")
        for zone in self.zones:
            if self["no-reverse"] and zone.reverse is None:
                zone.reverse = []

    def proxy_zones(self) -> list[Zone]:
        """Return the zones that the options describe."""
        return [zone.zone() for zone in self.zones]

    def settings(self) -> ProxySettings:
        """Return what else they say."""
        given: dict[str, Any] = {}
        if self["allow"]:
            given["allow"] = tuple(self["allow"])
        return ProxySettings(
            name_servers=tuple(self["ns"]),
            contact=self["contact"],
            listen=tuple(self["listen"]),
            port=self["port"],
            tls_certificate=self["tls_certificate"],
            tls_key=self["tls_key"],
            tls_port=self["tls_port"],
            suppress_unusable=not self["unusable-addresses"],
            max_rate=self["max_rate"],
            link_rate=self["link_rate"],
            **given,
        )

    def _zone(self, option: str, text: str) -> _ZoneOptions:
        if not self.zones:
            raise UsageError(f"--{option} {text}: it belongs to a --zone, which comes before it")
        return self.zones[-1]

    def _check_zone(self, option: str, text: str) -> None:
        _checked(option, text, self.zones[-1].zone)


class ProxyService(MultiService):
    """A `Node` on the interfaces of the zones, and the proxy on it.

    SIGHUP has the certificate read again; SIGUSR1 calls `log_counters` (see `mcast.tap.tap.McastService`).

    :raises ValueError: the options do not fit together.
    """

    _log = Logger()

    def __init__(self, reactor: Any, options: Options, network: Network | None = None) -> None:
        super().__init__()
        self._hangups = Hangups(reactor, self._read_again)
        zones = options.proxy_zones()
        self.node = Node(
            reactor,
            interfaces=list(dict.fromkeys(zone.interface for zone in zones)),
            network=SocketNetwork(reactor) if network is None else network,
        )
        self.proxy = DiscoveryProxy(self.node, zones, options.settings())
        self.node.setServiceParent(self)
        self.proxy.setServiceParent(self)

    def startService(self) -> None:
        """Start answering.

        :raises CannotListenError: a port is taken, or there is no such address.
        """
        super().startService()
        self._hangups.start()

    def stopService(self) -> Deferred[None]:
        """Stop; fires when all connections have ended."""
        self._hangups.stop()
        stopped: Deferred[None] = super().stopService()
        return stopped

    def log_counters(self) -> None:
        """Log every counter."""
        self.proxy.log_counters()

    def _read_again(self) -> None:
        path = self.proxy.settings.tls_certificate
        if path is None:
            self._log.info("there is no certificate to read again; other options need a restart")
            return
        try:
            self.proxy.read_certificate()
        except ValueError as error:
            self._log.error("{reason}; the certificate that was read before stays", reason=shown(str(error)))
        else:
            self._log.info("read {path} again", path=shown(path))


def makeService(options: Options) -> ProxyService:
    """Return the service that the options describe.

    :raises SystemExit: they do not fit together, or a certificate cannot be read; the message says why.
    """
    # The reactor is chosen by `twist --reactor`, and installed when this is called.
    from twisted.internet import reactor

    try:
        return ProxyService(reactor, options)
    except (ValueError, McastError) as error:
        raise SystemExit(f"mcast: {shown(str(error))}") from None


def _mailbox(local: str, domain: str) -> Name:
    """Return a mailbox as a name: what stands before the @ is one label (RFC 1035 §8)."""
    return Name.from_labels([local, *Name.parse(domain).labels])


def _name(option: str, text: str) -> Name:
    return _checked(option, text, lambda: Name.parse(text))


def _network(option: str, text: str) -> IPv4Network | IPv6Network:
    return _checked(option, text, lambda: ip_network(text))


def _number(option: str, text: str, most: int, *, least: int = 1) -> int:
    if not (text.isascii() and text.isdecimal() and least <= int(text[:9]) <= most):
        raise UsageError(f"--{option} {shown(text)}: not a number from {least} to {most}")
    return int(text)


def _checked(option: str, text: str, convert: Callable[[], _T]) -> _T:
    try:
        return convert()
    except ValueError as error:
        raise UsageError(f"--{option} {shown(text)}: {shown(str(error))}") from None
