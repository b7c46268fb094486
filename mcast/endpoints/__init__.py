"""Twisted endpoints that announce and find services: ``mdns:`` in endpoint strings."""
