"""Simulated hosts and their interfaces."""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_interface
from random import Random

from twisted.internet.protocol import DatagramProtocol
from twisted.internet.task import Clock

from mcast.sockets.interface import AddressState, Interface, InterfaceAddress
from mcast.sockets.protocol import GroupProtocol
from mcast.sockets.settings import DEFAULT_SETTINGS, PortSettings
from mcast.testing.captures import Packet
from mcast.testing.endpoints import PortTable
from mcast.testing.links import SimulatedLink
from mcast.testing.listeners import MemoryListener
from mcast.testing.ports import SimulatedPort
from mcast.testing.transports import MemoryPort

FIRST_INDEX = 2
"""Index of a host's first interface; 1 is the loopback interface of real hosts, of which these have none."""

REPLUG_DELAY = 1.0
"""Seconds without carrier when a cable moves to another link. Our choice."""


class SimulatedInterface:
    """A network interface of a simulated host, plugged into a link. Made by `SimulatedHost.connect`.

    Each change is told to whoever watches the host's interfaces.
    """

    def __init__(
        self,
        host: SimulatedHost,
        link: SimulatedLink,
        name: str,
        index: int,
        addresses: tuple[InterfaceAddress, ...],
    ) -> None:
        self.host = host
        self.name = name
        self.index = index
        self.link = link
        """Where it is plugged in, with or without carrier."""
        self.addresses = addresses
        self.up = True
        self.carrier = True
        link.interfaces.append(self)

    @property
    def is_running(self) -> bool:
        """Whether packets can come and go."""
        return self.up and self.carrier

    @property
    def current(self) -> Interface:
        """What a system tells of it now."""
        return Interface(
            self.name, self.index, self.addresses, up=self.up, mtu=self.link.mtu, carrier=self.carrier
        )

    def has(self, address: IPv4Address | IPv6Address) -> bool:
        """Tell whether an address is one of its own."""
        return any(each.address == address for each in self.addresses)

    def source_for(self, destination: str) -> str:
        """Return the address that packets to a destination come from.

        :raises OSError: there is none of that family.
        """
        target = ip_address(destination)
        fitting = [each.address for each in self.addresses if each.address.version == target.version]
        # RFC 6724 §5, rule 2: an address of the scope of the destination before others.
        near = target.is_link_local or (target.is_multicast and target.version == 6)
        fitting.sort(key=lambda address: address.is_link_local is not near)
        if not fitting:
            raise OSError(errno.EADDRNOTAVAIL, f"{self.name} has no IPv{target.version} address")
        return str(fitting[0])

    def set_addresses(self, *addresses: str) -> None:
        """Have these addresses and no others, each with its prefix length (``192.0.2.7/24``).

        A state may follow, as `AddressState` has it: ``"fe80::7/64 tentative"``.
        """
        self.addresses = tuple(map(_interface_address, addresses))
        self.host.changed()

    def set_carrier(self, carrier: bool) -> None:
        """Lose the carrier, or find it again."""
        if carrier is not self.carrier:
            self.carrier = carrier
            self.host.changed()

    def unplug(self) -> None:
        """Pull the cable: nothing comes or goes, nothing can be said before."""
        self.set_carrier(False)

    def plug(self, link: SimulatedLink | None = None) -> None:
        """Put the cable in again, or into another link, keeping the addresses.

        Another link is without carrier for `REPLUG_DELAY` seconds: nobody changes a cable faster, and
        the host would not notice that it is elsewhere.
        """
        if link is None or link is self.link:
            self.set_carrier(True)
            return
        self.unplug()
        self.link.interfaces.remove(self)
        self.link = link
        link.interfaces.append(self)
        self.host.call_later(REPLUG_DELAY, self.set_carrier, True)

    def set_up(self, up: bool) -> None:
        """Switch the interface off or on, as an administrator does."""
        if up is not self.up:
            self.up = up
            self.host.changed()

    def remove(self) -> None:
        """Take the interface out of the host."""
        self.up = False
        self.link.interfaces.remove(self)
        self.host.forget(self)

    def __repr__(self) -> str:
        return f"<SimulatedInterface {self.host.name} {self.name}>"


class SimulatedHost:
    """A host with interfaces and UDP ports, and the `Network` of a Node. Made by `SimulatedLan.host`."""

    def __init__(self, clock: Clock, name: str, number: int, rng: Random) -> None:
        self.name = name
        self.number = number
        """Makes its addresses, see `SimulatedLink.number`."""
        self.rng = rng
        """Randomness of its own, for a Node on it: what one host draws moves no other's numbers."""
        self._clock = clock
        self._interfaces: list[SimulatedInterface] = []
        self._next_index = FIRST_INDEX
        self.ports = PortTable()
        """What is bound to its UDP ports; kept by the ports themselves."""
        self._watchers: list[Callable[[Sequence[Interface]], None]] = []
        self._is_change_told = True

    # Interfaces

    def connect(self, link: SimulatedLink, *addresses: str, name: str | None = None) -> SimulatedInterface:
        """Add an interface plugged into a link.

        :param addresses: with prefix length; without any it gets one of each family.
        :param name: ``eth0``, ``eth1``… when not given.
        """
        if not addresses:
            addresses = (
                f"10.0.{link.number}.{self.number}/24",
                f"fe80::{link.number:x}:{self.number:x}/64",
            )
        index = self._next_index
        self._next_index += 1
        interface = SimulatedInterface(
            self,
            link,
            f"eth{index - FIRST_INDEX}" if name is None else name,
            index,
            tuple(map(_interface_address, addresses)),
        )
        self._interfaces.append(interface)
        self.changed()
        return interface

    def interface(self, name: str | None = None) -> SimulatedInterface:
        """Return the interface of this name, or the first one.

        :raises LookupError: there is none.
        """
        for interface in self._interfaces:
            if name is None or interface.name == name:
                return interface
        raise LookupError(f"{self.name} has no interface {name or 'at all'}")

    def interface_at(self, index: int) -> SimulatedInterface:
        """Return the interface with this index.

        :raises OSError: there is none.
        """
        for interface in self._interfaces:
            if interface.index == index:
                return interface
        raise OSError(errno.ENODEV, f"{self.name} has no interface {index}")

    def unplug(self) -> None:
        """Pull every cable: to its neighbours the host is gone without a word."""
        for interface in self._interfaces:
            interface.unplug()

    def plug(self) -> None:
        """Put every cable in again."""
        for interface in self._interfaces:
            interface.plug()

    def forget(self, interface: SimulatedInterface) -> None:
        """Have one interface less (called by `SimulatedInterface.remove`)."""
        self._interfaces.remove(interface)
        self.ports.forget_interface(interface.index)
        self.changed()

    def call_later(self, delay: float, call: Callable[..., object], *arguments: object) -> None:
        """Call something on the simulation's clock."""
        self._clock.callLater(delay, call, *arguments)

    def changed(self) -> None:
        """Tell the watchers, soon, and once for all that changes at one time."""
        if self._is_change_told:
            self._is_change_told = False
            self._clock.callLater(0, self._tell_change)

    def _tell_change(self) -> None:
        self._is_change_told = True
        current = self.interfaces()
        for watcher in tuple(self._watchers):
            watcher(current)

    # The network of a Node

    def interfaces(self) -> tuple[Interface, ...]:
        """Return every interface as it is now."""
        return tuple(interface.current for interface in self._interfaces)

    def watch(self, changed: Callable[[Sequence[Interface]], None]) -> Callable[[], None]:
        """Call ``changed`` with all interfaces after each change, until what this returns is called."""
        self._watchers.append(changed)

        def stop() -> None:
            if changed in self._watchers:
                self._watchers.remove(changed)

        return stop

    def open(self, ipv6: bool, own_port: bool = False) -> SimulatedPort:
        """Open port 5353 of one family, or another."""
        port = SimulatedPort(self, self._clock, ipv6, own_port)
        self.ports.bind(port)
        return port

    # Ports of any kind

    def listenMulticast(
        self,
        port: int,
        protocol: DatagramProtocol,
        interface: str = "",
        maxPacketSize: int = 8192,
        listenMultiple: bool = False,
    ) -> MemoryPort:
        """Listen on a UDP port, as ``reactor.listenMulticast`` does; an IPv6 interface makes it an IPv6 port.

        :raises CannotListenError: another port has the number, and one of them does not share it.
        """
        memory = MemoryPort(self, self._clock, port, protocol, interface, max_packet_size=maxPacketSize)
        memory.is_shared = listenMultiple
        memory.startListening()
        return memory

    def listen_group(
        self, protocol: GroupProtocol, settings: PortSettings = DEFAULT_SETTINGS
    ) -> MemoryListener:
        """Receive the groups of a protocol on this host, as `mcast.listen_group` does on a real one.

        :raises ValueError: an unknown interface or zone, one that is down, or none usable.
        :raises OSError: nothing could be joined, or the port is taken.
        """
        listener = MemoryListener(self, self._clock, protocol, settings)
        listener.startListening()
        return listener

    def transmit(
        self,
        source_port: int,
        payload: bytes,
        destination: str,
        port: int,
        index: int,
        hop_limit: int,
        loopback: bool,
    ) -> None:
        """Send a packet by an interface (called by ports).

        :raises OSError: as a system would; without carrier it is lost in silence, as there.
        """
        interface = self.interface_at(index)
        if not interface.up:
            raise OSError(errno.ENETDOWN, f"{interface.name} is down")
        source = interface.source_for(destination)
        packet = Packet(
            self._clock.seconds(),
            interface.link.name,
            self.name,
            source,
            source_port,
            destination,
            port,
            payload,
            hop_limit,
        )
        if interface.has(ip_address(destination)):
            # To itself: such a packet is on no link.
            self._clock.callLater(0, self.ports.take, packet, interface)
            return
        if packet.is_multicast and loopback:
            self._clock.callLater(0, self.ports.take, packet, interface)
        if interface.carrier:
            interface.link.carry(packet, interface)

    def __repr__(self) -> str:
        return f"<SimulatedHost {self.name}>"


def _interface_address(text: str) -> InterfaceAddress:
    address, _, state = text.partition(" ")
    parsed = ip_interface(address)
    known = AddressState[state.upper()] if state else AddressState.PREFERRED
    return InterfaceAddress(parsed.ip, parsed.network.prefixlen, known)
