"""The catalogue that the modules of the proxy role add their scenarios to."""

from __future__ import annotations

from mcast.conform.scenarios import Catalogue

PROXY = Catalogue(
    "proxy",
    {
        "zone": "what a zone says of itself: SOA, NS, administrative names",
        "proxy-answers": "what is on the link, in the names of the zone: when it is told, and for how long",
        "refusals": "what is not the proxy's to answer",
        "push": "subscriptions over TLS: changes come without being asked for",
    },
)
"""The groups in the order of a report."""
