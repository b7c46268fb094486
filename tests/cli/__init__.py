"""Tests of mcast.cli."""
