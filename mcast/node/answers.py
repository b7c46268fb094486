"""Unicast answers of a node: whoever does not take them keeps nobody else waiting.

An answer to a neighbour that does not exist stays in the send buffer for seconds, until the system has given
up finding it (RFC 1122 §2.3.2.2). Whoever forges the source of some hundred queries would so fill the buffer
for all.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from twisted.internet.interfaces import IDelayedCall

from mcast.neighbours import SocketAddress
from mcast.rate_limit import RateLimit
from mcast.sockets.sending import SendResult

CROWDED_SHARE = 4
"""The buffer is crowded when more than one part in this many is taken.

Our choice: answers to neighbours that exist leave at once, and take no more than that.
"""

CROWDED_RATE = 20
"""Answers a second to one host while the buffer is crowded.

Our choice: more than a host asks by itself; in the three seconds that answers to nobody stay, those to one
such host take a tenth of the usual buffer.
"""

CROWDED_PERIOD = 1.0
"""Seconds for which a buffer that was crowded counts as crowded. Our choice: the window of the rate."""

LOOK_EVERY = 16_384
"""Octets of answers between two looks at the buffer. Our choice: a twentieth of the usual one."""

ANSWER_OVERHEAD = 512
"""Octets that the system adds to each answer, at least. Our choice: what Linux adds to a short one."""

MAX_WAITING = 256
"""Answers that wait for room in the buffer. Our choice: a question that many ask at once."""

MAX_WAITING_EACH = 4
"""Answers to one host that wait. Our choice: what one query may be answered with, and its repetition."""

WAIT_LIMIT = 1.0
"""Seconds after which an answer is given up. Our choice: the querier asks again (RFC 6762 §5.2)."""

RETRY_DELAY = 0.05
"""Seconds until what waits is tried again. Our choice: several times before `WAIT_LIMIT`."""

_SENT = SendResult.SENT  # looked up once


class Sender(Protocol):
    """What sends the answers; `mcast.sockets.apart.ApartSender` is the real one."""

    room: int

    def send(self, data: bytes, address: SocketAddress, interface: int = 0) -> SendResult:
        """Send a datagram."""

    def waiting(self) -> int:
        """Return how much of the room is taken."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    payload: bytes
    destination: SocketAddress
    interface: int
    until: float


class Answers:
    """Sends answers; while the send buffer is crowded each host gets few, and what finds it full waits.

    :param reached: called with a host after something was counted for it, here or by the sender.
    """

    def __init__(self, clock: Any, sender: Sender, reached: Callable[[str], object]) -> None:
        self._reached = reached
        self.counters: Counter[str] = Counter()
        """answers_held_back: too many to one host while it was crowded; answers_lost: no room in time."""
        self._clock = clock
        self._sender = sender
        self._send = sender.send  # looked up once, since it runs for each answer
        self._until_look = 0
        self._crowded_until = 0.0
        self._limit = RateLimit(CROWDED_RATE)
        self._waiting: OrderedDict[str, deque[_Waiting]] = OrderedDict()
        self._number = 0
        self._retry: IDelayedCall | None = None

    def send(self, payload: bytes, destination: SocketAddress, interface: int) -> bool:
        """Send an answer, or keep it for a moment; False when it will not leave.

        :raises ValueError: as the sender does.
        """
        self._until_look -= len(payload) + ANSWER_OVERHEAD
        if self._until_look < 0:
            self._until_look = LOOK_EVERY
            if self._sender.waiting() * CROWDED_SHARE > self._sender.room:
                self._crowded_until = self._clock.seconds() + CROWDED_PERIOD
        if self._crowded_until and not self._may_send(destination[0]):
            self._count("answers_held_back", destination[0])
            return False
        result = self._send(payload, destination, interface)
        if result is _SENT:
            return True
        if result is SendResult.FULL:
            self._crowded_until = self._clock.seconds() + CROWDED_PERIOD
            self._reached(destination[0])
            return self._keep(_Waiting(payload, destination, interface, self._clock.seconds() + WAIT_LIMIT))
        return False

    def close(self) -> None:
        """Wait no more."""
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        self.counters["answers_lost"] += self._number
        self._waiting.clear()
        self._number = 0

    def _may_send(self, host: str) -> bool:
        now = self._clock.seconds()
        if now >= self._crowded_until:
            self._crowded_until = 0.0
            return True
        self._limit.turn(now)
        return self._limit.take(host)

    def _keep(self, waiting: _Waiting) -> bool:
        queue = self._waiting.setdefault(waiting.destination[0], deque())
        if self._number >= MAX_WAITING or len(queue) >= MAX_WAITING_EACH:
            self._count("answers_lost", waiting.destination[0])
            return False
        queue.append(waiting)
        self._number += 1
        if self._retry is None:
            self._retry = self._clock.callLater(RETRY_DELAY, self._try_again)
        return True

    def _try_again(self) -> None:
        """Send what waits, one to each host in turn, as far as there is room."""
        self._retry = None
        now = self._clock.seconds()
        hosts, self._waiting = self._waiting, OrderedDict()
        is_full = False
        while hosts:
            host, queue = hosts.popitem(last=False)
            while queue and queue[0].until <= now:
                queue.popleft()
                self._number -= 1
                self._count("answers_lost", host)
            if queue and not is_full:
                is_full = not self._sent(queue)
            if queue:
                (self._waiting if is_full else hosts)[host] = queue
        if self._waiting:
            self._retry = self._clock.callLater(RETRY_DELAY, self._try_again)

    def _sent(self, queue: deque[_Waiting]) -> bool:
        """Send the first of a queue; False when there is no room."""
        first = queue[0]
        result = self._sender.send(first.payload, first.destination, first.interface)
        if result is SendResult.FULL:
            return False
        queue.popleft()
        self._number -= 1
        return True

    def _count(self, counter: str, host: str) -> None:
        self.counters[counter] += 1
        self._reached(host)
