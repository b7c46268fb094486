"""One Node for everything in a process that brings none of its own: endpoints, resolvers.

The first user starts it, the last user stops it. A user that forgets to release it does no harm: a node says
goodbye by itself when its reactor shuts down.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from mcast.node.network import Network, NoNetwork, SocketNetwork
from mcast.node.node import Node
from mcast.sockets.interface import checked_selectors, select_interfaces

Settings = tuple[tuple[str, ...], str | None]
"""Interfaces and host name: users that name the same ones share a node."""


class NodeLease:
    """The right to use a node until `release`."""

    def __init__(self, node: Node, release: Callable[[], Deferred[None]]) -> None:
        self.node = node
        """The node; running, unless the reactor shuts down."""
        self._release: Callable[[], Deferred[None]] | None = release

    def __repr__(self) -> str:
        return f"<NodeLease {self.node}{' released' if self._release is None else ''}>"

    def release(self) -> Deferred[None]:
        """Give the node back; a second call does nothing.

        :returns: fires when the node has said goodbye and stopped; at once when it has other users.
        """
        release, self._release = self._release, None
        return succeed(None) if release is None else release()


class _SharedNode:
    """A node, and the number of its users."""

    _log = Logger()

    def __init__(self, node: Node, forget: Callable[[_SharedNode], None]) -> None:
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


_shared: WeakKeyDictionary[Any, dict[Settings, _SharedNode]] = WeakKeyDictionary()
_for_servers: WeakKeyDictionary[Any, dict[Settings, _SharedNode]] = WeakKeyDictionary()
_provided: WeakKeyDictionary[Any, list[Node]] = WeakKeyDictionary()


def shared_node(
    reactor: Any,
    *,
    interfaces: Sequence[str] = (),
    hostname: str | None = None,
    network: Network | None = None,
) -> NodeLease:
    """Return a lease on the node of a reactor; the first lease starts the node.

    :param interfaces: names, indexes or addresses of the interfaces to use; by default all that are up and
        do multicast. Users that name other interfaces, or another host name, share another node.
    :param hostname: the label before ``.local``, in place of the system's name.
    :param network: where a new node finds interfaces and ports; the real ones by default.
    :raises TypeError: ``interfaces`` is no list of str.
    :raises ValueError: there is no such interface, or the host name cannot be one.
    :raises OSError: port 5353 cannot be opened.
    """
    interfaces = checked_selectors(interfaces)
    settings = (interfaces, hostname)
    provided = _provided.get(reactor)
    if provided and settings == ((), None):
        return NodeLease(provided[-1], lambda: succeed(None))
    nodes = _shared.setdefault(reactor, {})
    shared = nodes.get(settings)
    if shared is None or not shared.node.running:
        # A node that stopped with its reactor is of no use when the reactor runs again.
        network = SocketNetwork(reactor) if network is None else network
        if interfaces:
            # Later an interface may go and come back; at the start an unknown one is likely a mistake.
            select_interfaces(interfaces, network.interfaces())
        node = Node(reactor, interfaces=interfaces, hostname=hostname, network=network)
        node.startService()
        shared = nodes[settings] = _SharedNode(node, lambda gone: _forget(nodes, settings, gone))
    return shared.lease()


def node_for_servers(reactor: Any) -> NodeLease:
    """Return a lease on a node of a reactor for domains outside of multicast DNS.

    It is the node that a program provides, or else one that asks DNS servers only: on a machine where nothing
    can be asked by multicast, servers still can.
    """
    if _provided.get(reactor):
        return shared_node(reactor)
    nodes = _for_servers.setdefault(reactor, {})
    settings: Settings = ((), None)
    shared = nodes.get(settings)
    if shared is None or not shared.node.running:
        node = Node(reactor, network=NoNetwork())
        node.startService()
        shared = nodes[settings] = _SharedNode(node, lambda gone: _forget(nodes, settings, gone))
    return shared.lease()


def provide_node(reactor: Any, node: Node) -> Callable[[], None]:
    """Make a node the shared one of its reactor, for users that name no interfaces and no host name.

    For a program that has a node of its own, and starts and stops it: endpoint strings and the resolver then
    use it too. Also for tests with a simulated network.

    :returns: a function that ends this for later users.
    :raises TypeError: it is no `Node`.
    """
    if not isinstance(node, Node):
        raise TypeError(f"{node!r}: no Node")
    nodes = _provided.setdefault(reactor, [])
    nodes.append(node)

    def withdraw() -> None:
        if node in nodes:
            nodes.remove(node)

    return withdraw


def lease_of(node: Node) -> NodeLease:
    """Return a lease on a node that the caller owns; its release does nothing."""
    return NodeLease(node, lambda: succeed(None))


def _forget(nodes: dict[Settings, _SharedNode], settings: Settings, gone: _SharedNode) -> None:
    if nodes.get(settings) is gone:
        del nodes[settings]
