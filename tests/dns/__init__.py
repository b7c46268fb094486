"""Tests of mcast.dns."""

from __future__ import annotations

import tests.examples_profile  # noqa: F401
