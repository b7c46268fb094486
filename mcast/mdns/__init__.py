"""Multicast DNS (RFC 6762) on one link, sans-I/O: no Twisted, no sockets, no clock."""
