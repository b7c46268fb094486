"""Services that are published on the link, and registered on DNS servers as well."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred, DeferredList
from twisted.logger import Logger
from twisted.python.usage import UsageError

from mcast.dns.names import LOCAL, Name
from mcast.dns_client.update_server import UpdateServer, read_update_key
from mcast.dnssd.service import Service
from mcast.errors import McastError
from mcast.mdns.domains import is_multicast_name
from mcast.node.node import Node
from mcast.node.registrations import ServiceRegistration
from mcast.showing import one_line
from mcast.unicast.tsig import UpdateKey


@dataclass(frozen=True, slots=True)
class UpdateTarget:
    """A domain, and the server to register in it with."""

    domain: Name
    host: str
    port: int
    key: UpdateKey | None = None

    def server(self, owner: str) -> UpdateServer:
        """Return the server, with as whom to register."""
        return UpdateServer(self.host, self.port, self.key, owner)


def parse_target(text: str) -> UpdateTarget:
    """Read ``example.com@192.0.2.53``, with ``:PORT`` after the server where it is not 53.

    :raises UsageError: it has another form.
    """
    domain, at, server = text.rpartition("@")
    host, colon, port = server.rpartition(":")
    if not colon or (":" in host and not host.startswith("[")):
        host, port = server, "53"
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    try:
        if not at or not domain:
            raise ValueError("a domain, @ and a server are wanted")
        if not (port.isascii() and port.isdecimal() and 0 < int(port[:6]) <= 65535):
            raise ValueError(f"port {port!r} is not between 1 and 65535")
        name = Name.parse(domain)
        if is_multicast_name(name) or not name.labels:
            raise ValueError(f"no server has the domain {name}")
        return UpdateTarget(name, UpdateServer(host, int(port)).host, int(port))
    except ValueError as error:
        raise UsageError(f"--update {text}: {error}; it has the form example.com@192.0.2.53") from None


def with_key(target: UpdateTarget, path: str) -> UpdateTarget:
    """Return the target with the key of a file.

    :raises UsageError: the file cannot be read or has a fault, or dnspython is not installed.
    """
    try:
        key = read_update_key(path)
        UpdateServer(target.host, target.port, key)
    except OSError as error:
        raise UsageError(f"--update-key {path}: {error.strerror}") from None
    except McastError as error:
        raise UsageError(f"--update-key: {one_line(error)}") from None
    return UpdateTarget(target.domain, target.host, target.port, key)


class Everywhere:
    """Publishes by a node what it is given, and registers services in domains, too.

    :param owner: tells this use of the program from others on the same host.
    """

    _log = Logger()

    def __init__(self, node: Node, targets: Sequence[UpdateTarget], owner: str) -> None:
        self._node = node
        self._places = [(target.domain, target.server(owner)) for target in targets]

    def publish(self, what: Any, *, shared: bool = False) -> Any:
        """Do what `Node.publish` does; a service is registered in each domain as well."""
        published: Any = self._node.publish(what, shared=shared) if shared else self._node.publish(what)
        if not isinstance(what, Service) or not self._places:
            return published
        if what.domain != LOCAL or what.host is not None:
            # A host with a name of the link's is none that a server could lead to.
            self._log.warn(
                "{name} is published on the link alone: {host} is a name of the link, not one of this host",
                name=str(what.full_name),
                host=str(what.host or what.domain),
            )
            return published
        elsewhere = [
            self._node.publish(what, domain=domain, update=server) for domain, server in self._places
        ]
        return Together(published, elsewhere) if elsewhere else published


class Together:
    """The registrations of one service, on the link and in domains; the link's tells what it is."""

    _log = Logger()

    def __init__(self, published: ServiceRegistration, elsewhere: Sequence[ServiceRegistration]) -> None:
        self._published = published
        self._every = (published, *elsewhere)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._published, name)

    def update(self, **changes: Any) -> Deferred[None]:
        """Update each; fires when all have."""
        updated = [self._published.update(**changes)]
        if "host" in changes:
            # Whole: a label alone would be one of each domain.
            changes["host"] = self._published.service.host
        for one in self._every[1:]:
            try:
                updated.append(one.update(**changes))
            except ValueError as error:
                # The link took it: it is one of those that only the link can have.
                self._log.warn("{name} stays as it was: {reason}", name=str(one.full_name), reason=str(error))
        return self._all(updated)

    def withdraw(self) -> Deferred[None]:
        """Withdraw each; fires when all are."""
        return self._all([one.withdraw() for one in self._every])

    def _all(self, waited_for: list[Deferred[None]]) -> Deferred[None]:
        gathered = DeferredList(waited_for, fireOnOneErrback=True, consumeErrors=True)
        return gathered.addCallbacks(lambda _: None, lambda failure: failure.value.subFailure)
