"""The DNS servers that the system's configuration names, taken anew when it changes.

On Unix that is the file ``/etc/resolv.conf``; macOS writes it too, with the servers of the primary network.
Windows has no such file: there a server must be named.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, Protocol

from twisted.logger import Logger

from mcast.dns.names import Name
from mcast.unicast.servers import ServerAddress, SystemConfiguration, parse_resolv_conf

RESOLV_CONF = "/etc/resolv.conf"
"""Where Unix systems say which DNS servers to ask (resolv.conf(5))."""

SIZE_LIMIT = 1 << 16
"""Octets of that file that are read. Our choice: some hundred times what anybody writes."""


class Servers(Protocol):
    """Tells which servers to ask; they may be others at every call."""

    def current(self) -> tuple[ServerAddress, ...]:
        """Return the servers to ask now, the first one first."""


class FixedServers:
    """Servers that somebody has named."""

    def __init__(self, *servers: ServerAddress) -> None:
        self._servers: Final = servers

    def current(self) -> tuple[ServerAddress, ...]:
        """Return these servers."""
        return self._servers

    def __repr__(self) -> str:
        return f"FixedServers({', '.join(map(str, self._servers))})"


class SystemServers:
    """The servers of the system.

    The file is looked at whenever somebody asks, which costs microseconds, and read when it is another one.
    """

    _log = Logger()

    def __init__(self, path: str | Path = RESOLV_CONF) -> None:
        self._path: Final = Path(path)
        self._seen: tuple[int, int, int] | None = None
        self._configuration = SystemConfiguration()
        self._told = ""

    def current(self) -> tuple[ServerAddress, ...]:
        """Return the servers; none where the file cannot be read."""
        self._look()
        return self._configuration.servers

    def search(self) -> tuple[Name, ...]:
        """Return the domains that this host searches for short names."""
        self._look()
        return self._configuration.search

    def _look(self) -> None:
        try:
            status = os.stat(self._path)
            seen = (status.st_mtime_ns, status.st_size, status.st_ino)
            if seen == self._seen:
                return
            with self._path.open("rb") as file:
                text = file.read(SIZE_LIMIT).decode("utf-8", "replace")
        except OSError as problem:
            self._seen = None
            self._configuration = SystemConfiguration()
            self._tell(problem.strerror or str(problem))
            return
        self._seen = seen
        self._told = ""
        self._configuration = parse_resolv_conf(text)

    def _tell(self, cause: str) -> None:
        """Log, once for each cause, that no server is known."""
        if cause != self._told:
            self._told = cause
            self._log.warn(
                "{path}: {cause}; no DNS server is asked unless one is named",
                path=str(self._path),
                cause=cause,
            )

    def __repr__(self) -> str:
        return f"SystemServers({str(self._path)!r})"
