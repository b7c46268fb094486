"""The responder role: the subject has names, announces them, answers for them and defends them.

Each module adds the scenarios of its group to `RESPONDER`.
"""

from mcast.conform.responder import (
    announcing,
    answers,
    changes,
    conflicts,
    discovery,
    duplicates,
    goodbyes,
    known_answers,
    legacy,
    malformed,
    messages,
    negative,
    probing,
    renaming,
    sources,
    tie_breaks,
    unicast,
)
from mcast.conform.responder.catalogue import RESPONDER

__all__ = [
    "RESPONDER",
    "announcing",
    "answers",
    "changes",
    "conflicts",
    "discovery",
    "duplicates",
    "goodbyes",
    "known_answers",
    "legacy",
    "malformed",
    "messages",
    "negative",
    "probing",
    "renaming",
    "sources",
    "tie_breaks",
    "unicast",
]
