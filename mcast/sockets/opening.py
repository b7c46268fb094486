"""Opening and binding the sockets of a port."""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address

from mcast.sockets.errors import ListenError
from mcast.sockets.interface import loopback_source, zone_index
from mcast.sockets.options import PLATFORM, Options
from mcast.sockets.settings import Binding, PortSettings


@dataclass(frozen=True, slots=True)
class PortSockets:
    """The sockets of one port."""

    receiver: socket.socket
    sender: socket.socket
    """The same one, unless the port is bound to a group."""
    pinned: int
    """Index of the only interface that datagrams arrive on; 0 when several are possible."""

    def close(self) -> None:
        """Close both; may be called twice."""
        self.receiver.close()
        self.sender.close()


def open_sockets(binding: Binding, settings: PortSettings) -> PortSockets:
    """Open and bind what a port needs.

    :raises ListenError: what is wrong with the port or address, in one line.
    """
    try:
        receiver = _open(binding, settings, binding.pinned)
        try:
            pinned = _bind(receiver, binding, settings)
            # Here and not with the first answer, when a lack of descriptors would come too late.
            sender = receiver if binding.group is None else _open_sender(receiver, binding, settings, pinned)
        except BaseException:
            receiver.close()
            raise
    except OSError as problem:
        raise _listen_error(binding, problem) from None
    return PortSockets(receiver, sender, pinned)


def open_further(
    binding: Binding, settings: PortSettings, beside: Sequence[socket.socket]
) -> tuple[socket.socket, int]:
    """Open one more receiving socket, bound to a group, on the port that other sockets have.

    :param beside: those sockets. Where the port is not shared it is shared with them for a moment.
    :returns: the socket, and the index of the only interface it receives from, or 0.
    :raises ListenError: what is wrong, in one line.
    """
    sharing = [] if settings.shared else [Options(each, ipv6=binding.ipv6) for each in beside]
    try:
        receiver = _open(binding, settings, binding.pinned)
        try:
            for options in sharing:
                options.share_port()
            pinned = _bind(receiver, binding, replace(settings, shared=True))
            if not settings.shared:
                sharing.append(Options(receiver, ipv6=binding.ipv6))
        except BaseException:
            receiver.close()
            raise
        finally:
            for options in sharing:
                options.keep_port()
    except OSError as problem:
        raise _listen_error(binding, problem) from None
    return receiver, pinned


def _listen_error(binding: Binding, problem: OSError) -> ListenError:
    where = binding.address or _wildcard(binding)
    if binding.group is not None and PLATFORM.bind_group:
        where = binding.group.host
    cause = problem.strerror
    if problem.errno == errno.EADDRINUSE:
        cause = "already in use by a socket that does not share it"
    shown = f"[{where}]" if binding.ipv6 else where or "0.0.0.0"
    message = f"UDP port {binding.port} on {shown}: {cause}"
    return ListenError(where, binding.port, problem, message)


def outgoing_source(interface: int, ipv6: bool) -> IPv4Address | None:
    """Return the address that multicast by an interface must be told to come from; None for no matter."""
    return None if ipv6 or not interface else loopback_source(interface)


def _open(binding: Binding, settings: PortSettings, pinned: int) -> socket.socket:
    """Return a socket with every option set but those of its port.

    :param pinned: index of the interface by which unicast leaves; 0 for what the routing table says.
    """
    ipv6, outgoing = binding.ipv6, binding.pinned
    sock = socket.socket(socket.AF_INET6 if ipv6 else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        options = Options(sock, ipv6=ipv6)
        if ipv6:
            options.set_v6only()
        options.receive_only_joined()
        options.set_hop_limit(settings.hop_limit)
        if settings.unicast_hop_limit is not None:
            options.set_unicast_hop_limit(settings.unicast_hop_limit)
        options.set_loopback(settings.loopback)
        if settings.reports_full:
            options.report_full()
        if outgoing:
            options.set_outgoing(outgoing, outgoing_source(outgoing, ipv6))
        if pinned:
            options.set_unicast_outgoing(pinned)
    except BaseException:
        sock.close()
        raise
    return sock


def _bind(sock: socket.socket, binding: Binding, settings: PortSettings) -> int:
    """Bind the receiving socket; return the index of the only interface it receives from, or 0."""
    options = Options(sock, ipv6=binding.ipv6)
    if settings.shared:
        options.share_port()
    if settings.receive_buffer is not None:
        options.set_receive_buffer(settings.receive_buffer)
    pinned, group = binding.pinned, binding.group
    address: tuple[str, int] | tuple[str, int, int, int]
    if group is not None and options.binds_groups:
        address = (group.host, binding.port)
        if binding.ipv6 and group.requires_interface:
            address = (*address, 0, pinned or zone_index(group.zone))
        elif binding.ipv6 and pinned and not options.bind_to_interface(pinned):
            # Linux looks at the group only when it chooses the sockets for an IPv6 datagram: without
            # a bound interface, a membership of another socket would let other links in.
            pinned = 0
    else:
        host, _, zone = binding.address.partition("%")
        address = (host or _wildcard(binding), binding.port)
        if zone:
            address = (*address, 0, zone_index(zone))
    sock.bind(address)
    return pinned


def _open_sender(
    receiver: socket.socket, binding: Binding, settings: PortSettings, pinned: int
) -> socket.socket:
    # A second socket on Linux too, where the first could send: the reactor watches the first, and the
    # kernel would wake it for each datagram that has left, which takes a tenth of the rate of an echo.
    sock = _open(binding, settings, pinned)
    try:
        options = Options(sock, ipv6=binding.ipv6)
        # Nobody reads it: let a stranger fill no more than the system's minimum.
        options.set_receive_buffer(0)
        if settings.sends_apart:
            sock.bind((_wildcard(binding), 0))
            return sock
        # From the group's port: there a firewall, or a connected socket, expects an answer to come from.
        options.share_port()
        own = receiver.getsockname()
        sock.bind(own if options.group_sends else (_wildcard(binding), own[1]))
    except BaseException:
        sock.close()
        raise
    return sock


def _wildcard(binding: Binding) -> str:
    return "::" if binding.ipv6 else ""
