"""List the domains that are recommended for browsing and for registering, or check one for what is wrong.

The lists come from local by multicast, and from DNS servers: for the domains that this host searches, and for
the networks it is in (RFC 6763 §11). They are advice: any other domain can be browsed too.

With --check DOMAIN the delegation of a domain is followed, from the zone above it to its services, and each
fault is told in one line with its mend.

exit status: 0 domains were found, or all is well; 1 none was found, or something is wrong; 2 error
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from twisted.internet.defer import CancelledError, DeferredList

from mcast.cli.command import FAILED, GOOD, NOT_ALL, CommandError, Output, checked, decimal, tell
from mcast.cli.finding import add_node_arguments, add_server_argument, plain_name, started_node
from mcast.dns.names import LOCAL, Name
from mcast.dns_client.client import DnsClient
from mcast.dns_client.delegation import DelegationCheck, Finding
from mcast.dns_client.system import FixedServers, Servers, SystemServers
from mcast.dnssd.enumeration import DomainList, address_domains
from mcast.dnssd.sought import sought_name
from mcast.errors import NotFound
from mcast.mdns.domains import is_multicast_name
from mcast.node.lookups import LOOKUP_TIMEOUT
from mcast.node.network import Network, SocketNetwork
from mcast.node.node import Node
from mcast.sockets.interface import select_interfaces
from mcast.unicast.servers import parse_server

PURPOSES = {
    DomainList.BROWSING: "browsing",
    DomainList.DEFAULT_BROWSING: "browsing by default",
    DomainList.REGISTERING: "registering",
    DomainList.DEFAULT_REGISTERING: "registering by default",
    DomainList.LEGACY_BROWSING: "browsing unasked",
}
"""What each list is for (RFC 6763 §11)."""

MAX_PLACES = 32
"""Domains in which the lists are looked for. Our choice: more than a host has networks and search domains."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``mcast domains``."""
    parser.add_argument(
        "-d",
        "--domain",
        action="append",
        default=[],
        type=checked(sought_name),
        metavar="DOMAIN",
        help="look for the lists there alone; may be repeated",
    )
    parser.add_argument(
        "--check", type=checked(_checked_domain), metavar="DOMAIN", help="tell what is wrong with a domain"
    )
    parser.add_argument(
        "-w",
        "--wait",
        type=decimal(0),
        default=LOOKUP_TIMEOUT,
        metavar="SECONDS",
        help=f"gather answers for this time (default: {LOOKUP_TIMEOUT:g})",
    )
    add_node_arguments(parser)
    add_server_argument(parser)


def _checked_domain(text: str) -> Name:
    name = sought_name(text)
    if is_multicast_name(name) or not name.labels:
        raise ValueError(f"{text}: it is not delegated; a domain such as example.com is")
    return name


async def run(
    reactor: Any, arguments: argparse.Namespace, output: Output, network: Network | None = None
) -> int:
    """Run ``mcast domains``; return the exit status."""
    system = SystemServers()
    servers: Servers = system
    if arguments.server is not None:
        servers = FixedServers(parse_server(arguments.server))
    try:
        if arguments.check is not None:
            return await _check(reactor, arguments, servers, output)
        places = arguments.domain or _places(reactor, arguments, network, system)
        return await _list(reactor, arguments, output, places, network)
    except CancelledError:
        return FAILED


async def _check(reactor: Any, arguments: argparse.Namespace, servers: Servers, output: Output) -> int:
    def found(finding: Finding) -> None:
        output.event(
            event="finding",
            level=finding.level.value,
            subject=finding.subject,
            what=finding.what,
            mend=finding.mend,
            time=time.time(),
        )
        output.text(f"{finding.level.value:5}  {finding}")

    known = servers.current()
    if not known:
        raise CommandError("no DNS server is known; name one by --server")
    domain = arguments.check
    client = DnsClient(reactor)
    push: Any = None
    if find_spec("OpenSSL") is not None:
        from mcast.dns_client.push_check import PushCheck  # TLS takes as long to load as all the rest

        push = PushCheck(client, known, arguments.tls_ca)
    try:
        is_well = await DelegationCheck(client, domain, known, found, push).run()
    except NotFound as error:
        raise CommandError(f"{domain}: {error.reason}; name another server by --server") from None
    finally:
        if push is not None:
            push.close()
        client.close()
    return GOOD if is_well else NOT_ALL


def _places(
    reactor: Any, arguments: argparse.Namespace, network: Network | None, system: SystemServers
) -> list[Name]:
    """Return where lists of domains may be: in local, in what this host searches, and for its networks."""
    available = (SocketNetwork(reactor) if network is None else network).interfaces()
    try:
        chosen = select_interfaces(arguments.interfaces, available, strict=bool(arguments.interfaces))
    except ValueError as error:
        raise CommandError(str(error)) from None
    addresses = [
        one.ip_interface
        for interface in chosen
        for one in interface.addresses
        if not (arguments.no_ipv6 if one.address.version == 6 else arguments.no_ipv4)
    ]
    places = [LOCAL, *system.search(), *address_domains(addresses)]
    return list(dict.fromkeys(places))[:MAX_PLACES]


async def _list(
    reactor: Any,
    arguments: argparse.Namespace,
    output: Output,
    places: Sequence[Name],
    network: Network | None,
) -> int:
    only_servers = not any(map(is_multicast_name, places))
    node = started_node(reactor, arguments, network, patient=True, beyond=only_servers)
    asked = [(place, which) for place in places for which in DomainList]
    try:
        results: Any = await DeferredList(
            [_look(node, arguments, place, which) for place, which in asked], consumeErrors=True
        )
    finally:
        trouble = None if only_servers else node.trouble
        await node.stopService()
    if trouble is not None:
        tell("domains", f"not asked by multicast: {trouble}")
    found: dict[Name, dict[DomainList, list[Name]]] = {}
    missing: dict[str, None] = {}
    for (place, which), (is_good, result) in zip(asked, results, strict=True):
        if is_good:
            for domain in result:
                found.setdefault(domain, {}).setdefault(which, []).append(place)
        elif result.check(NotFound) and "no such record" not in result.value.reason:
            missing[f"{plain_name(place)}: {result.value.reason}"] = None
    _print(output, found)
    if not found:
        # Silence on the link is no fault; a server that does not answer may be one.
        told = [line for line in missing if not line.startswith("local: ")]
        tell("domains", "; ".join(["no domain is recommended", *told[:3]]))
    return GOOD if found else NOT_ALL


def _look(node: Node, arguments: argparse.Namespace, place: Name, which: DomainList) -> Any:
    server = None if is_multicast_name(place) else arguments.server
    return node.domains(which, place, arguments.wait, server=server)


def _print(output: Output, found: dict[Name, dict[DomainList, list[Name]]]) -> None:
    rows = []
    for domain, lists in sorted(found.items(), key=lambda one: str(one[0]).lower()):
        places = list(dict.fromkeys([place for each in lists.values() for place in each]))
        output.event(
            event="domain",
            domain=str(domain),
            lists=[which.value.decode() for which in lists],
            sources=[str(place) for place in places],
            time=time.time(),
        )
        purposes = ", ".join([PURPOSES[which] for which in lists])
        rows.append([plain_name(domain), purposes, " ".join(map(plain_name, places))])
    if rows:
        output.table([["DOMAIN", "FOR", "SAID IN"], *rows], lead=3)
