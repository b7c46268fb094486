"""Tests for mcast.testing."""
