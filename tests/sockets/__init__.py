"""Tests of mcast.sockets."""
