"""Tests with other implementations (Avahi, python-zeroconf, dig) between network namespaces."""
