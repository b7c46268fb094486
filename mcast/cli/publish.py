"""Publish one service by multicast DNS until Ctrl-C, then say goodbye.

NAME is what people see, TYPE is like _http._tcp or _http._tcp,_printer with subtypes. With --host the service
is on another host, and with --address that host's name and addresses are published too.

exit status: 0 it was published, 1 it never was, 2 error
"""

from __future__ import annotations

import argparse
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from twisted.internet.defer import CancelledError, Deferred

from mcast.cli.command import GOOD, NOT_ALL, CommandError, Output, add_interface_argument, checked
from mcast.dnssd.files.service_string import parse_port
from mcast.dnssd.hosts import Host, checked_host_label
from mcast.dnssd.service import Service
from mcast.dnssd.types import parse_types
from mcast.node.node import Node
from mcast.node.registrations import RegistrationEvent, Renamed
from mcast.sockets.interface import interfaces, select_interfaces


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``mcast publish``."""
    parser.add_argument("name", metavar="NAME", help="instance name, such as 'My Web'")
    parser.add_argument("type", metavar="TYPE", type=checked(parse_types), help="_http._tcp[,SUBTYPE…]")
    parser.add_argument("port", metavar="PORT", type=checked(parse_port), help="port number")
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
    parser.add_argument("--no-ipv4", action="store_true", help="IPv6 only")
    parser.add_argument("--no-ipv6", action="store_true", help="IPv4 only")
    add_interface_argument(parser)


async def run(reactor: Any, arguments: argparse.Namespace, output: Output) -> int:
    """Run ``mcast publish``; return the exit status."""
    node, service = _prepare(reactor, arguments)

    def tell(event: RegistrationEvent) -> None:
        if isinstance(event, Renamed):
            output.text(f"name {event.old_name!r} is taken, trying {event.new_name!r}")
            output.event(event="renamed", old=event.old_name, name=event.new_name)

    status = NOT_ALL
    try:
        node.startService()
        if arguments.addresses:
            await node.publish(Host(arguments.host, arguments.addresses)).when_claimed()
        registration = await node.publish(service, listener=tell).when_claimed()
        output.text(f"published {registration.full_name} on {registration.host}, port {service.port}")
        output.event(
            event="published",
            name=registration.name,
            type=str(service.type),
            host=str(registration.host),
            port=service.port,
        )
        status = GOOD
        await Deferred()
    except CancelledError:
        pass
    finally:
        await node.stopService()
    return status


def _prepare(reactor: Any, arguments: argparse.Namespace) -> tuple[Node, Service]:
    if arguments.no_ipv4 and arguments.no_ipv6:
        raise CommandError("--no-ipv4 and --no-ipv6 together leave nothing to use")
    if arguments.addresses and arguments.host is None:
        raise CommandError("--address: needs --host, the name that leads to it")
    type, subtypes = arguments.type
    try:
        select_interfaces(arguments.interfaces, interfaces())
        service = Service(
            arguments.name,
            type,
            arguments.port,
            subtypes=subtypes,
            host=None if arguments.host is None else checked_host_label(arguments.host),
            txt=[_attribute(text) for text in arguments.txt],
        )
    except ValueError as error:
        raise CommandError(str(error)) from None
    node = Node(
        reactor,
        interfaces=arguments.interfaces,
        ipv4=not arguments.no_ipv4,
        ipv6=not arguments.no_ipv6,
    )
    return node, service


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
