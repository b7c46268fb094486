"""The catalogue that the modules of the querier role add their scenarios to."""

from __future__ import annotations

from mcast.conform.scenarios import Catalogue

QUERIER = Catalogue(
    "querier",
    {
        "questions": "questions are asked again at growing intervals, and not when another host has asked",
        "listing": "queries list the answers that are known, in as many packets as they take",
        "origins": "what is believed depends on the port that it comes from, and on how it comes",
    },
)
"""The groups in the order of a report. They share no name with those of the responder role."""
