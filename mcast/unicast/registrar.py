"""What is to stand in a zone, written there one request after the other (RFC 2136).

The shell sends each request of `Registrar.due` and hands back the answer, or that there was none. One request
is on its way at a time: a server does updates one after the other in any case, and an order that is kept
needs no thought about what overtakes what.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from enum import Enum, auto
from operator import itemgetter
from typing import Final

from mcast.dns.codes import RecordType
from mcast.dns.messages import Message, Question
from mcast.dns.names import Name
from mcast.unicast.claims import (
    FIRST_RETRY,
    Claim,
    Outcome,
    Place,
    Removal,
    Request,
    Wanted,
    leftover,
    names_in,
    retry_delay,
)
from mcast.unicast.ownership import Owner
from mcast.unicast.updates import UpdateCode, meaning_of, zone_in

SWEEP_DELAY = 10.0
"""Seconds from the start until what a crash left, and nobody wants by then, is removed.

Our choice: a program has published what it has, and a link told what is on it, within that time; a name that
is wanted again is replaced in place, and never missing.
"""

MAX_LEFTOVERS = 10_000
"""Names left by a crash that are removed at a start; the rest goes at the next one.

Our choice: more than one program registers; the list comes from a server.
"""


@dataclass(frozen=True, slots=True)
class Registered:
    """The records of a claim stand in the zone as wanted."""

    key: Hashable


@dataclass(frozen=True, slots=True)
class Taken:
    """Another host has the name of a claim; a change to another name is waited for."""

    key: Hashable
    name: Name


@dataclass(frozen=True, slots=True)
class Unregistered:
    """A claim that was withdrawn is out of the zone."""

    key: Hashable


@dataclass(frozen=True, slots=True)
class Trouble:
    """The server did not do what was asked."""

    reason: str
    retry_delay: float
    """Seconds until it is tried again."""


@dataclass(frozen=True, slots=True)
class Left:
    """Names that nobody wants stand there as ours, from before a crash; they are removed now."""

    names: tuple[Name, ...]


@dataclass(frozen=True, slots=True)
class Swept:
    """A name that was left by a crash, or by another program that says it is us, is removed."""

    name: Name


RegistrarEvent = Registered | Taken | Unregistered | Trouble | Left | Swept


_PERHAPS_OF_NAME: Final = frozenset({UpdateCode.FORMERR, UpdateCode.SERVFAIL, UpdateCode.NOTZONE})
"""What a server may say of one name while it does others: BIND fails when there are too many of a type."""


class _Zone(Enum):
    """What is asked besides the claims."""

    ZONE = auto()
    LIST = auto()


class Registrar:
    """Keeps claims in one domain on one server.

    :param domain: where is registered, such as ``example.com.``; its zone is found by asking.
    """

    def __init__(self, domain: Name, owner: Owner, now: float) -> None:
        self.domain: Final = domain
        self.owner: Final = owner
        self.place: Place | None = None
        """The zone, once it is known."""
        self.failures = 0
        """How often in a row the server failed us."""
        self._claims: dict[Hashable, Claim] = {}
        self._removals: list[Removal] = []
        self._current: Claim | Removal | _Zone | None = None
        self._paused_until = now
        self._sweep_at: float | None = now + SWEEP_DELAY
        self._events: list[RegistrarEvent] = []

    # What is wanted

    def add(self, key: Hashable, wanted: Wanted, now: float) -> None:
        """Want a name.

        :param key: comes back in events; of no other claim.
        """
        assert key not in self._claims
        self._keep(wanted.name)
        self._claims[key] = Claim(key, wanted, now)

    def change(self, key: Hashable, wanted: Wanted, now: float) -> None:
        """Want something else of a claim, under the same name or, after a conflict, another one."""
        claim = self._claims[key]
        written = claim.written
        if written is not None and written.name != wanted.name:
            self._removals.append(Removal(written, now))
            claim.written = None
        self._keep(wanted.name)
        claim.change(wanted, now)

    def withdraw(self, key: Hashable, now: float) -> None:
        """Want a claim no more; `Unregistered` follows when it is out of the zone."""
        claim = self._claims.pop(key)
        # What was tried may stand there, though nobody told us yet, or from before a crash.
        if claim.is_adopted or claim.due_at is None or not claim.is_tried:
            self._events.append(Unregistered(key))
            return
        wanted = claim.wanted if claim.written is None else claim.written
        self._removals.append(Removal(wanted, now, key, look=claim.written is None))

    def stop(self, now: float) -> None:
        """Withdraw everything, and remove at once what an earlier crash left."""
        for key in tuple(self._claims):
            self.withdraw(key, now)
        if self._sweep_at is not None:
            self._sweep_at = now

    @property
    def is_idle(self) -> bool:
        """Whether nothing is to be removed any more, and nothing is on its way."""
        return not self._removals and self._current is None and self._sweep_at is None

    @property
    def is_well(self) -> bool:
        """Whether the server has done all that was asked of it."""
        every: list[Claim | Removal] = [*self._removals, *self._claims.values()]
        return not self.failures and not any(each.failures for each in every)

    # Requests and answers

    def next_timer(self) -> float | None:
        """Return when to call `due`; None while an answer is waited for, or nothing is to be done."""
        if self._current is not None:
            return None
        times = [at for at, _ in self._waiting()]
        if self._sweep_at is not None:
            times.append(self._sweep_at)
        return max(self._paused_until, min(times)) if times else None

    def due(self, now: float) -> Request | None:
        """Return what to send now; `answered` or `failed` is called before the next one."""
        at = self.next_timer()
        if at is None or at > now:
            return None
        if self.place is None:
            self._current = _Zone.ZONE
            return Question(self.domain, RecordType.SOA)
        if self._sweep_at is not None and self._sweep_at <= now:
            self._current = _Zone.LIST
            return Question(self.owner.list_name(self.place.zone), RecordType.PTR)
        # What the server refused before comes last.
        ready = [(each.failures, due_at, each) for due_at, each in self._waiting() if due_at <= now]
        *_, first = min(ready, key=itemgetter(0, 1))
        self._current = first
        return first.request(self.place)

    def answered(self, reply: Message, now: float) -> None:
        """Take in what the server says."""
        current, self._current = self._current, None
        if isinstance(current, _Zone):
            self._told(current, reply, now)
            return
        assert current is not None
        outcome = current.answered(reply, now)
        if outcome is Outcome.REFUSED:
            self._refused(current, reply.rcode, now)
            return
        self.failures = current.failures = 0
        if isinstance(current, Removal):
            if outcome is Outcome.GOES_ON and current.is_tidying and self._has_more_like(current):
                outcome = Outcome.REMOVED
            if outcome is Outcome.REMOVED:
                self._removals.remove(current)
                gone = Swept(current.wanted.name) if current.key is None else Unregistered(current.key)
                self._events.append(gone)
            return
        if self._claims.get(current.key) is not current:
            # Withdrawn meanwhile: its removal waits.
            return
        if current.written is not None and current.written.name != current.wanted.name:
            # It was renamed while that was on its way.
            self._removals.append(Removal(current.written, now))
            current.written = None
        if outcome is Outcome.HELD:
            self._events.append(Registered(current.key))
        elif outcome is Outcome.TAKEN:
            self._events.append(Taken(current.key, current.wanted.name))

    def failed(self, reason: str, now: float) -> None:
        """Take in that there was no answer, or none that can be believed."""
        current, self._current = self._current, None
        if isinstance(current, Claim | Removal):
            current.failures += 1
        self._pause(reason, now)

    def take_events(self) -> list[RegistrarEvent]:
        """Return what has happened since the last call."""
        events, self._events = self._events, []
        return events

    def hurry(self, now: float) -> None:
        """Try again at once, as when the network has come back."""
        self.failures = 0
        self._paused_until = now

    # Parts of these

    def _waiting(self) -> list[tuple[float, Claim | Removal]]:
        """Return what has a next request, and when; removals first, since a name may be wanted again."""
        every: list[Claim | Removal] = [*self._removals, *self._claims.values()]
        return [(each.due_at, each) for each in every if each.due_at is not None]

    def _keep(self, name: Name) -> None:
        """Forget that a name was to be removed: it is wanted again, and what stands there is replaced."""
        for removal in [one for one in self._removals if one.wanted.name == name]:
            if removal is not self._current:
                self._removals.remove(removal)
                if removal.key is not None:
                    self._events.append(Unregistered(removal.key))

    def _has_more_like(self, removal: Removal) -> bool:
        """Whether there is more of its type here; with the last of it goes its entry in the list of types."""
        every: list[Claim | Removal] = [*self._removals, *self._claims.values()]
        return any(
            each is not removal and each.wanted.type_name == removal.wanted.type_name for each in every
        )

    def _told(self, asked: _Zone, reply: Message, now: float) -> None:
        """Take in an answer about the zone."""
        if reply.rcode not in (UpdateCode.NOERROR, UpdateCode.NXDOMAIN):
            self._pause(f"it does not answer for {self.domain}: code {_code_name(reply.rcode)}", now)
            return
        if asked is _Zone.ZONE:
            zone = zone_in(reply, self.domain)
            if zone is None:
                self._pause(f"it has no zone of {self.domain}", now)
                return
            self.place = Place(zone, self.domain, self.owner)
            return
        assert self.place is not None
        self._sweep_at = None
        kept = {claim.wanted.name for claim in self._claims.values()}
        kept |= {removal.wanted.name for removal in self._removals}
        left = [name for name in names_in(reply, self.place.zone) if name not in kept]
        if left:
            self._events.append(Left(tuple(left)))
        self._removals += [Removal(leftover(name), now, look=True) for name in left[:MAX_LEFTOVERS]]

    def _refused(self, current: Claim | Removal, code: int, now: float) -> None:
        current.failures += 1
        # The others get their turn before it.
        current.due_at = now + retry_delay(current.failures)
        if code in (UpdateCode.NOTAUTH, UpdateCode.NOTZONE):
            self.place = None
        of_name = code in (UpdateCode.FORMERR, UpdateCode.NOTZONE)
        self._pause(f"{current.wanted.name}: {meaning_of(code)}" if of_name else meaning_of(code), now)
        if code in _PERHAPS_OF_NAME:
            # A hundred names that are refused must not have the change of another one wait for them.
            self._paused_until = min(self._paused_until, now + FIRST_RETRY)

    def _pause(self, reason: str, now: float) -> None:
        self.failures += 1
        delay = retry_delay(self.failures)
        self._paused_until = now + delay
        self._events.append(Trouble(reason, delay))


def _code_name(code: int) -> str:
    try:
        return UpdateCode(code).name
    except ValueError:
        return str(code)
