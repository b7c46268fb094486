"""Tests of `mcast.mdns.querier`."""
