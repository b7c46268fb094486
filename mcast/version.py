"""Which version of mcast this is."""

from __future__ import annotations

from importlib import metadata


def version() -> str:
    """Return the version of the distribution that is installed."""
    try:
        return metadata.version("txmcast")
    except metadata.PackageNotFoundError:  # run from a folder that was never installed
        return "(not installed)"
