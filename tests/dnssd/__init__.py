"""Tests of mcast.dnssd."""
