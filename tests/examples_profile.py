"""How hypothesis tries its examples: with no look at the clock, since the machine may be slow or stand still.

The package of each test that uses it imports this first. What costs too much is found by `tests.effort`.
Where CI is set the examples are the same each time, as later versions of hypothesis have it by themselves:
new ones are looked for by whoever works on the code, and by fuzz/.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

usual = settings()
settings.register_profile(
    "any machine",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize="CI" in os.environ,
    database=None if "CI" in os.environ else usual.database,
)
settings.load_profile("any machine")
