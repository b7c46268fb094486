"""Tests of mcast.cli.top."""
