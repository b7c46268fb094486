"""Which services of a link are carried elsewhere, and how many."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import translate

from mcast.dns.names import Name
from mcast.dnssd.found import FoundService

MAX_EXPORTED = 250
"""Services that are carried at a time.

Our choice: a floor full of printers; who invents names on the link shall not fill a zone, or another link.
"""

MAX_OF_HOST = 25
"""Services of one host that are carried at a time.

Our choice: a tenth of all, so that one stranger takes no more.
"""

MAX_WAITING = 1000
"""Services that wait until there is room for them, oldest first.

Our choice: a flood of invented names is some thousands, and what is real comes again with each announcement.
"""

PATTERN_LIMIT = 200
"""Characters of a pattern. Our choice: a name has 63 octets."""

_KINDS = ("type", "instance", "host")


@dataclass(frozen=True, slots=True)
class Pattern:
    """``type=_ipp._tcp``, ``instance=Office *`` or ``host=printer-?``; either case of letters fits.

    A host is meant by its label or, as in ``host=printer-1.local``, by its whole name.
    """

    kind: str
    text: str

    @classmethod
    def parse(cls, text: str) -> Pattern:
        """Read one.

        :raises ValueError: it has another form.
        """
        kind, equals, pattern = text.partition("=")
        if kind not in _KINDS or not equals or not pattern:
            raise ValueError("it has the form type=…, instance=… or host=…, where * stands for anything")
        if len(pattern) > PATTERN_LIMIT or pattern.count("*") > 4:
            raise ValueError(f"a pattern has {PATTERN_LIMIT} characters and four asterisks at most")
        return cls(kind, pattern)

    def fits(self, service: FoundService) -> bool:
        """Whether a service is meant."""
        # A bracket is a part of many names, and begins no set of characters.
        pattern = translate(self.text.lower().replace("[", "[[]"))
        return any(re.match(pattern, value.lower()) for value in self._values(service))

    def _values(self, service: FoundService) -> tuple[str, ...]:
        """Return what it is that has to fit: a host by its label, or with its domain."""
        if self.kind == "type":
            return (str(service.type),)
        if self.kind == "instance":
            return (service.name,)
        if service.host is None:
            return ("",)
        whole = str(service.host)
        return (host_label(service.host), whole, whole.removesuffix("."))


@dataclass(frozen=True, slots=True)
class Choice:
    """What is carried: what one of ``allow`` means, or all without any, but nothing that ``deny`` means."""

    allow: tuple[Pattern, ...] = ()
    deny: tuple[Pattern, ...] = ()

    def takes(self, service: FoundService) -> bool:
        """Whether a service is to be carried."""
        if any(pattern.fits(service) for pattern in self.deny):
            return False
        return not self.allow or any(pattern.fits(service) for pattern in self.allow)


@dataclass(frozen=True, slots=True)
class Quota:
    """How many services are carried at a time."""

    total: int = MAX_EXPORTED
    of_host: int = MAX_OF_HOST

    def has_room(self, carried: int, of_host: int) -> bool:
        """Whether one more service may be carried.

        :param carried: how many are.
        :param of_host: how many of them are on the host of the further one.
        """
        return carried < self.total and of_host < self.of_host


def host_label(host: Name) -> str:
    """Return the first label of a host, for a pattern or another domain."""
    return host.labels[0].decode("utf-8", "replace") if host.labels else ""
