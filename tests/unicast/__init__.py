"""Tests of mcast.unicast."""

from __future__ import annotations

import tests.examples_profile  # noqa: F401
