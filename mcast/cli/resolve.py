"""Find out where a service is, the addresses of a host, or the host of an address.

  mcast resolve 'My Web' _http._tcp  host, port, addresses and TXT of a service
  mcast resolve kitchen.local        addresses of a host
  mcast resolve 192.0.2.1            host name of an address

With --domain DOMAIN, or the whole name of a service, DNS servers are asked for a service in another domain
than local; with --server also for a host.

exit status: 0 it was found, 1 nothing was found in time, 2 error
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, NamedTuple

from twisted.internet.defer import CancelledError, DeferredList

from mcast.cli.command import FAILED, GOOD, NOT_ALL, CommandError, Output, checked, decimal
from mcast.cli.finding import (
    add_domain_arguments,
    add_node_arguments,
    address_fields,
    plain_addresses,
    plain_name,
    service_fields,
    started_node,
    tell_not_found,
)
from mcast.dns.codes import RecordType
from mcast.dns.names import LOCAL, Name
from mcast.dnssd.found import FoundAddress, FoundService
from mcast.dnssd.publishing import reverse_name
from mcast.dnssd.sought import sought_hosts, sought_services, sought_type
from mcast.dnssd.types import ServiceType, read_type
from mcast.errors import InvalidService, NotFound
from mcast.node.beyond import Where, where, where_of
from mcast.node.lookups import LOOKUP_TIMEOUT
from mcast.node.network import Network
from mcast.node.node import Node
from mcast.showing import shown, shown_attribute

ROW = 16
"""Octets in a line of a hex dump."""


class Instance(NamedTuple):
    """A service to resolve, by its instance name and type, or by its whole name alone."""

    name: str
    type: ServiceType | None = None


class HostName(NamedTuple):
    """A host to resolve."""

    names: tuple[Name, ...]
    """What the text that was typed may mean, mostly one name; see `sought_hosts`."""


Subject = Instance | HostName | IPv4Address | IPv6Address
"""What can be resolved: a service, a host, an address."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``mcast resolve``."""
    parser.add_argument("name", metavar="NAME", help="a service, a host in .local, or an address")
    parser.add_argument(
        "type", metavar="TYPE", nargs="?", type=checked(sought_type), help="the type of a service: _http._tcp"
    )
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="TXT values as octets too, links, priority and weight"
    )
    parser.add_argument(
        "-w",
        "--wait",
        type=decimal(0),
        default=LOOKUP_TIMEOUT,
        metavar="SECONDS",
        help=f"give up after so long (default: {LOOKUP_TIMEOUT:g})",
    )
    add_node_arguments(parser)
    add_domain_arguments(parser)


async def run(
    reactor: Any, arguments: argparse.Namespace, output: Output, network: Network | None = None
) -> int:
    """Run ``mcast resolve``; return the exit status."""
    try:
        subject, zone = parse_subject(arguments.name, arguments.type, arguments.domain, arguments.server)
        place = _place(subject, arguments)
    except ValueError as error:
        raise CommandError(str(error)) from None
    report = Report(output, verbose=arguments.verbose)
    node = started_node(reactor, arguments, network, zone, only_asks="resolve", beyond=place.is_beyond)
    try:
        await _resolve(node, subject, arguments.wait, report, place)
    except NotFound as error:
        tell_not_found("resolve", error)
        return NOT_ALL
    except CancelledError:
        return FAILED
    finally:
        await node.stopService()
    return GOOD


def _place(subject: Subject, arguments: argparse.Namespace) -> Where:
    """Return where to look.

    :raises ValueError: the arguments contradict each other.
    """
    interfaces, server = arguments.interfaces, arguments.server
    if isinstance(subject, Instance):
        return where_of(sought_services(subject.name, subject.type, arguments.domain), interfaces, server)
    if isinstance(subject, HostName):
        return where(subject.names[0].parent, interfaces, server)
    return where(arguments.domain, interfaces, server)


async def _resolve(node: Node, subject: Subject, timeout: float, report: Report, place: Where) -> None:
    server = None if place.server is None else str(place.server)
    if isinstance(subject, Instance):
        report.service(await node.resolve(*subject, timeout, domain=place.domain, server=server))
    elif isinstance(subject, HostName):
        name, found = await _first_host(node, subject.names, timeout, server)
        report.host(name, [(str(one.address), one.interface) for one in found], address_fields(found))
    else:
        answers = await node.query(reverse_name(subject), RecordType.PTR, timeout, outside_local=True)
        for answer in dict.fromkeys(
            [(one.record.rdata, one.interface) for one in answers if one.record.type == RecordType.PTR]
        ):
            report.address(str(subject), Name.from_wire(answer[0]), answer[1])


async def _first_host(
    node: Node, names: Sequence[Name], timeout: float, server: str | None
) -> tuple[Name, Sequence[FoundAddress]]:
    """Return the first name that a host has, with its addresses.

    :raises NotFound: there is none.
    """
    asked = [node.resolve_host(name, timeout, server=server) for name in names]
    ended: Any = await DeferredList(asked, fireOnOneCallback=True, consumeErrors=True)
    for one in asked:
        one.cancel()
    if isinstance(ended, tuple):
        found, index = ended
        return names[index], found
    # All have failed: what is told is of the name as it was typed.
    raise ended[0][1].value


def parse_subject(
    text: str, service_type: ServiceType | None, domain: Name = LOCAL, server: str | None = None
) -> tuple[Subject, Sequence[str]]:
    """Return what a person wants resolved, and the zone, if one was named.

    :param domain: of a service that is named by its label and type.
    :param server: whom to ask for a host outside of multicast DNS, if anybody.
    :raises ValueError: naming what cannot be resolved.
    """
    if service_type is not None:
        sought_services(text, service_type, domain)
        return Instance(text, service_type), ()
    if domain != LOCAL:
        raise ValueError(
            f"--domain {domain}: it goes with the label and the type of a service; a whole name says it"
        )
    address, percent, zone = text.partition("%")
    try:
        return ip_address(address), (zone,) if percent else ()
    except ValueError as error:
        no_address = str(error)
    try:
        sought_services(text)
        return Instance(text), ()
    except InvalidService:
        pass
    _refuse_type(text)
    hosts = sought_hosts(text)
    if not hosts[0].is_within(LOCAL) and server is None:
        is_number = not address.strip("0123456789.")
        raise ValueError(
            no_address
            if is_number
            else f"{text}: multicast DNS knows only hosts in .local; --server asks a DNS server"
        )
    return HostName(hosts), ()


def _refuse_type(text: str) -> None:
    """Tell what to write when somebody wants a type resolved.

    :raises ValueError: it is one.
    """
    try:
        found, _ = read_type(text, strict=False)
    except InvalidService:
        return
    raise ValueError(f"{text}: a type has many services; mcast browse {found} lists them")


class Report:
    """Prints what was resolved.

    :param verbose: with all details, and TXT values as octets.
    :param now: tells the time, in seconds since 1970.
    """

    def __init__(self, output: Output, *, verbose: bool, now: Callable[[], float] = time.time) -> None:
        self._output = output
        self._verbose = verbose
        self._now = now

    def service(self, service: FoundService) -> None:
        """Print where a service is, and what it says of itself."""
        self._output.event(event="resolved", **service_fields(service), time=self._now())
        write = self._output.text
        write(f"name       {shown(service.name)}")
        write(f"type       {service.type}")
        if service.host is not None:
            write(f"host       {plain_name(service.host)}")
            write(f"port       {service.port}")
            if self._verbose:
                write(f"priority   {service.priority}")
                write(f"weight     {service.weight}")
        for found in service.addresses:
            write(f"address    {found.address}{f' on {found.interface}' * bool(found.interface)}")
        if not service.addresses:
            write(f"address    {plain_addresses(service)}".rstrip())
        if self._verbose:
            write(f"links      {' '.join(map(str, service.links))}")
        for key, value in service.txt.items():
            self._attribute(key, value)

    def _attribute(self, key: str, value: bytes | None) -> None:
        if value is None or not self._verbose:
            self._output.text(f"txt        {shown_attribute(key, value)}")
        else:
            self._output.text(f"txt        {key}: {len(value)} octet{'s' * (len(value) != 1)}")
            for line in hex_dump(value):
                self._output.text(f"           {line}")

    def host(self, name: Name, addresses: Sequence[tuple[str, str]], fields: list[dict[str, str]]) -> None:
        """Print the addresses of a host."""
        self._output.event(event="resolved", host=str(name), addresses=fields, time=self._now())
        for address, interface in addresses:
            self._output.text(f"{plain_name(name)}  {address}  {interface}")

    def address(self, address: str, host: Name, interface: str) -> None:
        """Print the host of an address."""
        self._output.event(
            event="resolved", address=address, host=str(host), interface=interface, time=self._now()
        )
        self._output.text(f"{address}  {plain_name(host)}  {interface}")


def hex_dump(value: bytes) -> list[str]:
    """Return lines with octets and, beside them, what they are as UTF-8 (RFC 6763 §6.5).

    A character stands in the line of its first octet; what is no UTF-8, or cannot be shown, is a dot.
    """
    shown = _characters(value)
    return [
        f"{value[start : start + ROW].hex(' '):{3 * ROW - 1}}  {''.join(shown[start : start + ROW])}"
        for start in range(0, len(value), ROW)
    ]


def _characters(value: bytes) -> list[str]:
    """Return for each octet the character that begins there, or nothing within one."""
    shown: list[str] = []
    while len(shown) < len(value):
        start = len(shown)
        for size in (1, 2, 3, 4):
            try:
                character = value[start : start + size].decode("utf-8")
            except UnicodeDecodeError:
                continue
            shown += [character if character.isprintable() else ".", *[""] * (len(character.encode()) - 1)]
            break
        else:
            shown.append(".")
    return shown
