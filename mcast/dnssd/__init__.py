"""DNS-based service discovery (RFC 6763), without I/O."""
