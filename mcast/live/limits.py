"""How much the model keeps of each kind, whatever strangers send."""

from __future__ import annotations

MAX_HOSTS = 2000
"""Hosts. Our choice: twice the largest links that we know; then the one that is quiet longest makes place."""

MAX_SERVICES = 5000
"""Services, those that have gone among them. Our choice: what a page can still show."""

MAX_TYPES = 500
"""Service types. Our choice: more than are registered for devices in common use."""

MAX_LINKS = 64
"""Links. Our choice: what `MAX_TYPES` is to types; a machine with more interfaces shows the first."""

MAX_ADDRESSES = 32
"""Addresses and names of one host, each. Our choice: privacy addresses on some interfaces."""

MAX_TXT = 64
"""Attributes of one service that are shown. Our choice: more than any registered type has."""

MAX_TEXT = 300
"""Characters of one text. Our choice: a TXT string has at most 255 octets (RFC 6763 §6.1)."""

MAX_BREACHES = 1000
"""Pairs of host and rule that are counted apart. Our choice: as in ``mcast dump --lint``."""

MAX_FINDINGS = 200
"""Findings that are shown at once. Our choice: more than a person reads."""

MAX_WATCHED = 4096
"""Records, probes and packets that are remembered, each, to find repetitions, conflicts and reflectors.

Our choice: what some hundred hosts say within a minute.
"""

MAX_SERIES = 20
"""Hosts and types in one column of the history, each; the others are added up.

Our choice: more lines than a plot can tell apart.
"""

GONE_LIMIT = 600.0
"""Seconds that a service which has gone is still shown. Our choice: to be seen by who was away."""

HOST_LIMIT = 3600.0
"""Seconds after which a host that says nothing and has no service is forgotten.

Our choice: records of other than host names live 75 minutes (RFC 6762 §10), so most hosts speak more often.
"""

BREACH_LIMIT = 3600.0
"""Seconds that a breach is shown after it was seen last. Our choice: as the history is long."""

FINDING_LIMIT = 300.0
"""Seconds that a finding is shown after it was true last. Our choice: enough to look into it."""
