"""Tests of `mcast.endpoints`."""
