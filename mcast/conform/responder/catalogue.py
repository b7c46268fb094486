"""The catalogue that the groups of the responder role are added to."""

from __future__ import annotations

from mcast.conform.scenarios import Catalogue

RESPONDER = Catalogue("responder")
