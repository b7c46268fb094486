"""The conformance runner: scenarios that judge another implementation by the packets it sends.

It may import ``mcast.dns`` and ``mcast.sockets``, and nothing of our own Multicast DNS: a fault of ours must
not hide one of theirs.
"""
