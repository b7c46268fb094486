"""Which version of mcast this is, and what it runs on."""

from __future__ import annotations

import json
import platform
import sys
from importlib import metadata
from importlib.util import find_spec

DISTRIBUTION = "txmcast"


def version() -> str:
    """Return the version of the distribution that is installed."""
    return _version_of(DISTRIBUTION)


def versions() -> str:
    """Return what ``--version`` prints: a line for mcast, and for each that a fault may come from."""
    python = f"{platform.python_implementation()} {platform.python_version()} on {sys.platform}"
    return "\n".join(
        (
            f"mcast {version()}",
            f"build: {build()}, {core()}",
            f"Python: {python}",
            f"Twisted: {_version_of('twisted')}",
        )
    )


def build() -> str:
    """Tell from what the distribution that is installed was built, as its installer noted (PEP 610)."""
    try:
        noted = metadata.distribution(DISTRIBUTION).read_text("direct_url.json")
    except metadata.PackageNotFoundError:
        return "none, run from a folder"
    return "release" if noted is None else _build_of(noted)


def core() -> str:
    """Tell in which form the core runs: the same sources, compiled or not (setup.py)."""
    spec = find_spec("mcast.dns.messages")
    is_source = spec is None or spec.origin is None or spec.origin.endswith(".py")
    return "core in Python" if is_source else "core compiled"


def _build_of(noted: str) -> str:
    try:
        origin = json.loads(noted)
        if "vcs_info" in origin:
            return f"commit {origin['vcs_info']['commit_id']}"
        if "dir_info" in origin:
            return "editable" if origin["dir_info"].get("editable") else "folder"
        return "archive"
    except (ValueError, TypeError, KeyError, AttributeError):  # a file that somebody else wrote
        return "unknown"


def _version_of(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:  # run from a folder that was never installed
        return "(not installed)"
