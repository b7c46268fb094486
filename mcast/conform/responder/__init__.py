"""The responder role: the subject has names, announces them, answers for them and defends them."""

from mcast.conform.responder import probing, announcing, answers  # noqa: I001  in the order of a run
from mcast.conform.responder.catalogue import RESPONDER

__all__ = ["RESPONDER", "announcing", "answers", "probing"]
