"""Tests that run ports of ours on a reactor of their own, on the first host of a `Lan`."""

from __future__ import annotations

import asyncio
import contextlib
import select
import socket
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from twisted.internet import asyncioreactor, epollreactor, pollreactor, selectreactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import DatagramProtocol

from mcast.sockets.arrival import Arrival
from mcast.sockets.listen import listen_multicast
from mcast.sockets.port import GroupPort
from mcast.sockets.settings import PortSettings
from tests.network.lan import PATIENCE, Host, LanTestCase, wait_until

T = TypeVar("T")


def make_reactor(name: str) -> Any:
    """Return a new reactor that is not the global one: epoll, poll, select or asyncio."""
    if name == "asyncio":
        return asyncioreactor.AsyncioSelectorReactor(asyncio.SelectorEventLoop())
    if name == "poll":
        return pollreactor.PollReactor()
    if name == "select":
        return selectreactor.SelectReactor()
    return epollreactor.EPollReactor()


_PLACES = {"interface", "group", "ipv6", "pinned"}

_STEP = 0.005
"""Seconds that the reactor waits at most for something to do, before the test looks again."""


class Recorder(DatagramProtocol):
    """Keeps what arrives on a port of ours."""

    noisy = False

    def __init__(self) -> None:
        self.data: list[bytes] = []
        self.addresses: list[tuple[Any, ...]] = []
        self.arrivals: list[Arrival] = []

    def datagram_arrived(self, data: bytes, address: tuple[Any, ...], arrival: Arrival) -> bytes | None:
        self.data.append(data)
        self.addresses.append(address)
        self.arrivals.append(arrival)
        return None


class PlainRecorder(DatagramProtocol):
    """Keeps what arrives on any port, as a protocol written for stock Twisted does."""

    noisy = False

    def __init__(self) -> None:
        self.data: list[bytes] = []
        self.addresses: list[tuple[Any, ...]] = []

    def datagramReceived(self, datagram: bytes, addr: tuple[Any, ...]) -> None:
        self.data.append(datagram)
        self.addresses.append(addr)


class ReactorLanTestCase(LanTestCase):
    """Tests whose thread is on the first host; ``there`` is the second."""

    links = 2
    reactor_name: ClassVar[str] = "epoll"
    reactor: Any

    def setUp(self) -> None:
        super().setUp()
        self.here, self.there = self.lan.hosts[:2]
        stack = contextlib.ExitStack()
        stack.enter_context(self.here.inside())
        self.reactor = make_reactor(self.reactor_name)
        self._open: list[Any] = []
        # Last in, first out: the ports are closed on the reactor, that is ended, then the host is left.
        self.addCleanup(stack.close)
        self.addCleanup(self._end_reactor)
        self.addCleanup(self._close_ports)

    def _close_ports(self) -> None:
        for port in self._open:
            self.wait(port.stopListening())

    def _end_reactor(self) -> None:
        for call in self.reactor.getDelayedCalls():
            call.cancel()
        for selectable in self.reactor.removeAll():
            selectable.connectionLost(None)
        for reader in list(self.reactor._internalReaders):
            self.reactor.removeReader(reader)
            reader.connectionLost(None)
        if self.reactor_name == "asyncio":
            self.reactor._asyncioEventloop.close()
        elif self.reactor_name == "epoll":
            self.reactor._poller.close()  # or it stays open until a cycle is collected, in whatever test

    def open(self, port: int = 0, protocol: DatagramProtocol | None = None, **settings: Any) -> GroupPort:
        """Return a new port of ours, closed after the test.

        :param settings: of `listen_multicast` and of `PortSettings`.
        """
        places = {name: settings.pop(name) for name in _PLACES & settings.keys()}
        made = listen_multicast(
            self.reactor, port, protocol or Recorder(), **places, settings=PortSettings(**settings)
        )
        assert isinstance(made, GroupPort)
        return self.close_later(made)

    def close_later(self, port: T) -> T:
        """Close a port after the test."""
        self._open.append(port)
        return port

    def wait(self, deferred: Deferred[T] | None) -> T | None:
        """Return what a Deferred fires with, while the reactor runs."""
        if deferred is None:
            return None
        results: list[T] = []
        failures: list[Any] = []
        deferred.addCallbacks(results.append, failures.append)
        self.until(lambda: results or failures, "a Deferred to fire")
        if failures:
            failures[0].raiseException()
        return results[0]

    def until(self, condition: Callable[[], object], what: str, timeout: float = PATIENCE) -> None:
        """Run the reactor until the condition holds; fail naming ``what`` if that takes too long."""
        wait_until(condition, what, timeout, step=lambda: self.reactor.iterate(_STEP))

    def turn(self, seconds: float = 0.1) -> None:
        """Run the reactor for a while: long enough for what must not come to come."""
        end = self.reactor.seconds() + seconds
        # Often enough also when this process stood still for so long.
        least = seconds / _STEP
        while least > 0 or self.reactor.seconds() < end:
            self.reactor.iterate(_STEP)
            least -= 1

    def heard(self, recorder: Recorder | PlainRecorder, *expected: bytes) -> None:
        """Wait for these datagrams, in whatever order, and for no other."""
        self.until(lambda: len(recorder.data) >= len(expected), f"{expected} to arrive")
        self.assertEqual(sorted(recorder.data), sorted(expected))


def readable(sock: socket.socket) -> bool:
    """Has something arrived at a socket, or somebody connected to it?"""
    return bool(select.select([sock], [], [], 0)[0])


def group_sender(host: Host, ipv6: bool, interface: str, hops: int = 1) -> socket.socket:
    """Return a socket of another host that sends multicast by one of its interfaces."""
    made = host.udp_socket(ipv6, interface=interface)
    if ipv6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, hops)
    else:
        made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, hops)
    return made
