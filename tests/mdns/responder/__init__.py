"""Tests of `mcast.mdns.responder`."""
