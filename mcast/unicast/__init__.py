"""DNS-SD over conventional DNS: zones, translation, waiting, DNS Stateful Operations, Push, updates.

RFC 8766, 8765, 8490, 2136, 8945, 6891 and 7766 as pure code: octets and ``now`` in; octets, events and the
time of the next call out. It may import ``mcast.dns``, ``mcast.mdns`` and ``mcast.dnssd``; no Twisted, no
clock.
"""
