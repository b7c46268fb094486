"""Tests of mcast.echo."""
