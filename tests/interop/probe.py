"""A host made of plain sockets: it sends what it is told, and sees every multicast DNS packet on its link."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from types import TracebackType

from tests.interop.wire import Message, decode
from tests.network.lan import PATIENCE, Host

GROUP4, GROUP6, PORT = "224.0.0.251", "ff02::fb", 5353

_ETH_P_ALL = 3
_SO_TIMESTAMPNS = 35
_SO_RCVBUFFORCE = 33
_CAPTURE_BUFFER = 32 << 20
"""Our choice: octets that the kernel holds for a capture; a thousand services announced at once fit in."""


@dataclass(frozen=True, slots=True)
class Packet:
    """One UDP datagram seen on the link."""

    at: float
    """When, in seconds of `time.time`."""
    source: str
    source_port: int
    destination: str
    destination_port: int
    hop_limit: int
    payload: bytes
    outgoing: bool
    """Whether the capturing host sent it."""

    @property
    def message(self) -> Message:
        return decode(self.payload)

    @property
    def multicast(self) -> bool:
        return self.destination in (GROUP4, GROUP6)

    @property
    def size(self) -> int:
        """Octets of the whole IP packet."""
        return len(self.payload) + (48 if ":" in self.source else 28)


def _parse(frame: bytes, at: float, outgoing: bool) -> Packet | None:
    """Return the datagram in an Ethernet frame when either port is that of multicast DNS."""
    kind = frame[12:14]
    if kind == b"\x08\x00" and frame[23] == socket.IPPROTO_UDP:
        start = 14 + (frame[14] & 15) * 4
        source, destination = str(IPv4Address(frame[26:30])), str(IPv4Address(frame[30:34]))
        hops = frame[22]
    elif kind == b"\x86\xdd" and frame[20] == socket.IPPROTO_UDP:
        start = 54
        source, destination = str(IPv6Address(frame[22:38])), str(IPv6Address(frame[38:54]))
        hops = frame[21]
    else:
        return None
    source_port, destination_port, length = struct.unpack_from("!HHH", frame, start)
    if PORT not in (source_port, destination_port):
        return None
    return Packet(
        at,
        source,
        source_port,
        destination,
        destination_port,
        hops,
        frame[start + 8 : start + length],
        outgoing,
    )


class Sniffer:
    """Captures the multicast DNS packets of one interface; `packets` grows with every call of a method."""

    def __init__(self, host: Host, interface: str = "eth0") -> None:
        with host.inside():
            # Nothing is captured before it is bound: no packet of another interface, and none without a time.
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _CAPTURE_BUFFER)
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
            self._socket.bind((interface, _ETH_P_ALL))
        self._socket.setblocking(False)
        self.packets: list[Packet] = []

    def poll(self) -> list[Packet]:
        """Take in what has arrived; return all packets seen so far."""
        while True:
            try:
                frame, ancillary, _, address = self._socket.recvmsg(65536, 64)
            except BlockingIOError:
                return self.packets
            seconds, nanoseconds = struct.unpack("qq", ancillary[0][2][:16])
            packet = _parse(frame, seconds + nanoseconds / 1e9, address[2] == socket.PACKET_OUTGOING)
            if packet is not None:
                self.packets.append(packet)

    def mark(self) -> int:
        """Return the number of packets so far: where to go on looking."""
        return len(self.poll())

    def wait_for(self, wanted: Callable[[Packet], bool], timeout: float = PATIENCE, start: int = 0) -> Packet:
        """Return the first packet, from ``start`` on, that is wanted.

        :raises AssertionError: when none comes within ``timeout`` seconds.
        """
        deadline = time.monotonic() + timeout
        while True:
            for packet in self.poll()[start:]:
                start += 1
                if wanted(packet):
                    return packet
            if time.monotonic() > deadline:
                raise AssertionError(f"no such packet in {timeout} s")
            time.sleep(0.002)

    def wait_until_calm(self, wanted: Callable[[Packet], bool], count: int = 0, seconds: float = 1.1) -> None:
        """Wait until so many packets that are wanted were seen, and none for a while.

        A record is announced twice, and not multicast again within a second (RFC 6762 §6, §8.3): after that
        it may be asked for.

        :raises AssertionError: when that takes too long.
        """
        deadline = time.monotonic() + 2 * PATIENCE
        while True:
            seen = [packet.at for packet in self.poll() if wanted(packet)]
            left = seconds if len(seen) < count else (seen[-1] if seen else 0.0) + seconds - time.time()
            if left <= 0:
                return
            if time.monotonic() > deadline:
                raise AssertionError(f"{len(seen)} packets, not {count} and then none for {seconds} s")
            time.sleep(min(left, 0.05))

    def gather(self, seconds: float, start: int | None = None) -> list[Packet]:
        """Watch for some time; return what came from ``start`` on, or in that time."""
        first = self.mark() if start is None else start
        time.sleep(seconds)
        return self.poll()[first:]

    def close(self) -> None:
        self._socket.close()


class Prober:
    """Sends datagrams of its own making from one address of a test host, and watches the link.

    :param address: what it sends from, by default the IPv4 address of the host; for IPv6 a link-local one.
    """

    def __init__(self, host: Host, address: str | None = None, interface: str = "eth0") -> None:
        self._host = host
        self._interface = interface
        self.address = address or host.ipv4()
        self.ipv6 = ":" in self.address
        self._sockets: dict[tuple[str, int], socket.socket] = {}
        self.sniffer = Sniffer(host, interface)
        try:
            self._socket_for(self.address, PORT)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Prober:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _socket_for(self, address: str, port: int) -> socket.socket:
        """Return the socket that sends from that address and port; port 0 is a new one each time."""
        known = self._sockets.get((address, port))
        if known is not None:
            return known
        with self._host.inside():
            index = socket.if_nametoindex(self._interface)
            made = socket.socket(socket.AF_INET6 if self.ipv6 else socket.AF_INET, socket.SOCK_DGRAM)
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if self.ipv6:
                made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
                made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, 255)
                made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
                made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 0)
                made.bind((address, port, 0, index))
            else:
                made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
                made.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 255)
                interface = struct.pack("4s4si", b"\0" * 4, b"\0" * 4, index)
                made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, interface)
                made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
                made.bind((address, port))
        except BaseException:
            made.close()
            raise
        self._sockets[(address, made.getsockname()[1])] = made
        return made

    def send(
        self,
        message: Message | bytes,
        *,
        to: str | None = None,
        address: str | None = None,
        port: int = PORT,
    ) -> int:
        """Send a message, to the group unless ``to`` says where; return the source port (0: a new one)."""
        sender = self._socket_for(address or self.address, port)
        payload = message if isinstance(message, bytes) else message.encode()
        destination = to or (GROUP6 if self.ipv6 else GROUP4)
        if self.ipv6:
            sender.sendto(payload, (destination, PORT, 0, sender.getsockname()[3]))
        else:
            sender.sendto(payload, (destination, PORT))
        return int(sender.getsockname()[1])

    def close(self) -> None:
        for one in self._sockets.values():
            one.close()
        self.sniffer.close()
