"""Tests of mcast.mdns."""
