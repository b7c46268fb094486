"""The catalogue that the modules of the responder role add their scenarios to."""

from __future__ import annotations

from mcast.conform.scenarios import Catalogue

RESPONDER = Catalogue(
    "responder",
    {
        "probing": "names are asked for before they are used, three times, at a steady pace",
        "tie-breaks": "two hosts probe for one name at the same time, and the later data wins",
        "conflicts": "another host has the name, before it was claimed or after, or says the same",
        "announcing": "what was claimed is told to all, at least twice, one second apart",
        "answers": "questions are answered: with what, to whom, and after which delay",
        "known-answers": "what the querier lists is not told again, also when the list takes several packets",
        "duplicates": "what was just said, by the subject or by another host, is not said again",
        "unicast": "questions that ask for a unicast response, and queries that come by unicast",
        "legacy": "queries from another port than 5353 are answered as conventional DNS does",
        "negative": "a type that a name does not have is denied by an NSEC record",
        "goodbyes": "what ends in good order is taken back",
        "messages": "headers, hop limits, sizes and compression, of what is sent and of what is heard",
        "malformed": "octets that make no sense are dropped, and the subject goes on",
        "sources": "what is believed depends on the port that it comes from, and on how it comes",
        "changes": "the link comes back, an address is added, the service gets another name",
        "discovery": "subtypes, the list of types, reverse names",
    },
)
"""The groups in the order of a report."""
