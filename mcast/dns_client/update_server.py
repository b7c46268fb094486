"""Which server to register with, with which key, and as whom."""

from __future__ import annotations

import os
import socket
import stat
from dataclasses import dataclass
from ipaddress import IPv6Address
from pathlib import Path

from twisted.logger import Logger

from mcast.dnssd.files.regular import read_regular
from mcast.unicast.key_file import SIZE_LIMIT, parse_key_file
from mcast.unicast.ownership import Owner
from mcast.unicast.tsig import MIN_SECRET, UpdateKey, dnspython

DNS_PORT = 53
"""The port of conventional DNS servers (RFC 1035 §4.2)."""

_MACHINE_IDS = ("/etc/machine-id", "/var/lib/dbus/machine-id")
"""Where a system keeps an id of its own (machine-id(5)); only a digest of it ever leaves the machine."""

_log = Logger(namespace="mcast.dns_client.update_server")


@dataclass(frozen=True, slots=True)
class UpdateServer:
    """A server that takes DNS updates; `Node.publish` registers services with it.

    :raises ValueError: the port is none, or the host is empty.
    :raises mcast.unicast.tsig.MissingExtra: there is a key, and dnspython is not installed.
    """

    host: str
    """Its address, or a name that the system resolves."""
    port: int = DNS_PORT
    key: UpdateKey | None = None
    """With which updates are signed (RFC 8945); without one, the server has to trust our address."""
    owner: str = ""
    """Tells programs of one host apart that register in the same zone: what a crash left is known by it.

    Each needs another one, the same at each start.
    """

    def __post_init__(self) -> None:
        if (
            not isinstance(self.host, str)
            or not self.host
            or not self.host.isprintable()
            or set(self.host) & set(" []@/")
            or (":" in self.host and not _is_ipv6(self.host))
        ):
            raise ValueError(
                f"update server {self.host!r}: an address or a name is wanted, and a port by itself"
            )
        if isinstance(self.port, bool) or not isinstance(self.port, int) or not 0 < self.port <= 65535:
            raise ValueError(f"update server {self.host}: port {self.port!r} is not between 1 and 65535")
        if self.key is not None and not isinstance(self.key, UpdateKey):
            raise TypeError(
                f"update server {self.host}: the key is an UpdateKey, not {type(self.key).__name__}"
            )
        if self.key is not None:
            # Better now than when the first update is signed.
            dnspython()

    def __str__(self) -> str:
        return self.host if self.port == DNS_PORT else f"{self.host} port {self.port}"


def _is_ipv6(host: str) -> bool:
    try:
        IPv6Address(host)
    except ValueError:
        return False
    return True


def identity_of(server: UpdateServer) -> Owner:
    """Return as whom this program registers on a server."""
    return Owner.of(_machine_id(), socket.gethostname(), server.owner)


def read_update_key(path: str | Path) -> UpdateKey:
    """Read a key as BIND keeps it: ``key "name" { algorithm hmac-sha256; secret "…"; };``.

    A file that others than its owner and group can read is warned of in the log, and so is a short secret.

    :raises OSError: it cannot be read, or is no regular file.
    :raises KeyFileError: naming file, line and fault, and nothing of the secret.
    """
    key = parse_key_file(read_regular(path, SIZE_LIMIT), str(path))
    if os.name == "posix" and os.stat(path).st_mode & stat.S_IROTH:
        _log.warn("{path}: everybody on this machine can read this key; chmod o-r", path=str(path))
    if len(key.secret) < MIN_SECRET:
        _log.warn(
            "{path}: a secret of {size} octets can be guessed; tsig-keygen makes a new one",
            path=str(path),
            size=len(key.secret),
        )
    return key


def _machine_id() -> str:
    """Return what tells this machine from others, or nothing: then its name alone does."""
    for path in _MACHINE_IDS:
        try:
            return read_regular(path, 64).decode("ascii").strip()
        except (OSError, UnicodeDecodeError):
            continue
    return ""
