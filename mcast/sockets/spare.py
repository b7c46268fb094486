"""Whether this process may open as many files as it is going to need."""

from __future__ import annotations

import os

START = 12
"""Descriptors that a program needs from its start on.

Our choice: five for the reactor, four for two ports, one each for the timer, the interfaces and a further
look at these.
"""

RUNNING = 4
"""Descriptors that a program needs when its ports are open.

Our choice: two for the reactor, which opens them when it starts to run, one for the timer, and one to look at
the interfaces with.
"""


def require_descriptors(number: int) -> None:
    """Make sure that so many descriptors are free now.

    :raises OSError: they are not; the message says what can be done.
    """
    taken: list[int] = []
    try:
        for _ in range(number):
            taken.append(os.open(os.devnull, os.O_RDONLY))
    except OSError as problem:
        advice = f"{problem.strerror}: {number} more are needed to begin with, see ulimit -n"
        raise OSError(problem.errno, advice) from None
    finally:
        for each in taken:
            os.close(each)
