"""Print the lowest versions that pyproject.toml allows, as constraints for pip.

CI runs the unit tests with them (``pip install -c FILE -e '.[test]'``), so that each bound is one that works.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

PYPROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"

EXTRAS = ("metrics", "update", "tls", "top", "test")
"""What the unit tests install, beside the dependencies."""


def requirements(text: str) -> list[str]:
    """Return what is required in each list of dependencies, and by `EXTRAS`."""
    # No tomllib before Python 3.11.
    lists = re.findall(r"^([\w-]+) = \[(.*?)\]$", text, re.MULTILINE | re.DOTALL)
    return [
        requirement
        for name, body in lists
        if name in ("dependencies", *EXTRAS)
        for requirement in re.findall(r'"([^"]+)"', re.sub(r"(?m)^ *#.*$", "", body))
    ]


def constraints(text: str) -> list[str]:
    """Return a constraint for each package that is required, its lowest version."""
    found = {}
    for requirement in requirements(text):
        matched = re.fullmatch(r"([\w.-]+)(?:\[[\w,]+\])?>=([\d.]+)(;.*)?", requirement.replace("; ", ";"))
        if matched is not None:
            name, version, marker = matched.groups("")
            found[name] = f"{name}=={version}{marker.replace(';', '; ')}"
        elif not requirement.startswith("txmcast["):
            raise SystemExit(f"{requirement}: no lower bound")
    return sorted(found.values())


if __name__ == "__main__":
    sys.stdout.write("".join(f"{line}\n" for line in constraints(PYPROJECT.read_text(encoding="utf-8"))))
