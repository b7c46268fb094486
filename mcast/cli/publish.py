r"""Publish a service, or records, by multicast DNS until Ctrl-C, then say goodbye.

NAME is what people see, TYPE is like _http._tcp or _http._tcp,_printer with subtypes. With --host the service
is on another host, and with --address that host's name and addresses are published too.

A record is one line of a zone file, like "kitchen.local. 120 IN LOC 52 22 23 N 4 53 32 E -2m"; TTL and class
may be left out, a blank within a name is \032, and the data of any type may be \# LENGTH HEXADECIMAL.

exit status: 0 all was published, 1 something never was, 2 error
"""

from __future__ import annotations

import argparse
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from twisted.internet.defer import CancelledError, Deferred

from mcast.cli.command import GOOD, NOT_ALL, CommandError, Output, add_interface_argument, checked, tell
from mcast.dns.presentation import show_record
from mcast.dnssd.files.contents import RecordEntry
from mcast.dnssd.files.record_string import parse_record_string
from mcast.dnssd.files.service_string import parse_port
from mcast.dnssd.hosts import Host, checked_host_label
from mcast.dnssd.service import Service
from mcast.dnssd.types import parse_types
from mcast.errors import NameTaken
from mcast.node.network import Network, SocketNetwork
from mcast.node.node import Node
from mcast.node.registrations import (
    Lost,
    RecordRegistration,
    RegistrationEvent,
    Renamed,
    ServiceRegistration,
)
from mcast.sockets.interface import select_interfaces


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``mcast publish``."""
    parser.add_argument("name", metavar="NAME", nargs="?", help="instance name, such as 'My Web'")
    parser.add_argument(
        "type", metavar="TYPE", nargs="?", type=checked(parse_types), help="_http._tcp[,SUBTYPE…]"
    )
    parser.add_argument("port", metavar="PORT", nargs="?", type=checked(parse_port), help="port number")
    parser.add_argument("txt", metavar="KEY=VALUE", nargs="*", help="attributes")
    parser.add_argument("--host", metavar="NAME", help="the host that the service is on (default: this one)")
    parser.add_argument(
        "--address",
        dest="addresses",
        metavar="ADDR",
        action="append",
        default=[],
        type=checked(_address),
        help="address of that host, to publish its name too; may be repeated",
    )
    _add_record_argument(parser, "--record", "record that no other host has; may be repeated", shared=False)
    _add_record_argument(
        parser, "--shared-record", "record that other hosts may have too; may be repeated", shared=True
    )
    parser.add_argument("--no-ipv4", action="store_true", help="IPv6 only")
    parser.add_argument("--no-ipv6", action="store_true", help="IPv4 only")
    add_interface_argument(parser)


def _add_record_argument(parser: argparse.ArgumentParser, option: str, help: str, *, shared: bool) -> None:
    parser.add_argument(
        option,
        dest="records",
        metavar="LINE",
        action="append",
        default=[],
        type=checked(lambda text: RecordEntry(parse_record_string(text), shared)),
        help=help,
    )


async def run(
    reactor: Any, arguments: argparse.Namespace, output: Output, network: Network | None = None
) -> int:
    """Run ``mcast publish``; return the exit status."""
    service = _service(arguments)
    node = _node(reactor, arguments, SocketNetwork(reactor) if network is None else network)

    def report(event: RegistrationEvent) -> None:
        if isinstance(event, Renamed):
            output.text(f"name {event.old_name!r} is taken, trying {event.new_name!r}")
            output.event(event="renamed", old=event.old_name, name=event.new_name)
        elif isinstance(event, Lost):
            output.text(f"name {event.name!r} is taken, and published no longer")
            output.event(event="lost", name=event.name)

    status = NOT_ALL
    try:
        node.startService()
        if arguments.addresses:
            await node.publish(Host(arguments.host, arguments.addresses)).when_claimed()
        # All at once: each needs about a second to claim its name.
        published = None if service is None else node.publish(service, listener=report)
        records = [
            node.publish(entry.record, shared=entry.shared, listener=report) for entry in arguments.records
        ]
        if published is not None:
            _tell_service(output, await published.when_claimed())
        for record in records:
            _tell_record(output, await record.when_claimed())
        status = GOOD
        await Deferred()
    except CancelledError:
        pass
    except NameTaken as error:
        tell("publish", str(error))
    except ValueError as error:
        raise CommandError(str(error)) from None
    finally:
        await node.stopService()
    return status


def _tell_service(output: Output, registration: ServiceRegistration) -> None:
    service = registration.service
    output.text(f"published {registration.full_name} on {registration.host}, port {service.port}")
    output.event(
        event="published",
        name=registration.name,
        type=str(service.type),
        host=str(registration.host),
        port=service.port,
    )


def _tell_record(output: Output, registration: RecordRegistration) -> None:
    line = show_record(registration.record)
    output.text(f"published {line}")
    output.event(event="published", name=registration.name, record=line)


def _service(arguments: argparse.Namespace) -> Service | None:
    """Return the service that is to be published, or None where only records are."""
    if arguments.addresses and arguments.host is None:
        raise CommandError("--address: needs --host, the name that leads to it")
    if arguments.name is None and arguments.records:
        if arguments.host is not None:
            raise CommandError("--host: needs a service, NAME TYPE PORT")
        return None
    words = ("NAME", arguments.name), ("TYPE", arguments.type), ("PORT", arguments.port)
    missing = [word for word, value in words if value is None]
    if len(missing) == len(words):
        raise CommandError("nothing to publish: a service is NAME TYPE PORT, a record is named by --record")
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        raise CommandError(
            f"{' and '.join(missing)} {verb} missing: a service is NAME TYPE PORT [KEY=VALUE…]"
        )
    type, subtypes = arguments.type
    try:
        return Service(
            arguments.name,
            type,
            arguments.port,
            subtypes=subtypes,
            host=None if arguments.host is None else checked_host_label(arguments.host),
            txt=[_attribute(text) for text in arguments.txt],
        )
    except ValueError as error:
        raise CommandError(str(error)) from None


def _node(reactor: Any, arguments: argparse.Namespace, network: Network) -> Node:
    if arguments.no_ipv4 and arguments.no_ipv6:
        raise CommandError("--no-ipv4 and --no-ipv6 together leave nothing to use")
    try:
        select_interfaces(arguments.interfaces, network.interfaces())
    except ValueError as error:
        raise CommandError(str(error)) from None
    return Node(
        reactor,
        interfaces=arguments.interfaces,
        ipv4=not arguments.no_ipv4,
        ipv6=not arguments.no_ipv6,
        network=network,
    )


def _attribute(text: str) -> tuple[str, str | None]:
    key, equals, value = text.partition("=")
    return key, value if equals else None


def _address(text: str) -> IPv4Address | IPv6Address:
    try:
        address = ip_address(text)
    except ValueError:
        raise ValueError(f"{text}: no IP address") from None
    if address.is_multicast or address.is_unspecified:
        raise ValueError(f"{text}: no address of a host")
    return address
