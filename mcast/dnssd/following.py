"""Asking the same questions on several links that come and go."""

from __future__ import annotations

from mcast.dns.messages import Question
from mcast.dnssd.places import LinkId
from mcast.mdns.events import Denied, RecordAdded, RecordChange
from mcast.mdns.querier.querier import Querier


class Follower:
    """The base of those who ask questions on links and hear the answers.

    Sans-I/O. The owner adds the links there are, and passes on each `RecordChange` and `Denied` whose
    ``askers`` have this object, with the place it comes from. Any call may make a querier want to be called
    earlier than before, so the owner looks at the `next_wakeup` of the links again afterwards.

    A subclass has `_begin_on`, `_end_on`, `_record` and `_denied`.
    """

    def __init__(self) -> None:
        self._links: dict[LinkId, Querier] = {}

    @property
    def links(self) -> tuple[LinkId, ...]:
        """Where questions are asked now."""
        return tuple(self._links)

    def add_link(self, place: LinkId, querier: Querier, now: float) -> None:
        """Ask on one more link."""
        if place not in self._links:
            self._links[place] = querier
            self._begin_on(place, now)

    def remove_link(self, place: LinkId, now: float) -> None:
        """Ask no more on a link, and forget what was learned there.

        For a link that is gone or no longer wanted; one that is down tells by events that its records are
        gone.
        """
        if place in self._links:
            self._end_on(place, now)
            del self._links[place]

    def close(self, now: float) -> None:
        """Ask no more at all."""
        for place in tuple(self._links):
            self.remove_link(place, now)

    def handle(self, place: LinkId, event: RecordChange | Denied, now: float) -> None:
        """Take in an event of a link."""
        if place not in self._links:
            return
        if isinstance(event, Denied):
            self._denied(place, event.question, now)
        else:
            self._record(place, event, now)

    def _ask(self, place: LinkId, question: Question, now: float) -> None:
        """Begin to ask on a link, and take in what it knows already."""
        querier = self._links[place]
        querier.ask(question, now, self)
        for record in querier.records(question, now, flushed=False):
            self._record(place, RecordAdded(record, (self,)), now)
        if querier.is_denied(question, now):
            self._denied(place, question, now)

    def _cancel(self, place: LinkId, question: Question, now: float) -> None:
        self._links[place].cancel(question, now, self)

    def _begin_on(self, place: LinkId, now: float) -> None:
        """Ask what is to be asked on a new link."""
        raise NotImplementedError

    def _end_on(self, place: LinkId, now: float) -> None:
        """Cancel what is asked on a link, and forget what was learned there."""
        raise NotImplementedError

    def _record(self, place: LinkId, change: RecordChange, now: float) -> None:
        """Take in what happened to a record."""
        raise NotImplementedError

    def _denied(self, place: LinkId, question: Question, now: float) -> None:
        """Take in that there is no such record."""
        raise NotImplementedError
