"""What a querier reports: how the answers to the questions that somebody asks have changed."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from mcast.dns.messages import Question
from mcast.dns.records import Record
from mcast.mdns.events import Event
from mcast.mdns.outbox import Address

Askers = tuple[Hashable, ...]
"""Those who ask a question, as they were given to `Querier.ask`."""


@dataclass(slots=True)
class RecordChange(Event):
    """The base of what happens to a record that answers a question; treated as immutable.

    For one record the order is: added; flushed, rescued, flushed… any number of times; removed.
    """

    record: Record
    askers: Askers
    """Those to be told; those alone."""
    source: Address | None = None
    """Who sent it, when it was heard just now."""


@dataclass(slots=True)
class RecordAdded(RecordChange):
    """A new answer."""


@dataclass(slots=True)
class RecordFlushed(RecordChange):
    """Newer records of its set have taken the place of this one (RFC 6762 §10.2).

    It is valid for one more second, in which it may be rescued; otherwise it is removed then. Who shows the
    answers to a person best takes it for gone.
    """


@dataclass(slots=True)
class RecordRescued(RecordChange):
    """A record that was flushed, or that a goodbye was heard of, has been heard again in time (RFC 6762
    §10.1)."""


@dataclass(slots=True)
class RecordRemoved(RecordChange):
    """An answer is no longer valid."""


@dataclass(slots=True)
class Denied(Event):
    """The owner of a name says that it has no record of the type in question (RFC 6762 §6.1); treated as
    immutable."""

    question: Question
    askers: Askers
