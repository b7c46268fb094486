"""What has been seen on the network, as a model: hosts, services, types, rates, and a log of events.

It is fed by events, packets and findings (`model.Model`, and `hearing.Hearing`, which decodes and lints). It
gives a snapshot and a stream of deltas as plain JSON (`documents`), which `recording` writes to a file and
reads back. docs/view.md describes every field. It may import ``mcast.dns``, ``mcast.mdns`` and
``mcast.dnssd``; no Twisted, no clock.
"""
