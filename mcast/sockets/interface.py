"""The network interfaces of this host: what they are and which of them are meant."""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface, ip_address, ip_interface
from pathlib import Path

import ifaddr

from mcast.neighbours import Neighbours, SourceKind

DEFAULT_MTU = 1500
"""Octets assumed where the system does not tell: Ethernet's (RFC 894)."""


class AddressState(IntEnum):
    """What may be done with an address, the best first; where the system does not tell it is `PREFERRED`."""

    PREFERRED = 0
    TEMPORARY = 1
    """It is replaced after some hours, so that others cannot follow the host by it (RFC 8981)."""
    DEPRECATED = 2
    """Old connections may go on with it, new ones should not begin (RFC 4862 §5.5.4)."""
    TENTATIVE = 3
    """Another host may have it: that is being found out (RFC 4862 §5.4)."""
    DUPLICATE = 4
    """Another host has it (RFC 4862 §5.4.5)."""


@dataclass(frozen=True, slots=True)
class InterfaceAddress:
    """An address of an interface, with the length of the prefix that is on the link."""

    address: IPv4Address | IPv6Address
    prefix_length: int
    state: AddressState = AddressState.PREFERRED

    @property
    def is_ours(self) -> bool:
        """Whether it may be used: not while another host has it, or may have it."""
        return self.state <= AddressState.DEPRECATED

    @property
    def ip_interface(self) -> IPv4Interface | IPv6Interface:
        """The same as the standard library has it: address, prefix and network."""
        return ip_interface((self.address, self.prefix_length))

    def __str__(self) -> str:
        return f"{self.address}/{self.prefix_length}"


@dataclass(frozen=True, slots=True)
class Interface:
    """One network interface at one moment."""

    name: str
    index: int
    addresses: tuple[InterfaceAddress, ...] = ()
    up: bool = True
    multicast: bool = True
    loopback: bool = False
    point_to_point: bool = False
    mtu: int = DEFAULT_MTU
    """Octets in the largest IP packet."""
    carrier: bool = True
    """Is there a link: cable plugged, radio associated, peer up? True where the system does not tell."""
    _neighbours: Neighbours = field(init=False, repr=False, compare=False)
    _networks: tuple[IPv4Interface | IPv6Interface, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Kept, not computed on each call: the neighbours are asked for each datagram.
        ours = tuple(each.ip_interface for each in self.addresses if each.is_ours)
        object.__setattr__(self, "_networks", ours)
        object.__setattr__(self, "_neighbours", Neighbours(self._networks, loopback=self.loopback))

    @property
    def ipv4(self) -> tuple[InterfaceAddress, ...]:
        """The IPv4 addresses."""
        return tuple(each for each in self.addresses if each.address.version == 4)

    @property
    def ipv6(self) -> tuple[InterfaceAddress, ...]:
        """The IPv6 addresses."""
        return tuple(each for each in self.addresses if each.address.version == 6)

    @property
    def networks(self) -> tuple[IPv4Interface | IPv6Interface, ...]:
        """The addresses that are ours, with their networks."""
        return self._networks

    def has_family(self, ipv6: bool) -> bool:
        """Has the interface an address of this family, be it ours already or not?

        Groups can be joined with one that is still tentative; what is sent by it has to wait (RFC 4862 §5.4).
        """
        return any((each.address.version == 6) is ipv6 for each in self.addresses)

    def has_neighbour(self, host: str) -> bool:
        """Tell whether a source address is that of a host on this link; a zone (``%eth0``) is ignored."""
        return self._neighbours.classify(host) is SourceKind.ON_LINK

    def __str__(self) -> str:
        return self.name


def interfaces() -> tuple[Interface, ...]:
    """Return the interfaces of this host (of the network namespace of this thread), by index.

    :raises OSError: as the system says.
    """
    found: dict[int, tuple[str, list[InterfaceAddress]]] = {}
    states = address_states()
    for adapter in ifaddr.get_adapters(include_unconfigured=True):
        if adapter.index is None:  # gone between two system calls
            continue
        # An IPv4 alias such as "eth0:1" is listed under a name of its own, with the index of "eth0".
        name, addresses = found.setdefault(adapter.index, (adapter.nice_name, []))
        if len(adapter.nice_name) < len(name):
            found[adapter.index] = (adapter.nice_name, addresses)
        for each in adapter.ips:
            text = each.ip if isinstance(each.ip, str) else each.ip[0]
            parsed = ip_address(text.partition("%")[0])
            state = states.get((adapter.index, parsed), AddressState.PREFERRED)
            address = InterfaceAddress(parsed, each.network_prefix, state)
            if address not in addresses:
                addresses.append(address)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        return tuple(
            _described(probe, name, index, tuple(addresses))
            for index, (name, addresses) in sorted(found.items())
        )


_STATES = Path("/proc/thread-self/net/if_inet6")
"""The IPv6 addresses of the network namespace of this thread."""

_STATE_FLAGS = (
    (0x08, AddressState.DUPLICATE),
    (0x40, AddressState.TENTATIVE),
    (0x20, AddressState.DEPRECATED),
    (0x01, AddressState.TEMPORARY),
)
"""The flags of linux/if_addr.h and what they mean, the gravest first."""


def address_states(table: Path = _STATES) -> dict[tuple[int, IPv4Address | IPv6Address], AddressState]:
    """Return the state of each IPv6 address that is not as usual, by it and the index of its interface."""
    states: dict[tuple[int, IPv4Address | IPv6Address], AddressState] = {}
    if sys.platform != "linux":
        return states
    try:
        for line in table.read_text("ascii").splitlines():
            address, index, _, _, flags, _ = line.split()
            for flag, state in _STATE_FLAGS:
                if int(flags, 16) & flag:
                    states[int(index, 16), IPv6Address(int(address, 16))] = state
                    break
    except (FileNotFoundError, PermissionError, ValueError):
        pass  # no such table: no IPv6, or a sandbox that does not show it
    return states


@dataclass(frozen=True, slots=True)
class FlagRow:
    """The ioctl requests and flag bits of one kind of system (its net/if.h)."""

    get_flags: int
    get_mtu: int
    up: int
    loopback: int
    point_to_point: int
    running: int
    multicast: int


LINUX_FLAGS = FlagRow(
    0x8913, 0x8921, up=0x1, loopback=0x8, point_to_point=0x10, running=0x40, multicast=0x1000
)
BSD_FLAGS = FlagRow(
    0xC0206911, 0xC0206933, up=0x1, loopback=0x8, point_to_point=0x10, running=0x40, multicast=0x8000
)

_IFREQ_NAME_SIZE = 16
_IFREQ_SIZE = 40


def _described(
    probe: socket.socket, name: str, index: int, addresses: tuple[InterfaceAddress, ...]
) -> Interface:
    if sys.platform == "win32":
        # Windows lists only interfaces that are up; each of them does multicast.
        loopback = any(each.address.is_loopback for each in addresses)
        return Interface(name, index, addresses, loopback=loopback)
    row = LINUX_FLAGS if sys.platform == "linux" else BSD_FLAGS
    try:
        flags = _ask(probe, row.get_flags, name, "H")
        mtu = _ask(probe, row.get_mtu, name, "i")
    except OSError:  # gone between two system calls: as good as down
        return Interface(name, index, addresses, up=False, multicast=False, carrier=False)
    return Interface(
        name,
        index,
        addresses,
        up=bool(flags & row.up),
        multicast=bool(flags & row.multicast),
        loopback=bool(flags & row.loopback),
        point_to_point=bool(flags & row.point_to_point),
        mtu=mtu,
        carrier=bool(flags & row.running),
    )


def _ask(probe: socket.socket, request: int, name: str, kind: str) -> int:
    # Not from /sys: that shows the namespace it was mounted in, which need not be this thread's.
    if sys.platform == "win32":
        raise NotImplementedError("Windows has no such calls")
    import fcntl

    argument = name.encode()[: _IFREQ_NAME_SIZE - 1].ljust(_IFREQ_SIZE, b"\0")
    answer = fcntl.ioctl(probe.fileno(), request, argument)
    return int(struct.unpack_from(kind, answer, _IFREQ_NAME_SIZE)[0])


_ANY = frozenset(("", "0", "0.0.0.0", "::"))
"""What may stand for an interface when none is meant."""


def find_interface(selector: str, available: Iterable[Interface]) -> Interface | None:
    """Return the interface that a name, a decimal index or one of its addresses selects, or None."""
    known = tuple(available)
    for each in known:
        if each.name == selector:
            return each
    if selector.isascii() and selector.isdigit():
        return next((each for each in known if each.index == int(selector)), None)
    host, _, zone = selector.partition("%")
    try:
        address = ip_address(host)
    except ValueError:
        return None
    for each in known:
        if zone and zone not in (each.name, str(each.index)):
            continue
        if any(own.address == address for own in each.addresses):
            return each
    return None


def default_interfaces(available: Iterable[Interface]) -> tuple[Interface, ...]:
    """Return each interface that is up and does multicast; loopback only when there is no other."""
    usable = [each for each in available if each.up and (each.multicast or each.loopback)]
    others = [each for each in usable if not each.loopback]
    return tuple(others or usable)


def checked_selectors(interfaces: Sequence[str]) -> tuple[str, ...]:
    """Return the names, indexes or addresses by which a caller selects interfaces.

    :raises TypeError: it is no list, a single text among it, which would be read letter by letter, or one of
        them is no text.
    """
    if isinstance(interfaces, str | bytes) or not isinstance(interfaces, Iterable):
        raise TypeError(f"interfaces {interfaces!r}: they are a list, even when there is but one")
    for selector in interfaces:
        if not isinstance(selector, str):
            raise TypeError(f"interface {selector!r}: its name, index or address is given as str")
    return tuple(interfaces)


def select_interfaces(
    selectors: Sequence[str], available: Iterable[Interface], *, strict: bool = True
) -> tuple[Interface, ...]:
    """Return the interfaces meant by ``selectors``, each once; the default ones when there are none.

    :param selectors: interface names, indexes or addresses.
    :param strict: refuse a selector that fits no interface that is up. Not while running: an
        interface may go and come back.
    :raises ValueError: strictly, naming the selector and the cause; or when nothing is usable.
    """
    known = tuple(available)
    if not selectors:
        chosen = default_interfaces(known)
        if strict and not chosen:
            raise ValueError("no usable interface: none is up and capable of multicast")
        return chosen
    found: dict[int, Interface] = {}
    for selector in selectors:
        interface = find_interface(selector, known)
        if interface is None:
            if strict:
                raise ValueError(f"interface {selector}: no such interface, index or address on this host")
        elif not interface.up:
            if strict:
                raise ValueError(f"interface {selector}: is down")
        else:
            found.setdefault(interface.index, interface)
    return tuple(found.values())


def interface_name(index: int) -> str:
    """Return the name of the interface with this index, or the index as text where there is none."""
    try:
        return socket.if_indextoname(index) if index else "any"
    except OSError:
        return str(index)


def interface_index(interface: Interface | int | str) -> int:
    """Return the index of an interface given as it is, or by index, name or address; 0 for none.

    :raises ValueError: there is no such interface.
    """
    if isinstance(interface, Interface):
        return interface.index
    if isinstance(interface, int):
        return interface
    if interface in _ANY:
        return 0
    found = find_interface(interface, interfaces())
    if found is None:
        raise ValueError(f"interface {interface}: no such interface, index or address on this host")
    return found.index


def is_interface(selector: str) -> bool:
    """Tell whether this host has an interface of this name, index or address; or it means any."""
    return selector in _ANY or find_interface(selector, interfaces()) is not None


def first_ipv4(index: int) -> str:
    """Return the first IPv4 address of the interface with this index; "0.0.0.0" where there is none."""
    found = next((each for each in interfaces() if each.index == index), None)
    return str(found.ipv4[0].address) if found is not None and found.ipv4 else "0.0.0.0"


def loopback_source(index: int) -> IPv4Address | None:
    """Return the address that IPv4 multicast by this interface is sent from when it is the loopback one.

    It is None for any other interface. Linux chooses no address of host scope by itself, and would send from
    0.0.0.0.
    """
    found = next((each for each in interfaces() if each.index == index and each.loopback), None)
    addresses = () if found is None else found.ipv4
    return next((each.address for each in addresses if isinstance(each.address, IPv4Address)), None)


def zone_index(zone: str, available: Iterable[Interface] | None = None) -> int:
    """Return the interface index that a zone means: a name or a decimal number; 0 when it is empty or "0".

    :raises ValueError: no interface has this name or index (RFC 4007 §11.2).
    """
    if zone in ("", "0"):
        return 0
    if available is None:
        # Asked for single datagrams: first the quick way.
        try:
            if zone.isascii() and zone.isdigit():
                socket.if_indextoname(int(zone))
                return int(zone)
            return socket.if_nametoindex(zone)
        except (OSError, OverflowError):
            available = interfaces()
    interface = find_interface(zone, available)
    if interface is None:
        raise ValueError(f"zone {zone}: no such interface")
    return interface.index
