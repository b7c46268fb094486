"""The half of a node by which programs publish."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, overload

from mcast.dns.names import LOCAL, Name
from mcast.dns.records import Record
from mcast.dnssd.hosts import Alias, Host
from mcast.dnssd.service import Service
from mcast.dnssd.sought import SoughtName, sought_name
from mcast.node.published import Registrations
from mcast.node.registrations import (
    AliasRegistration,
    HostRegistration,
    OnConflict,
    Publishable,
    RecordRegistration,
    Registration,
    RegistrationListener,
    ServiceRegistration,
)

if TYPE_CHECKING:
    from mcast.dns_client.update_server import UpdateServer


class Publishing:
    """What a `Node` publishes, on its links and in domains of conventional DNS."""

    _registrations: Registrations

    @property
    def hostname(self) -> str:
        """The label of this host, as it is claimed now."""
        return self._registrations.host.name

    @property
    def host(self) -> Name:
        """The full name of this host, as it is claimed now."""
        return self._registrations.host.full_name

    @property
    def registrations(self) -> tuple[Registration, ...]:
        """Everything that is published or to be published: hosts, services, aliases, records."""
        return tuple(self._registrations)

    @overload
    def publish(
        self,
        what: Service,
        *,
        interfaces: Sequence[str] = ...,
        on_conflict: OnConflict = ...,
        listener: RegistrationListener | None = ...,
        domain: SoughtName = ...,
        update: UpdateServer | None = ...,
    ) -> ServiceRegistration: ...

    @overload
    def publish(
        self,
        what: Host,
        *,
        interfaces: Sequence[str] = ...,
        on_conflict: OnConflict = ...,
        listener: RegistrationListener | None = ...,
    ) -> HostRegistration: ...

    @overload
    def publish(
        self,
        what: Alias,
        *,
        interfaces: Sequence[str] = ...,
        on_conflict: OnConflict = ...,
        listener: RegistrationListener | None = ...,
    ) -> AliasRegistration: ...

    @overload
    def publish(
        self,
        what: Record,
        *,
        interfaces: Sequence[str] = ...,
        on_conflict: OnConflict = ...,
        listener: RegistrationListener | None = ...,
        shared: bool = ...,
    ) -> RecordRegistration: ...

    def publish(
        self,
        what: Publishable,
        *,
        interfaces: Sequence[str] = (),
        on_conflict: OnConflict = "rename",
        listener: RegistrationListener | None = None,
        shared: bool = False,
        domain: SoughtName = LOCAL,
        update: UpdateServer | None = None,
    ) -> Registration:
        """Publish a service, a host, an alias of this host or a single record.

        A service on this host, and an alias, publish the host too.

        :param interfaces: names, indexes or addresses of those to publish it on; all of the node's by
            default.
        :param on_conflict: ``"rename"`` takes the next free name when another host has this one,
            ``"fail"`` publishes nothing then. A record has no other name to take, and always fails.
        :param listener: called with `Claimed`, `Renamed` and `Lost`, as by `Registration.add_listener`.
        :param shared: for a record that other hosts may have too, which needs no probing (RFC 6762 §2).
        :param update: registers a service on this DNS server in place of the link (RFC 2136), in ``domain``.
        :returns: the registration, at once; its `when_claimed` waits for the name. The node publishes it
            until it is withdrawn, also after a stop and a new start.
        :raises TypeError: it cannot be published, or an argument is of the wrong kind.
        :raises ValueError: an argument has a wrong value; the record cannot be published, or no packet can
            hold it (RFC 6762 §17); with ``"fail"``, this node has published the name already.
        """
        if update is None and sought_name(domain) == LOCAL:
            return self._registrations.publish(what, interfaces, on_conflict, listener, shared)
        if interfaces or shared or update is None:
            raise ValueError("domain: it goes with update=, and with neither interfaces= nor shared=")
        return self._registrations.publish_in(update, sought_name(domain), what, on_conflict, listener)
