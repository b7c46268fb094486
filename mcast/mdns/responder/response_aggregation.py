"""When planned multicast answers leave, so that one message carries as many as possible (RFC 6762 §6.4)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto
from itertools import islice
from typing import Final

from mcast.mdns.constants import AGGREGATION_DELAY
from mcast.mdns.responder.record_set import RecordSet

MAX_SETS = 500
"""Sets that are multicast in one go. Our choice: some milliseconds of work, and full packets."""


class Reason(Enum):
    """Why a set is multicast."""

    ANSWER = auto()
    """Somebody has asked for it: additional records go along, and another host may have answered already."""
    CORRECTION = auto()
    """Others hold something wrong: not needed any more when another host puts it right."""
    ANNOUNCEMENT = auto()
    """It is announced, whatever other hosts say; not needed if another program of our host does it."""
    DUTY = auto()
    """It is defended, whatever others say."""


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
        self._plans: Final[dict[RecordSet, _Plan]] = {}
        self._next_at: float | None = None
        self._is_settled = True
        """Whether ``_next_at`` is right."""

    def __bool__(self) -> bool:
        """Whether any set is planned."""
        return bool(self._plans)

    def add(self, record_set: RecordSet, at: float, reason: Reason, *, may_wait: bool = False) -> None:
        """Plan a set; one that is planned already is sent at the earlier of both times.

        :param may_wait: it has a random delay anyway, so it may wait for others that are due a little later.
        """
        latest = at + AGGREGATION_DELAY if may_wait else at
        plan = self._plans.get(record_set)
        if plan is None:
            self._plans[record_set] = _Plan(at, latest, {reason})
            self._is_settled = False
            return
        plan.reasons.add(reason)
        if at < plan.at or latest < plan.latest:
            plan.at = min(at, plan.at)
            plan.latest = min(latest, plan.latest)
            self._is_settled = False

    def due_at(self, record_set: RecordSet) -> float | None:
        """Return when a set is due, or None when it is not planned."""
        plan = self._plans.get(record_set)
        return plan.at if plan else None

    def announces(self, record_set: RecordSet, now: float) -> bool:
        """Tell whether a set is to be announced now, or should have been before."""
        plan = self._plans.get(record_set)
        return plan is not None and plan.at <= now and Reason.ANNOUNCEMENT in plan.reasons

    def spare(self, record_set: RecordSet, *, by_sibling: bool = False) -> bool:
        """Plan a set no longer since another host has sent it, unless we must all the same.

        :param by_sibling: it was another program of our own host.
        """
        plan = self._plans.get(record_set)
        if plan is None or Reason.DUTY in plan.reasons:
            return False
        if Reason.ANNOUNCEMENT in plan.reasons and not by_sibling:
            return False
        self.discard(record_set)
        return True

    def discard(self, record_set: RecordSet) -> None:
        """Plan a set no longer: it was sent."""
        if self._plans.pop(record_set, None) is not None:
            self._is_settled = False

    def clear(self) -> None:
        """Plan nothing."""
        self._plans.clear()
        self._is_settled = False

    def expect(self) -> None:
        """Say that the times given to `next_at` have changed."""
        self._is_settled = False

    def next_at(self, expected: Iterable[float]) -> float | None:
        """Return when the next message leaves, or None when nothing is planned.

        It is the last moment at which a set joins the message and none has waited too long.

        :param expected: when answers will be due that are not in the plan yet, so that others may wait for
            them.
        """
        if not self._is_settled:
            self._is_settled = True
            self._next_at = self._last_moment(expected)
        return self._next_at

    def _last_moment(self, expected: Iterable[float]) -> float | None:
        if not self._plans:
            return None
        plans = self._plans.values()
        latest = min([plan.latest for plan in plans])
        times = [plan.at for plan in plans if plan.at <= latest]
        times += [at for at in expected if at <= latest]
        return max(times)

    def take(self, now: float) -> tuple[list[RecordSet], list[RecordSet]]:
        """Return the sets that are due, and which of them answer a question; they are planned no longer.

        Those that are due and more than `MAX_SETS` are left for the next time.
        """
        found = (record_set for record_set, plan in self._plans.items() if plan.at <= now)
        due = list(islice(found, MAX_SETS))
        answers = [record_set for record_set in due if Reason.ANSWER in self._plans[record_set].reasons]
        for record_set in due:
            del self._plans[record_set]
        self._is_settled = False
        return due, answers
