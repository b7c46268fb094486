"""Tests of mcast; the folders mirror the package."""
