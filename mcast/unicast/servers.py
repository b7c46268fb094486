"""The servers that are asked by unicast: how they are written, and how a system names its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import NamedTuple

from mcast.dns.names import Name

DNS_PORT = 53
"""The port of DNS servers (RFC 1035 §4.2)."""

MAX_SERVERS = 3
"""Servers of a system that are asked. Our choice: as many as the C library takes (resolv.conf(5))."""

MAX_SEARCH = 32
"""Domains of a search list that are taken. Our choice: more than anybody writes into one line."""


class ServerAddress(NamedTuple):
    """The address and port of a DNS server."""

    host: str
    """An IPv4 or IPv6 address, link-local ones with their zone."""
    port: int = DNS_PORT

    def __str__(self) -> str:
        if self.port == DNS_PORT:
            return self.host
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def ipv6(self) -> bool:
        """Whether it is reached by IPv6."""
        return ":" in self.host


def parse_server(text: str) -> ServerAddress:
    """Read a server as people write it: ``192.0.2.1``, ``192.0.2.1:5300``, ``[2001:db8::1]:5300``.

    :raises TypeError: it is no text.
    :raises ValueError: it is no address, or one that no server has.
    """
    if not isinstance(text, str):
        raise TypeError(f"a server is written as str, not {text!r}")
    host, port = text, str(DNS_PORT)
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError(f"server {text}: it is not written as [2001:db8::1]:5300")
        port = rest[1:] if rest else port
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    address, _, zone = host.partition("%")
    try:
        parsed = ip_address(address)
    except ValueError:
        raise ValueError(
            f"server {text}: it is no address; write 192.0.2.1, 192.0.2.1:5300 or [2001:db8::1]:5300"
        ) from None
    if parsed.is_multicast or parsed.is_unspecified:
        raise ValueError(f"server {text}: no server has this address")
    if parsed.version == 6 and parsed.is_link_local and not zone:
        raise ValueError(f"server {text}: a link-local address needs its interface: {address}%eth0")
    if not (port.isascii() and port.isdigit() and 0 < int(port) <= 0xFFFF):
        raise ValueError(f"server {text}: its port is not between 1 and 65535")
    return ServerAddress(f"{parsed}%{zone}" if zone else str(parsed), int(port))


@dataclass(frozen=True, slots=True)
class SystemConfiguration:
    """What a system says of DNS."""

    servers: tuple[ServerAddress, ...] = ()
    """The servers to ask, the first one first."""
    search: tuple[Name, ...] = ()
    """The domains of this host, from which a person's short names are completed."""


def parse_resolv_conf(text: str) -> SystemConfiguration:
    """Read the file ``resolv.conf`` as the C library does (resolv.conf(5)).

    What makes no sense is passed over, as the C library does. Without a server this host is asked.
    """
    servers: list[ServerAddress] = []
    search: list[Name] = []
    for line in text.splitlines():
        keyword, *words = line.partition("#")[0].partition(";")[0].split() or [""]
        if keyword == "nameserver" and words and len(servers) < MAX_SERVERS:
            try:
                # A port cannot be written there.
                server = ServerAddress(parse_server(f"[{words[0]}]").host)
            except ValueError:
                continue
            if server not in servers:
                servers.append(server)
        elif keyword in ("search", "domain"):
            # The last line of the two counts.
            search = _names(words[:MAX_SEARCH])
    return SystemConfiguration(tuple(servers) or (ServerAddress("127.0.0.1"),), tuple(search))


def _names(words: Sequence[str]) -> list[Name]:
    names = []
    for word in words:
        try:
            name = Name.parse(word)
        except ValueError:
            continue
        if name.labels:
            names.append(name)
    return list(dict.fromkeys(names))
