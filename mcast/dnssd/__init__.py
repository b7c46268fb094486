"""DNS-based service discovery (RFC 6763), sans-I/O: imports mcast.dns, mcast.mdns and mcast.errors."""
