"""All questions that are asked on one link."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from math import inf
from random import Random
from typing import Final

from mcast.dns.codes import RecordType
from mcast.dns.messages import Question
from mcast.dns.names import Name
from mcast.mdns.constants import REFRESH_VARIATION
from mcast.mdns.events import Askers
from mcast.mdns.querier.question_series import QuestionSeries

_TXT: Final = int(RecordType.TXT)
_ADDRESSES: Final = (int(RecordType.A), int(RecordType.AAAA))


class Questions:
    """The series of each question, by name."""

    __slots__ = ("_alone", "by_name")

    def __init__(self) -> None:
        self.by_name: Final[dict[bytes, tuple[QuestionSeries, ...]]] = {}
        """By the key of the name; those of one name in a tuple, since they are few."""
        self._alone: Askers = ()
        """The last one that asked a question alone: whoever browses asks thousands, and shares one tuple."""

    def __len__(self) -> int:
        """How many questions are asked."""
        return sum(map(len, self.by_name.values()))

    def __iter__(self) -> Iterator[QuestionSeries]:
        for among in list(self.by_name.values()):
            yield from among

    def of_name(self, key: bytes) -> Sequence[QuestionSeries]:
        """Return the series of the questions about a name."""
        return self.by_name.get(key, ())

    def get(self, key: bytes, rtype: int) -> QuestionSeries | None:
        """Return the series of a question."""
        for series in self.by_name.get(key, ()):
            if series.type == rtype:
                return series
        return None

    def add(self, name: Name, rtype: int, asker: Hashable, rng: Random) -> QuestionSeries:
        """Add the series of a question that is not asked yet.

        All questions about a name go by the same variation: thus those for A and AAAA share packets.
        """
        alone = self._alone
        if not alone or alone[0] is not asker:
            alone = self._alone = (asker,)
        among = self.by_name.get(name.key, ())
        variation = among[0].variation if among else rng.uniform(0, REFRESH_VARIATION)
        series = QuestionSeries(name, rtype, alone, variation)
        self.by_name[name.key] = (*among, series)
        return series

    def cancel(self, question: Question, asker: Hashable) -> QuestionSeries | None:
        """Take an asker from a question; return the series when it was the last one, and so ends."""
        key = question.name.key
        series = self.get(key, question.type)
        if series is None or asker not in series.askers:
            return None
        # Who asks no more may be gone, and is not kept.
        self._alone = ()
        place = series.askers.index(asker)
        series.askers = series.askers[:place] + series.askers[place + 1 :]
        if series.askers:
            return None
        left = tuple([one for one in self.by_name[key] if one is not series])
        if left:
            self.by_name[key] = left
        else:
            del self.by_name[key]
        return series

    def first_due(self, key: bytes) -> tuple[float, QuestionSeries] | None:
        """Return the series of a name of which something is to be done first, and when; None for none."""
        first: QuestionSeries | None = None
        first_at = inf
        for series in self.by_name.get(key, ()):
            # As `QuestionSeries.next_at`, whose call takes longer than that: two thousand times in a flood.
            at, ask_at = series.review_at, series.ask_at
            if ask_at is not None and (at is None or ask_at < at):
                at = ask_at
            if at is not None and at < first_at:
                first, first_at = series, at
        return None if first is None else (first_at, first)

    def depending_on(self, service: bytes, target: bytes) -> list[QuestionSeries]:
        """Return the questions whose answers are of use only together with an SRV record.

        :param service: the key of its name.
        :param target: the key of the name of the host that it leads to.
        """
        found = [one for one in self.of_name(target) if one.needed_until < inf and one.type in _ADDRESSES]
        for one in self.of_name(service):
            if one.needed_until < inf and one.type == _TXT:
                found.append(one)
        return found

    def is_wanted(self, key: bytes, rtype: int) -> bool:
        """Whether a record of this name and type answers a question, or may deny that there is an answer."""
        among = self.by_name.get(key)
        if among is None:
            return False
        return rtype == RecordType.NSEC or any(series.is_answered_by(rtype) for series in among)
