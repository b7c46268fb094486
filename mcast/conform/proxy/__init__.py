"""The proxy role: the subject answers unicast DNS from what is on its link (RFC 8766, RFC 8765).

Each module adds the scenarios of its groups to `PROXY`.
"""

from mcast.conform.proxy import answers, push, refusals, sessions, zone
from mcast.conform.proxy.catalogue import PROXY

__all__ = ["PROXY", "answers", "push", "refusals", "sessions", "zone"]
