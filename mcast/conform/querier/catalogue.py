"""The catalogue that the modules of the querier role add their scenarios to."""

from __future__ import annotations

from mcast.conform.scenarios import Catalogue

QUERIER = Catalogue(
    "querier",
    {
        "questions": "questions are asked again at growing intervals, and not when another host has asked",
        "listing": "queries list the answers that are known, in as many packets as they take",
        "refresh": "answers are asked for again before they expire, and forgotten when they have",
        "withdrawal": "goodbyes and cache-flush bits take back what was told",
        "origins": "what is believed depends on the port that it comes from, and on how it comes",
        "responses": "headers, case and broken parts of responses",
        "look-ups": "what comes without additional records is asked for, and NSEC records end a look-up",
        "names": "instance names hold dots, spaces and other scripts",
        "floods": "many packets, senseless or of other types, and the querier goes on",
    },
)
"""The groups in the order of a report. They share no name with those of the responder role."""
