"""What a link reports to its owner."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Final

from mcast.dns.messages import Question
from mcast.dns.names import Name
from mcast.dns.records import Record
from mcast.neighbours import SocketAddress


class Event:
    """The base of everything that `Link.events` returns.

    An event of a record group carries its ``owner`` as it was given to `Responder.register`, an event of a
    question its ``askers`` as they were given to `Querier.ask`.
    """

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class GroupEvent(Event):
    """The base of what happens to a record group.

    None of an owner comes after the owner has withdrawn its group.
    """

    owner: Hashable


@dataclass(frozen=True, slots=True)
class GroupClaimed(GroupEvent):
    """A record group is in use on this link: its names are ours, its records answered and being announced.

    Comes again when the group was claimed anew, after a conflict that was won or after the link was down.
    """


@dataclass(frozen=True, slots=True)
class GroupReprobing(GroupEvent):
    """A name of a claimed group, or one of ours that it points to, is probed for once more (RFC 6762 §9).

    The group is out of use until `GroupClaimed` or `GroupLost`; where another host has won the name that it
    points to, until an update gives it another one.
    """

    name: Name
    contested: bool = True
    """Whether another host wants a name of the group itself; False, too, when the link has just come up."""


@dataclass(frozen=True, slots=True)
class GroupUpdated(GroupEvent):
    """An update of a group is in force, and what it changed has been multicast once (RFC 6762 §8.4).

    Comes once for several updates that waited together.
    """


@dataclass(frozen=True, slots=True)
class GroupLost(GroupEvent):
    """A name is lost to another host, and its group has left the link.

    The owner picks a new name and registers a new group (RFC 6762 §9).
    """

    name: Name


@dataclass(frozen=True, slots=True)
class NameLost(GroupEvent):
    """Another host has the name of verified records of the group.

    These are no longer published on this link; the rest of the group stays in use. It happens when two
    responders of one machine both publish the reverse mapping of its addresses.
    """

    name: Name


@dataclass(frozen=True, slots=True)
class ProbingFailed(Event):
    """For a minute no free name was found: an error for the operator to see (RFC 6762 §9).

    Probing goes on.
    """

    names: tuple[Name, ...]
    """The names that are being probed for now; empty when the last one was just lost."""
    since: float
    """When this began, on the caller's clock."""


@dataclass(frozen=True, slots=True)
class RecordOversized(GroupEvent):
    """A record is larger than a packet of the link's MTU can be (RFC 6762 §17).

    It will be sent alone and in fragments, which many devices do not reassemble.
    """

    name: Name
    size: int
    """Octets of the message with this record alone."""


Types = Mapping[int, bool]
"""Types of records that are asked for, each with whether it ``depends``, as `Querier.ask` has it."""

Askers = tuple[Hashable, ...]
"""The askers of a question, as they were given to `Querier.ask`."""


@dataclass(slots=True)
class RecordChange(Event):
    """The base of what happens to a record that answers a question; treated as immutable.

    For one record the order is: added; flushed, rescued, flushed… any number of times; removed. It may be
    retimed in between.
    """

    record: Record
    askers: Askers
    """To be told of it: these and no others."""
    source: SocketAddress | None = None
    """The host that sent it, when it was heard just now."""


@dataclass(slots=True)
class RecordAdded(RecordChange):
    """A new answer."""


@dataclass(slots=True)
class RecordFlushed(RecordChange):
    """Newer records of its set have taken the place of this one (RFC 6762 §10.2).

    It is valid for one more second, in which it may be rescued; otherwise it is removed then. A program that
    shows answers to a person takes it for gone.
    """


@dataclass(slots=True)
class RecordRescued(RecordChange):
    """A record has been heard again in time, after a flush or a goodbye (RFC 6762 §10.1)."""


@dataclass(slots=True)
class RecordRetimed(RecordChange):
    """A record has been heard again, with another time to live than before."""


@dataclass(slots=True)
class RecordRemoved(RecordChange):
    """An answer is no longer valid."""


@dataclass(slots=True)
class Denied(Event):
    """The owner of a name says that it has no record of the type in question (RFC 6762 §6.1).

    Treated as immutable.
    """

    question: Question
    askers: Askers


class EventLog:
    """What has happened and was not reported yet, oldest first."""

    __slots__ = ("_events", "_of_owners")

    def __init__(self) -> None:
        self._events: Final[list[Event | None]] = []
        """None stands where an event is to be reported no more."""
        self._of_owners: Final[dict[Hashable, list[int]]] = {}
        """Where the events of each owner of a record group are."""

    def append(self, event: Event) -> None:
        """Note an event."""
        if isinstance(event, GroupEvent):
            self._of_owners.setdefault(event.owner, []).append(len(self._events))
        self._events.append(event)

    def forget(self, owner: Hashable) -> None:
        """Report no more of what happened to the record group of an owner."""
        for position in self._of_owners.pop(owner, ()):
            self._events[position] = None

    def take(self) -> list[Event]:
        """Return what has happened, and forget it."""
        if not self._events:
            return []
        taken = [event for event in self._events if event is not None]
        self._events.clear()
        self._of_owners.clear()
        return taken
