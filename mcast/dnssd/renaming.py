"""The next name to try after a conflict (RFC 6762 §9, RFC 6763 Appendix D)."""

from __future__ import annotations

import re

from mcast.dnssd.types import encoded

LABEL_LIMIT = 63
"""Octets in a label (RFC 1035 §2.3.4)."""

# Nine digits at most: a longer number at the end is nobody's count, and int() of a label stays cheap.
_INSTANCE_NUMBER = re.compile(r"^(?P<base>.*) \((?P<number>[1-9][0-9]{0,8})\)$", re.DOTALL)
_HOST_NUMBER = re.compile(r"^(?P<base>.+)-(?P<number>[1-9][0-9]{0,8})$", re.DOTALL)


def next_instance(instance: str) -> str:
    """Return the instance name to try after this one: "Music", "Music (2)", "Music (3)"….

    A name that has no room for the number is shortened between two characters.
    """
    return _next(instance, _INSTANCE_NUMBER, " ({})")


def next_host(label: str) -> str:
    """Return the host label to try after this one: "printer", "printer-2", "printer-3"…."""
    return _next(label, _HOST_NUMBER, "-{}")


def shortened(text: str, limit: int = LABEL_LIMIT) -> str:
    """Return as much of a text as fits in ``limit`` octets of UTF-8, cut between two characters."""
    octets = encoded("name", text)
    if len(octets) <= limit:
        return octets.decode("utf-8")
    # What is cut in the middle of a character is no UTF-8, and is left out.
    return octets[:limit].decode("utf-8", "ignore")


def _next(name: str, numbered: re.Pattern[str], form: str) -> str:
    found = numbered.match(name)
    base, number = (found["base"], int(found["number"]) + 1) if found else (name, 2)
    suffix = form.format(number)
    return shortened(base, LABEL_LIMIT - len(suffix)).rstrip(" -" if form.startswith("-") else " ") + suffix
