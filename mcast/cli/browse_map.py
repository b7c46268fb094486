"""What `mcast browse --map` draws: the services that are there at the end, by link and host."""

from __future__ import annotations

import time
from collections.abc import Callable

from mcast.cli.command import counted
from mcast.cli.finding import plain_name
from mcast.cli.pictures.network_map import MappedHost, MappedService, draw_map
from mcast.cli.writing import write_file
from mcast.dns.names import Name
from mcast.dnssd.found import Change, FoundService, Removed
from mcast.showing import shown


class BrowseMap:
    """Keeps what is there, and draws it.

    :param now: tells the time, in seconds since 1970.
    """

    def __init__(self, path: str, now: Callable[[], float] = time.time) -> None:
        self._path = path
        self._now = now
        self._services: dict[bytes, FoundService] = {}

    def change(self, change: Change) -> None:
        """Take in what has happened to a service."""
        service = change.service
        if isinstance(change, Removed):
            self._services.pop(service.full_name.key, None)
        else:
            self._services[service.full_name.key] = service

    def write(self) -> None:
        """Write the map.

        :raises CommandError: it cannot be written.
        """
        by_host: dict[bytes, list[FoundService]] = {}
        for service in self._services.values():
            by_host.setdefault(b"" if service.host is None else service.host.key, []).append(service)
        hosts = [_mapped(services) for services in by_host.values()]
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(self._now()))
        told = sum(1 for host in hosts if host.name)
        subtitle = f"{counted(told, 'host')}, {counted(len(self._services), 'service')}; {when}"
        write_file(self._path, draw_map("Services on this network", subtitle, hosts))


def _mapped(services: list[FoundService]) -> MappedHost:
    """Return the host of some services as it is drawn."""
    host: Name | None = services[0].host
    # In the order in which the services tell them, each once.
    addresses = dict.fromkeys([str(each.address) for service in services for each in service.addresses])
    interfaces = sorted({name for service in services for name in service.interfaces})
    ordered = sorted(services, key=lambda each: (each.type.key, each.name.lower()))
    mapped = [MappedService(shown(each.name), str(each.type), each.port) for each in ordered]
    return MappedHost("" if host is None else plain_name(host), list(addresses), interfaces, mapped)
