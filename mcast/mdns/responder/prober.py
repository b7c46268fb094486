"""Probing, and the pace after conflicts (RFC 6762 §8.1).

A `Prober` keeps the names that one link wants. It says which names to probe for and which ones are ours, and
leaves messages and records to its caller. It never looks into a cache: only what arrives while a probe is out
counts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass
from random import Random
from typing import Final

from mcast.dns.names import Name
from mcast.dns.records import Identity
from mcast.mdns.constants import (
    CONFLICT_LIMIT,
    CONFLICT_MEMORY,
    CONFLICT_PAUSE,
    CONFLICT_PERIOD,
    DEFER_DELAY,
    FRUITLESS_PERIOD,
    PROBE_INTERVAL,
    PROBE_WAIT,
    PROBES,
)
from mcast.mdns.events import ProbingFailed
from mcast.mdns.schedule import Timers

MAX_DUE = 100
"""Names that are probed for, or become ours, in one go.

Our choice: some milliseconds of work, and full packets.
"""


@dataclass(slots=True)
class ProbedName:
    """One name that is probed for, or ours."""

    name: Name
    verified: bool
    """Whether it is ours without probing, as long as no other host wants it."""
    owners: tuple[Hashable, ...] = ()
    """The owners of the record groups that want the name, oldest first; nearly always one."""
    is_held: bool = False
    """Whether the name is ours."""
    probes: int = 0
    """Probes sent in this attempt."""
    was_deferred: bool = False
    """Whether this attempt waited for a host that won the tie-break."""
    wake_at: float | None = None
    """When the next probe leaves or, after the last one, the name is ours."""
    started_at: float = 0.0
    """When the first attempt began."""
    missing: dict[int, set[Identity]] | None = None
    """What another host lacks that answered these probes with records identical to ours.

    By type: the records of ours that it was not heard to have. None when nobody did so, as nearly always.
    """
    was_incomplete: bool = False
    """Whether records of ours were missing when the last probes ended."""


class Prober:
    """The names that are probed for or held on one link.

    :param rng: chooses the delay before the first probe.
    """

    def __init__(self, rng: Random) -> None:
        self.timers: Final[Timers[ProbedName]] = Timers()
        """When to call `advance`."""
        self._rng: Final = rng
        self.names: Final[dict[bytes, ProbedName]] = {}
        """What is known of each name that a group wants, by its key; only the prober changes it."""
        self._active: Final[dict[bytes, ProbedName]] = {}
        self._doubted: Final[dict[bytes, ProbedName]] = {}
        self._gathering_at: float | None = None
        self._conflicts: Final[deque[float]] = deque(maxlen=CONFLICT_LIMIT)
        self._paused_until: float | None = None
        self._struggling_since: float | None = None
        self._lost_at: float | None = None
        self._is_reported = False
        self._is_suspended = False

    def get(self, name_key: bytes) -> ProbedName | None:
        """Return what is known of a name, or None when no group wants it."""
        return self.names.get(name_key)

    def holds(self, name_key: bytes) -> bool:
        """Whether the name is ours now."""
        probed = self.names.get(name_key)
        return probed is not None and probed.is_held

    @property
    def is_active(self) -> bool:
        """Whether any name is being probed for."""
        return bool(self._active)

    def probing(self, name_key: bytes) -> ProbedName | None:
        """Return a name if a probe for it is out, else None.

        Before the first probe nothing counts against us: what looks like a conflict may be a stale packet,
        even one of our own (RFC 6762 §8.1, §8.2).
        """
        probed = self._active.get(name_key)
        return probed if probed is not None and probed.probes else None

    def want(self, name: Name, owner: Hashable, now: float, *, verified: bool = False) -> None:
        """Want a name for the group of ``owner``; a name that is ours already needs no second probing."""
        probed = self.names.get(name.key)
        if probed is None:
            probed = self.names[name.key] = ProbedName(name, verified)
        else:
            probed.verified = probed.verified and verified
        if owner not in probed.owners:
            probed.owners += (owner,)
        if not (probed.is_held or self._is_suspended or name.key in self._active):
            self._begin(probed, now)

    def _begin(self, probed: ProbedName, now: float) -> None:
        """Begin with a name that is new, or that was ours when `reset` was called."""
        if probed.verified:
            probed.is_held = True
        else:
            self.reprobe(probed, now)

    def release(self, name_key: bytes, owner: Hashable) -> None:
        """Want a name no longer for the group of ``owner``; when no group wants it, it is free for others."""
        probed = self.names.get(name_key)
        if probed is not None:
            probed.owners = tuple([one for one in probed.owners if one != owner])
            if not probed.owners:
                self.drop(probed)

    def reprobe(self, probed: ProbedName, now: float, patience: float = 0.0) -> None:
        """Probe for a name again, from the beginning, not before so many seconds (RFC 6762 §9)."""
        probed.started_at = now
        self._start(probed, now + patience)

    def restart(self, now: float) -> None:
        """Begin anew, soon, with each name that is probed for: a probe did not leave."""
        for probed in self._active.values():
            if probed.probes:
                probed.probes = 0
                self.timers.rearm(probed, now + PROBE_INTERVAL)

    def reset(self) -> None:
        """Hold nothing, as on a new link; what is wanted anew is probed for again (RFC 6762 §8)."""
        self.suspend()
        self._is_suspended = False

    def suspend(self) -> None:
        """Hold nothing and probe for nothing until `reset`."""
        self._is_suspended = True
        for probed in self.names.values():
            probed.is_held = False
            probed.probes = 0
        self._active.clear()
        self._doubted.clear()
        self.timers.clear()

    def _start(self, probed: ProbedName, at: float) -> None:
        probed.is_held = probed.was_incomplete = probed.was_deferred = False
        probed.probes = 0
        probed.missing = None
        self.timers.rearm(probed, self._first_probe_at(at))
        self._active[probed.name.key] = probed

    def _stop(self, probed: ProbedName) -> None:
        self.timers.disarm(probed)
        self._doubted.pop(probed.name.key, None)
        self._active.pop(probed.name.key, None)

    def _first_probe_at(self, now: float) -> float:
        """Return when a name that is wanted now is first probed for.

        Names wanted within one random delay share it, and so their packets: a hundred services that are
        registered together are probed for together (RFC 6762 §8.1).
        """
        earliest = now + CONFLICT_PAUSE if self._is_paused(now) else now
        at = self._gathering_at
        if at is None or not earliest <= at <= earliest + PROBE_WAIT:
            at = self._gathering_at = earliest + self._rng.uniform(0.0, PROBE_WAIT)
        return at

    def _is_paused(self, now: float) -> bool:
        return self._paused_until is not None and now < self._paused_until

    def defer(self, probed: ProbedName, now: float) -> None:
        """Wait a second for a host that won the tie-break, then probe for the name again (RFC 6762 §8.2)."""
        probed.probes = 0
        probed.was_deferred = True
        probed.missing = None
        self.timers.rearm(probed, now + DEFER_DELAY)
        self._struggle(now)

    def count_conflict(self, now: float) -> None:
        """Note a conflict; the fifteenth within ten seconds slows all probing down (RFC 6762 §8.1)."""
        self._conflicts.append(now)
        too_many = len(self._conflicts) == CONFLICT_LIMIT and now - self._conflicts[0] <= CONFLICT_PERIOD
        if too_many or self._is_paused(now):
            self._paused_until = now + CONFLICT_MEMORY

    def lose(self, probed: ProbedName, now: float) -> None:
        """Give a name up to another host."""
        if self._lost_at is None or now - self._lost_at > FRUITLESS_PERIOD:
            self._struggling_since = None
        self._struggle(now)
        self._lost_at = now
        self.drop(probed)

    def drop(self, probed: ProbedName) -> None:
        """Neither probe for a name nor hold it any longer, whichever groups want it."""
        probed.is_held = False
        self.names.pop(probed.name.key, None)
        self._stop(probed)

    def _struggle(self, now: float) -> None:
        if self._struggling_since is None:
            self._struggling_since = now

    def doubt(self, probed: ProbedName) -> None:
        """Have `finishing` return a name before it becomes ours."""
        self._doubted[probed.name.key] = probed

    def finishing(self, now: float) -> list[ProbedName]:
        """Return the doubted names that the next `advance` may make ours."""
        return [
            probed
            for probed in self._doubted.values()
            if probed.probes == PROBES and probed.wake_at is not None and probed.wake_at <= now
        ]

    def advance(self, now: float) -> tuple[list[ProbedName], list[ProbedName]]:
        """Return the names to send a probe for, and those that are ours from now on; `MAX_DUE` of both."""
        due: list[ProbedName] = []
        won: list[ProbedName] = []
        for probed in self.timers.due(now, MAX_DUE):
            if probed.probes == PROBES:
                won.append(probed)
                probed.is_held = True
                self._stop(probed)
            else:
                probed.probes += 1
                # From this send, not from when it was due: a host that slept through its timers must not send
                # three probes in one burst.
                self.timers.arm(probed, now + PROBE_INTERVAL)
                due.append(probed)
        lost_at = self._lost_at
        if won and (
            not self._active or lost_at is None or any(probed.started_at >= lost_at for probed in won)
        ):
            self._struggling_since = None
            self._is_reported = False
        return due, won

    def failure_at(self) -> float | None:
        """Return when to report that no free name was found: once, after a minute of it (RFC 6762 §9)."""
        if self._is_reported or not self._active or self._struggling_since is None:
            return None
        return self._struggling_since + FRUITLESS_PERIOD

    def failure(self, now: float) -> ProbingFailed | None:
        """Return the report, if its time has come; it is not made again before a name was found."""
        at = self.failure_at()
        if at is None or now < at or self._struggling_since is None:
            return None
        self._is_reported = True
        names = tuple([probed.name for probed in self._active.values()])
        return ProbingFailed(names, self._struggling_since)
