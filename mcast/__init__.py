"""IP multicast for Twisted: groups, an echo responder, multicast DNS (RFC 6762) and DNS-SD (RFC 6763)."""
