"""Tests of mcast.dns."""
