"""The querier role: the subject browses for a type, and resolves what it finds; we play the services.

Each module adds the scenarios of its group to `QUERIER`.
"""

from mcast.conform.querier import (
    floods,
    listing,
    lookups,
    names,
    origins,
    questions,
    refresh,
    responses,
    withdrawal,
)
from mcast.conform.querier.catalogue import QUERIER

__all__ = [
    "QUERIER",
    "floods",
    "listing",
    "lookups",
    "names",
    "origins",
    "questions",
    "refresh",
    "responses",
    "withdrawal",
]
