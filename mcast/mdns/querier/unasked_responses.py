"""Responses about names that nobody asks for: taken into the cache when somebody wants to know."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from mcast.dns.messages import Message
from mcast.dns.records import Record

MAX_OCTETS = 512 * 1024
"""Octets of the datagrams whose responses wait.

Our choice: what some two hundred hosts say about ten types of service. Beyond it the one that was heard
longest ago is taken in.
"""

OVERHEAD = 256
"""Octets that each response counts for besides its datagram. Our choice: about what its entries take."""

MAX_NAMES = 16
"""Names of a response that waits; one with more is taken in at once.

Our choice: twice as many as a service with its host has. A response is looked through once for each of them.
"""


class UnaskedResponse:
    """One response, of which the records of some names wait."""

    __slots__ = ("first_at", "heard_at", "key", "mark", "message", "taken", "taken_names", "waiting")

    def __init__(
        self, key: tuple[bytes, str], message: Message, mark: int, waiting: set[bytes], now: float
    ) -> None:
        self.key: Final = key
        """The datagram, and the host that sent it."""
        self.message: Final = message
        self.mark: Final = mark
        self.waiting: Final = waiting
        """The keys of the names whose records wait."""
        self.taken: Final[list[Record]] = []
        """The records of its other names: taken in at once, also when it is heard again."""
        self.taken_names: Final[set[bytes]] = set()
        self.first_at: Final = now
        self.heard_at = now
        """When it was heard last: octet for octet the same, from the same host."""

    def take(self, names: Iterable[bytes]) -> list[Record]:
        """Let the records of some names wait no longer, and return them."""
        self.taken_names.update(names)
        self.waiting.difference_update(names)
        message = self.message
        records = [
            record
            for section in (message.answers, message.authorities, message.additionals)
            for record in section
            if record.name.key in names
        ]
        self.taken.extend(records)
        return records


class UnaskedResponses:
    """Multicast responses of which records wait, by the names that they are about.

    Most of what a link carries concerns nobody here, and is said again and again. So the records of a name
    that is neither asked for nor in the cache wait until somebody looks for it, and are taken in then with
    the times when they were heard: the cache holds what it would hold if none had waited. When a response is
    heard again meanwhile, only its time is noted: with repeated traffic that is about half of the work.

    Either all records that were heard of a name wait, or none.

    :param take_in: stores records of one host, all heard at a time: records, the mark of the host, the time.
    """

    __slots__ = ("_by_name", "_octets", "_records", "_responses", "_take_in")

    def __init__(self, take_in: Callable[[Sequence[Record], int, float], None]) -> None:
        self._take_in: Final = take_in
        self._responses: Final[OrderedDict[tuple[bytes, str], UnaskedResponse]] = OrderedDict()
        """By datagram and host, the one that was heard longest ago first."""
        self._by_name: Final[dict[bytes, list[UnaskedResponse]]] = {}
        self._octets = 0
        self._records = 0

    def __len__(self) -> int:
        """How many records wait at most; one that several responses have counts for each of them."""
        return self._records

    def __contains__(self, key: bytes) -> bool:
        return key in self._by_name

    @property
    def octets(self) -> int:
        """About how much memory is in use."""
        return self._octets

    def find(self, datagram: bytes, host: str) -> UnaskedResponse | None:
        """Return what waits of a response that was heard before."""
        return self._responses.get((datagram, host))

    def hear_again(self, one: UnaskedResponse, now: float) -> None:
        """Note that a response was heard again."""
        one.heard_at = now
        self._responses.move_to_end(one.key)

    def add(
        self, datagram: bytes, message: Message, source: tuple[str, int], waiting: set[bytes], now: float
    ) -> UnaskedResponse:
        """Let the records of some names of a response wait.

        :param source: the host that said it, and its mark.
        """
        host, mark = source
        one = UnaskedResponse((datagram, host), message, mark, waiting, now)
        self._responses[one.key] = one
        for key in waiting:
            among = self._by_name.get(key)
            if among is None:
                self._by_name[key] = [one]
            else:
                among.append(one)
        self._octets += len(datagram) + OVERHEAD
        self._records += _count(message)
        while self._octets > MAX_OCTETS:
            oldest = next(iter(self._responses.values()))
            for key in list(oldest.waiting):
                self.read(key)
        return one

    def read(self, key: bytes) -> bool:
        """Have all records of a name taken in that wait, in the order in which they were heard.

        :returns: whether there were any.
        """
        among = self._by_name.pop(key, None)
        if among is None:
            return False
        told: list[tuple[float, int, list[Record]]] = []
        for one in among:
            records = one.take((key,))
            told.append((one.first_at, one.mark, records))
            if one.heard_at > one.first_at:
                told.append((one.heard_at, one.mark, records))
            if not one.waiting:
                del self._responses[one.key]
                self._octets -= len(one.key[0]) + OVERHEAD
                self._records -= _count(one.message)
        told.sort(key=_time)
        for at, mark, records in told:
            self._take_in(records, mark, at)
        return True

    def read_all(self) -> None:
        """Have everything taken in that waits."""
        for key in list(self._by_name):
            self.read(key)

    def clear(self) -> None:
        """Forget all of them."""
        self._responses.clear()
        self._by_name.clear()
        self._octets = self._records = 0


def _time(told: tuple[float, int, list[Record]]) -> float:
    return told[0]


def _count(message: Message) -> int:
    return len(message.answers) + len(message.authorities) + len(message.additionals)
