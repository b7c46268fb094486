"""Multicast DNS (RFC 6762) on one link, sans-I/O: imports only mcast.dns and mcast.errors."""
