"""Tests of `mcast.node.node`."""
