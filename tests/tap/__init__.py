"""Tests of `mcast.tap.tap`."""
