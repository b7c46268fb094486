"""What has been seen on the network, as a model: hosts, services, types, rates, and a log of events.

It is fed by events, packets and findings, and gives a snapshot and a stream of changes as plain JSON. It may
import ``mcast.dns``, ``mcast.mdns`` and ``mcast.dnssd``; no Twisted, no clock.
"""
