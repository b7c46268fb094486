"""Whether another program of this host does the same under the same name."""

from __future__ import annotations

import hashlib
import socket
import sys


class InUse(Exception):
    """Another program holds the name."""


def hold(*parts: str) -> socket.socket | None:
    """Hold a name until the socket is closed, or this program has gone, in whatever way.

    It is the name of a socket in Linux's abstract namespace, which has no file that a crash could leave. On
    other systems nothing is held, and nothing noticed.

    :raises InUse: another one holds it, this program too.
    """
    if sys.platform != "linux":
        return None
    digest = hashlib.sha256("\0".join(("mcast", *parts)).encode()).hexdigest()
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        made.bind(f"\0mcast-{digest[:32]}")
    except OSError:
        made.close()
        raise InUse from None
    return made
