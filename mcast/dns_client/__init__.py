"""A client of conventional DNS servers on the reactor: queries, subscriptions, updates.

It moves the octets of `mcast.unicast` over UDP, TCP and TLS, for the node's searches and registrations in
domains other than ``local.``. It may import everything below the node.
"""
