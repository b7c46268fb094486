"""What the options of every `twist mcast` command have in common."""

from __future__ import annotations

import sys
from typing import Any

from twisted.python import usage

from mcast.version import versions


class Options(usage.Options):
    """Options whose help has no runs of blanks, and whose ``--version`` is ours."""

    def __init_subclass__(cls, **details: Any) -> None:
        super().__init_subclass__(**details)
        for name, method in vars(cls).items():
            if name.startswith("opt_") and method.__doc__:
                # Twisted wraps the text of a docstring with the indentation of its further lines in it.
                method.__doc__ = " ".join(method.__doc__.split())

    def opt_version(self) -> None:
        """Display the versions of mcast, of Python and of Twisted, and exit."""
        print(versions())
        sys.exit(0)
