"""How hypothesis tries its examples: with no look at the clock, since the machine may be slow or stand still.

The package of each test that uses it imports this first. What costs too much is found by `tests.effort`.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")
