"""What `mcast browse`, `resolve` and `query` share: their node, and how they show what was found."""

from __future__ import annotations

import argparse
import base64
import errno
from collections.abc import Iterable, Sequence
from typing import Any

from mcast.cli.command import CommandError, add_interface_argument, checked, tell
from mcast.dns.names import LOCAL, Name
from mcast.dnssd.found import FoundAddress, FoundService
from mcast.dnssd.sought import sought_name
from mcast.errors import NotFound
from mcast.mdns.domains import is_multicast_name
from mcast.node.beyond import Where, where
from mcast.node.network import Network, NoNetwork, OwnPorts, SocketNetwork
from mcast.node.node import Node
from mcast.node.troubles import missing_interfaces
from mcast.showing import shown, shown_attribute
from mcast.sockets.interface import select_interfaces
from mcast.unicast.servers import parse_server


def add_node_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what chooses the links to look on."""
    add_interface_argument(parser)
    parser.add_argument("--no-ipv4", action="store_true", help="IPv6 only")
    parser.add_argument("--no-ipv6", action="store_true", help="IPv4 only")


def add_domain_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the domain to look in, and whom to ask there."""
    parser.add_argument(
        "-d",
        "--domain",
        type=checked(sought_name),
        default=LOCAL,
        metavar="DOMAIN",
        help="look in this domain by asking DNS servers, such as example.com (default: local, by multicast)",
    )
    add_server_argument(parser)


def add_server_argument(parser: argparse.ArgumentParser) -> None:
    """Add the DNS server to ask."""
    parser.add_argument(
        "--server",
        type=checked(lambda text: str(parse_server(text))),
        metavar="ADDRESS[:PORT]",
        help="ask this DNS server, such as 192.0.2.1 or [2001:db8::1]:5300 (default: those of the system)",
    )
    parser.add_argument(
        "--tls-ca",
        type=checked(_checked_authorities),
        metavar="FILE",
        help="certificates of who vouches for servers that push changes (default: those the system trusts)",
    )


def _checked_authorities(path: str) -> str:
    from mcast.dns_client.push_stream import read_authorities

    read_authorities(path)
    return path


def chosen_place(arguments: argparse.Namespace) -> Where:
    """Return where to look.

    :raises CommandError: the arguments contradict each other.
    """
    try:
        return where(arguments.domain, arguments.interfaces, arguments.server)
    except ValueError as error:
        raise CommandError(str(error)) from None


def is_asking(node: Node, place: Where) -> bool:
    """Tell whether a question is waiting for the answer of a DNS server."""
    told = node.statistics()["domains"].get(str(place), {})
    return bool(told.get("waiting"))


def _authorities(arguments: argparse.Namespace) -> str | None:
    """Return the file of --tls-ca; not every command that has a node looks beyond its links."""
    path: str | None = getattr(arguments, "tls_ca", None)
    return path


def started_node(
    reactor: Any,
    arguments: argparse.Namespace,
    network: Network | None = None,
    interfaces: Sequence[str] = (),
    *,
    patient: bool = False,
    only_asks: str = "",
    beyond: bool = False,
) -> Node:
    """Return a running node on the links that were chosen; it publishes nothing.

    :param interfaces: use these instead of those in the arguments.
    :param patient: go on without any link: one may come.
    :param only_asks: the name of a command that may ask from a port of its own when 5353 is held by a program
        that does not share it (RFC 6762 §5.1).
    :param beyond: DNS servers are asked, so that no link is needed and no port opened.
    :raises CommandError: there is no such interface, or none to use.
    :raises OSError: port 5353 cannot be opened.
    """
    if beyond:
        node = Node(reactor, network=NoNetwork(), tls_ca=_authorities(arguments))
        node.startService()
        return node
    if arguments.no_ipv4 and arguments.no_ipv6:
        raise CommandError("--no-ipv4 and --no-ipv6 together leave nothing to use")
    network = SocketNetwork(reactor) if network is None else network
    selectors = interfaces or arguments.interfaces
    available = network.interfaces()
    try:
        chosen = select_interfaces(selectors, available, strict=bool(selectors) or not patient)
    except ValueError as error:
        raise CommandError(str(error)) from None
    if not patient and not any(each.carrier and each.addresses for each in chosen):
        raise CommandError(f"no link works: {'; '.join(missing_interfaces(selectors, available, chosen))}")

    def on(network: Network) -> Node:
        node = Node(
            reactor,
            interfaces=selectors,
            ipv4=not arguments.no_ipv4,
            ipv6=not arguments.no_ipv6,
            network=network,
            tls_ca=_authorities(arguments),
        )
        node.startService()
        return node

    try:
        node = on(network)
    except OSError as error:
        if not (only_asks and error.errno == errno.EADDRINUSE):
            raise
        tell(only_asks, f"{error.strerror}; asking from a port of our own")
        node = on(OwnPorts(network))
    if not node.links and not patient:
        trouble = node.trouble
        node.stopService()
        raise CommandError(f"{trouble}")
    return node


def tell_not_found(command: str, error: NotFound) -> None:
    """Print on standard error that nothing was found; it is no fault, and the exit status says it too."""
    tell(command, str(error))


def plain_name(name: Name) -> str:
    """Return a name as a person writes it, without the final dot (RFC 6763 §4.2, §13.1).

    Only what acts on a terminal is escaped.
    """
    labels = [label.decode("utf-8", "backslashreplace") for label in name.labels]
    return shown(".".join(labels)) or "."


def plain_attributes(service: FoundService) -> str:
    """Return the TXT attributes as ``key=value`` with spaces between."""
    return " ".join([shown_attribute(key, value) for key, value in service.txt.items()])


def plain_endpoint(service: FoundService) -> str:
    """Return host and port, or nothing while they are not known."""
    return "" if service.host is None else f"{plain_name(service.host)}:{service.port}"


def plain_addresses(service: FoundService) -> str:
    """Return the addresses with spaces between, or in brackets why none is known."""
    if service.addresses or service.host is None:
        return " ".join([str(found.address) for found in service.addresses])
    if not is_multicast_name(service.domain):
        return "(no address in DNS)"
    if is_multicast_name(service.host):
        return "(no address heard)"
    return "(outside of .local; the system's resolver knows no address)"


def service_fields(service: FoundService) -> dict[str, Any]:
    """Return what the JSON object of a service says."""
    texts, others = attribute_fields(service.txt.items())
    return {
        "name": service.name,
        "full_name": str(service.full_name),
        "type": str(service.type),
        "domain": str(service.domain),
        "subtypes": [subtype.decode("utf-8", "backslashreplace") for subtype in service.subtypes],
        "host": None if service.host is None else str(service.host),
        "port": service.port,
        "txt": texts,
        "txt_base64": others,
        "addresses": address_fields(service.addresses),
        "unknown": unknown_fields(service),
        "interfaces": list(service.interfaces),
    }


def unknown_fields(service: FoundService) -> list[str]:
    """Return which fields of a service are empty since nothing is known, and not since there is nothing."""
    if service.host is None:
        return ["host", "port", "txt", "addresses"]
    return [] if service.addresses else ["addresses"]


def attribute_fields(
    attributes: Iterable[tuple[str, bytes | None]],
) -> tuple[dict[str, str | None], dict[str, str]]:
    """Divide attributes into those whose values are UTF-8, or have none, and the others in base64."""
    texts: dict[str, str | None] = {}
    others: dict[str, str] = {}
    for key, value in attributes:
        try:
            texts[key] = None if value is None else value.decode("utf-8")
        except UnicodeDecodeError:
            assert value is not None
            others[key] = base64.b64encode(value).decode("ascii")
    return texts, others


def address_fields(addresses: Iterable[FoundAddress]) -> list[dict[str, str]]:
    """Return addresses for JSON, link-local ones with their zone."""
    return [{"address": str(found.address), "interface": found.interface} for found in addresses]
