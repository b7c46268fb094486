"""The querier role: the subject browses for a type, and resolves what it finds; we play the services.

Each module adds the scenarios of its group to `QUERIER`.
"""

from mcast.conform.querier import listing, origins, questions
from mcast.conform.querier.catalogue import QUERIER

__all__ = ["QUERIER", "listing", "origins", "questions"]
