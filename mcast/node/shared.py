"""One Node for all in a process who do not bring their own: endpoints, resolvers.

The first user starts it, the last one stops it. Who forgets to stop still says goodbye: a node does so by
itself when its reactor shuts down.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from mcast.node.network import Network, SocketNetwork
from mcast.node.node import Node
from mcast.sockets.interface import select_interfaces

Settings = tuple[tuple[str, ...], str | None]
"""Interface selectors and host name: users who ask for the same share a node."""


class NodeLease:
    """The right to use a node until `release`."""

    def __init__(self, node: Node, release: Callable[[], Deferred[None]]) -> None:
        self.node = node
        """The node; running, unless the reactor shuts down."""
        self._release: Callable[[], Deferred[None]] | None = release

    def release(self) -> Deferred[None]:
        """Give the node back; may be called twice.

        Fires when the node has stopped, with its goodbyes, or at once when it has other users.
        """
        release, self._release = self._release, None
        return succeed(None) if release is None else release()


class _Holder:
    """A node, and how many use it."""

    _log = Logger()

    def __init__(self, node: Node, forget: Callable[[_Holder], None]) -> None:
        self.node = node
        self.users = 0
        self._forget = forget

    def lease(self) -> NodeLease:
        self.users += 1
        return NodeLease(self.node, self._release)

    def _release(self) -> Deferred[None]:
        self.users -= 1
        if self.users:
            return succeed(None)
        self._forget(self)
        return self.node.stopService().addErrback(self._failed)

    def _failed(self, reason: Failure) -> None:
        self._log.failure("the shared node did not stop cleanly", reason)


_holders: WeakKeyDictionary[Any, dict[Settings, _Holder]] = WeakKeyDictionary()
_provided: WeakKeyDictionary[Any, list[Node]] = WeakKeyDictionary()


def shared_node(
    reactor: Any,
    *,
    interfaces: tuple[str, ...] = (),
    hostname: str | None = None,
    network: Network | None = None,
) -> NodeLease:
    """Return a lease on the node of a reactor; the first one starts it.

    :param interfaces: names, indexes or addresses of those to use; by default all that are up and do
        multicast. Users who ask for others, or for another host name, share another node.
    :param hostname: the label before ``.local``, in place of the system's name.
    :param network: where a node that has to be made finds interfaces and ports; the real ones by default.
    :raises ValueError: there is no such interface, or the host name cannot be one.
    :raises OSError: port 5353 cannot be opened.
    """
    settings = (interfaces, hostname)
    provided = _provided.get(reactor)
    if provided and settings == ((), None):
        return NodeLease(provided[-1], lambda: succeed(None))
    holders = _holders.setdefault(reactor, {})
    holder = holders.get(settings)
    if holder is None or not holder.node.running:
        # One that the end of the reactor has stopped is of no use when the reactor runs again.
        network = SocketNetwork(reactor) if network is None else network
        if interfaces:
            # Later one may go and come back; at the start it is more likely a slip of the pen.
            select_interfaces(interfaces, network.interfaces())
        node = Node(reactor, interfaces=interfaces, hostname=hostname, network=network)
        node.startService()
        holder = holders[settings] = _Holder(node, lambda gone: _forget(holders, settings, gone))
    return holder.lease()


def provide_node(reactor: Any, node: Node) -> Callable[[], None]:
    """Have all who ask for the shared node of a reactor, and for nothing special, use this one.

    For a program that has a node of its own, whose life stays its own affair: endpoint strings and the
    resolver then use it too. Also for tests with a simulated network.

    :returns: ends that, for those who ask from then on.
    """
    nodes = _provided.setdefault(reactor, [])
    nodes.append(node)

    def withdraw() -> None:
        if node in nodes:
            nodes.remove(node)

    return withdraw


def lease_of(node: Node) -> NodeLease:
    """Return a lease on a node that is somebody's own; its end changes nothing."""
    return NodeLease(node, lambda: succeed(None))


def _forget(holders: dict[Settings, _Holder], settings: Settings, gone: _Holder) -> None:
    if holders.get(settings) is gone:
        del holders[settings]
