"""When planned multicast answers leave, so that one message carries as many as possible (RFC 6762 §6.4)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from math import inf

from mcast.dns.records import Identity, Record
from mcast.mdns.constants import AGGREGATION_DELAY
from mcast.mdns.responder.zone import RecordSet


class Reason(Enum):
    """Why a set is multicast."""

    ANSWER = auto()
    """Somebody has asked for it: additional records go along, and another host may have answered already."""
    CORRECTION = auto()
    """Others hold something wrong: not needed any more when another host puts it right."""
    DUTY = auto()
    """It is announced or defended, whatever others say."""


@dataclass(slots=True)
class _Plan:
    """One set that is going to be multicast."""

    at: float
    """When it is due."""
    latest: float
    """Until when it may wait for company."""
    reasons: set[Reason]


class MulticastPlan:
    """The sets to be multicast: each at most once, so the plan is never larger than what we publish."""

    def __init__(self) -> None:
        self._plans: dict[RecordSet, _Plan] = {}
        self._due_at: float | None = inf

    def __contains__(self, record_set: RecordSet) -> bool:
        return record_set in self._plans

    def __iter__(self) -> Iterator[RecordSet]:
        return iter(self._plans)

    def add(self, record_set: RecordSet, at: float, reason: Reason, *, may_wait: bool = False) -> None:
        """Plan a set; one that is planned already is sent at the earlier of both times.

        :param may_wait: it has a random delay anyway, so it may wait for others that are due a little later.
        """
        latest = at + AGGREGATION_DELAY if may_wait else at
        plan = self._plans.get(record_set)
        if plan is None:
            self._plans[record_set] = _Plan(at, latest, {reason})
            self._due_at = None
            return
        plan.reasons.add(reason)
        if at < plan.at or latest < plan.latest:
            plan.at = min(at, plan.at)
            plan.latest = min(latest, plan.latest)
            self._due_at = None

    def due_at(self, record_set: RecordSet) -> float:
        """Return when a set is due; infinity when it is not planned."""
        plan = self._plans.get(record_set)
        return plan.at if plan else inf

    def spare(self, record_set: RecordSet) -> bool:
        """Plan a set no longer since another host has sent it, unless we must all the same."""
        plan = self._plans.get(record_set)
        if plan is None or Reason.DUTY in plan.reasons:
            return False
        self.discard(record_set)
        return True

    def discard(self, record_set: RecordSet) -> None:
        """Plan a set no longer: it was sent."""
        if self._plans.pop(record_set, None) is not None:
            self._due_at = None

    def clear(self) -> None:
        """Plan nothing."""
        self._plans.clear()
        self._due_at = inf

    def expect(self) -> None:
        """Say that the times given to `next_wakeup` have changed."""
        self._due_at = None

    def next_wakeup(self, expected: Iterable[float] = ()) -> float:
        """Return when the next message leaves; infinity when nothing is planned.

        :param expected: when answers will be due that are not in the plan yet, so that others may wait for
            them.
        """
        if self._due_at is None:
            plans = self._plans.values()
            latest = min([plan.latest for plan in plans], default=-inf)
            times = [plan.at for plan in plans if plan.at <= latest]
            times += [at for at in expected if at <= latest]
            # The last moment at which somebody joins and nobody has waited too long.
            self._due_at = max(times, default=inf)
        return self._due_at

    def take(self, now: float) -> tuple[list[RecordSet], list[RecordSet]]:
        """Return the sets that are due, and which of them answer a question; they are planned no longer."""
        due = [record_set for record_set, plan in self._plans.items() if plan.at <= now]
        answers = [record_set for record_set in due if Reason.ANSWER in self._plans[record_set].reasons]
        for record_set in due:
            del self._plans[record_set]
        self._due_at = None
        return due, answers


class Goodbyes:
    """Records to be multicast with TTL 0 (RFC 6762 §10.1)."""

    def __init__(self) -> None:
        self._planned: dict[Identity, tuple[float, Record]] = {}
        self._due_at = inf

    def __bool__(self) -> bool:
        return bool(self._planned)

    def add(self, record: Record, at: float) -> None:
        """Plan the goodbye of a record, whose TTL does not matter."""
        self._planned[record.identity] = (at, record.with_ttl(0))
        self._due_at = min(self._due_at, at)

    def cancel(self, record: Record) -> None:
        """Plan no goodbye of a record that is published again."""
        self._planned.pop(record.identity, None)

    def clear(self) -> None:
        """Plan nothing."""
        self._planned.clear()
        self._due_at = inf

    def next_wakeup(self) -> float:
        """Return when to call `take`; infinity when nothing is planned."""
        return self._due_at

    def take(self, now: float) -> list[Record]:
        """Return the records to say goodbye to now."""
        if self._due_at > now:
            return []
        due = [record for at, record in self._planned.values() if at <= now]
        for record in due:
            del self._planned[record.identity]
        self._due_at = min([at for at, _ in self._planned.values()], default=inf)
        return due
