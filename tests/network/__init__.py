"""Tests with real packets between network namespaces; they need root on Linux."""
