"""Tests of `mcast.dnssd.files`."""
