"""Answering what a group is asked, each answer after a random delay."""

from __future__ import annotations

import math
import random
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, ensureDeferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from mcast.clock import clock_of
from mcast.echo.answerer import Admission, Answerer
from mcast.echo.asker import source_host
from mcast.echo.counters import Drop
from mcast.neighbours import SocketAddress
from mcast.sockets.arrival import Arrival
from mcast.sockets.group import Group
from mcast.sockets.interface import Interface, interface_name
from mcast.sockets.interface import interfaces as all_interfaces
from mcast.sockets.listen import GroupListener, listen_group
from mcast.sockets.settings import DEFAULT_SETTINGS, PortSettings

ANSWER_MAX_RATE = 100
"""Questions answered a second of one source.

Our choice: one that asks by several interfaces, and repeats it, stays far below. Unlike an echo an answer can
be much longer than the question, and a forged source address must not turn that against a host."""

MAX_WAITING = 1024
"""Answers that wait at one time, for their moment or for the handler. Our choice: at 100 ms each that is
10,000 questions a second; further ones are counted and dropped."""

HANDLER_TIMEOUT = 60.0
"""Seconds after which a handler that has not answered is cancelled. Our choice: nobody waits as long for an
answer, and a thousand handlers that hang would take the room of all others."""

MAX_FAULTS = 64
"""Causes of a handler's failure remembered, so that each is logged once. Our choice: more than a handler has
lines that raise; the table is emptied when it is full."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a group was asked, and by whom."""

    data: bytes
    source: str
    """Numeric address of the host that asks, with the zone of a link-local one."""
    port: int
    interface: str
    """Name of the interface on which the question arrived; empty when the system does not tell."""
    group: str
    """The address that was asked; empty when the system does not tell."""


Answers = bytes | Sequence[bytes] | None
"""What a handler answers: a datagram, several, or nothing."""

Handler = Callable[[Asked], Answers | Awaitable[Answers]]
"""Answers a question, at once or later."""


def answer(
    reactor: Any,
    group: Group | Iterable[Group],
    handler: Handler,
    jitter: tuple[float, float] = (0.0, 0.1),
    *,
    interfaces: Sequence[str] = (),
    sources: Sequence[str] = (),
    max_rate: int = ANSWER_MAX_RATE,
    settings: PortSettings = DEFAULT_SETTINGS,
    rng: random.Random | None = None,
) -> Answering:
    """Answer what a group is asked, by unicast from the group's port, until it is stopped.

        answering = answer(reactor, Group.parse("239.255.255.250:1900"), lambda asked: b"HTTP/1.1 200 OK...")

    Only what was sent to the group is answered; where the group is link-local, only to neighbours.

    :param group: or several.
    :param handler: is called with each question, and returns a datagram, several, or None for silence; a
        coroutine or a Deferred of these will do, which is cancelled after `HANDLER_TIMEOUT` seconds. What it
        raises is logged, once for each cause.
    :param jitter: each answer leaves after a random delay between these seconds, so that the answers of many
        hosts do not collide; ``(0, 0)`` for at once.
    :param interfaces: names, indexes or addresses; none for each interface that is up and does multicast.
    :param sources: answer these hosts only (RFC 4607).
    :param max_rate: questions of one source that are answered in a second; 0 for no limit.
    :param settings: of the ports; ``PortSettings(sends_apart=True)`` to answer from another port than the
        group's.
    :param rng: draws the delays.
    :raises TypeError: a group or interface of another type.
    :raises ValueError: an unknown interface, no group, a delay or rate that cannot be; the value is named.
    :raises OSError: nothing could be joined, or the port is taken.
    """
    groups = (group,) if isinstance(group, Group) else tuple(group)
    if not groups:
        raise ValueError("group (): there is none to answer for")
    handling = Handling(handler, jitter, max_rate, rng or random.SystemRandom())
    answerer = HandlerAnswerer(groups, handling, interfaces=interfaces, sources=sources)
    return Answering(answerer, listen_group(reactor, answerer, settings))


@dataclass(frozen=True, slots=True)
class Handling:
    """How questions are answered.

    :raises TypeError: the handler cannot be called.
    :raises ValueError: a delay or rate that cannot be.
    """

    handler: Handler
    jitter: tuple[float, float]
    max_rate: int
    rng: random.Random = field(repr=False)

    def __post_init__(self) -> None:
        if not callable(self.handler):
            raise TypeError(f"handler {self.handler!r}: cannot be called")
        least, most = self.jitter
        if not (0 <= least <= most and math.isfinite(most)):
            raise ValueError(f"jitter {self.jitter}: no two delays in seconds, the shorter one first")
        if self.max_rate < 0:
            raise ValueError(f"max_rate {self.max_rate}: below 0")


class HandlerAnswerer(Answerer):
    """Lets a handler answer; see `answer`."""

    _log = Logger()

    def __init__(
        self,
        groups: Iterable[Group],
        handling: Handling,
        *,
        interfaces: Sequence[str] = (),
        sources: Sequence[str] = (),
        enumerate_interfaces: Callable[[], tuple[Interface, ...]] = all_interfaces,
        use_netlink: bool | None = None,
    ) -> None:
        super().__init__(
            groups,
            Admission(handling.max_rate),
            interfaces=interfaces,
            sources=sources,
            enumerate_interfaces=enumerate_interfaces,
            use_netlink=use_netlink,
        )
        self._handling = handling
        self._timers: dict[int, IDelayedCall] = {}
        self._numbers = count()
        self._handled: set[Deferred[Any]] = set()
        self._faults: set[tuple[type[BaseException], str, int]] = set()

    @property
    def waiting(self) -> int:
        """Answers that wait for their moment, and questions for the handler."""
        return len(self._timers) + len(self._handled)

    def answer(self, data: bytes, address: SocketAddress, arrival: Arrival) -> None:
        """Hand a question to the handler, and send what it answers."""
        if self.waiting >= MAX_WAITING:
            self.echo_counters.drop(Drop.BUSY)
            return
        interface = interface_name(arrival.interface) if arrival.interface else ""
        asked = Asked(
            data, source_host(address, interface_name), address[1], interface, arrival.destination or ""
        )
        try:
            answers = self._handling.handler(asked)
            if not isinstance(answers, Awaitable):
                self._answer_later(answers, address, arrival)
                return
        except Exception:
            self._failed(Failure())
            return
        later: Deferred[Any] = answers if isinstance(answers, Deferred) else _deferred(answers)
        self._handled.add(later)
        later.addTimeout(HANDLER_TIMEOUT, clock_of(self.transport.reactor))  # type: ignore[union-attr]
        later.addCallback(self._answer_later, address, arrival)
        later.addErrback(self._failed)
        later.addBoth(lambda _: self._handled.discard(later))

    def stopProtocol(self) -> None:
        super().stopProtocol()  # first: a handler that is cancelled may answer all the same
        timers, self._timers = self._timers, {}
        for timer in timers.values():
            timer.cancel()
        for later in list(self._handled):
            later.cancel()

    def _answer_later(self, answers: Answers, address: SocketAddress, arrival: Arrival) -> None:
        for data in _datagrams(answers):
            delay = self._handling.rng.uniform(*self._handling.jitter)
            if not delay:
                self.answered(data, address, arrival)
            elif self.waiting >= MAX_WAITING:
                self.echo_counters.drop(Drop.BUSY)
            elif self.transport is not None:
                number = next(self._numbers)
                clock = clock_of(self.transport.reactor)  # type: ignore[attr-defined]
                self._timers[number] = clock.callLater(delay, self._due, number, data, address, arrival)

    def _due(self, number: int, data: bytes, address: SocketAddress, arrival: Arrival) -> None:
        del self._timers[number]
        self.answered(data, address, arrival)

    def _failed(self, failure: Failure) -> None:
        if failure.check(CancelledError) and self.transport is None:
            return
        self.echo_counters.drop(Drop.HANDLER)
        frame = failure.getTracebackObject()
        while frame is not None and frame.tb_next is not None:
            frame = frame.tb_next
        place = ("", 0) if frame is None else (frame.tb_frame.f_code.co_filename, frame.tb_lineno)
        cause = (failure.type or Exception, *place)
        if cause in self._faults:
            return
        if len(self._faults) >= MAX_FAULTS:
            self._faults.clear()
        self._faults.add(cause)
        self._log.failure("the handler failed (counted from now on)", failure=failure)


def _datagrams(answers: Answers) -> tuple[bytes, ...]:
    if answers is None:
        return ()
    if isinstance(answers, bytes):
        return (answers,)
    if not isinstance(answers, Iterable) or isinstance(answers, str | bytearray | memoryview):
        raise TypeError(f"the handler answers {answers!r}, which is no bytes")
    datagrams = tuple(answers)
    for data in datagrams:
        if not isinstance(data, bytes):
            raise TypeError(f"the handler answers {data!r}, which is no bytes")
    return datagrams


def _deferred(answers: Awaitable[Answers]) -> Deferred[Answers]:
    if isinstance(answers, Coroutine):
        return ensureDeferred(answers)

    async def wait() -> Answers:
        return await answers

    return ensureDeferred(wait())


class Answering:
    """What `answer` does for a group until it is stopped; `answer` makes it."""

    def __init__(self, answerer: HandlerAnswerer, listener: GroupListener) -> None:
        self._answerer = answerer
        self._listener = listener

    def __repr__(self) -> str:
        return f"<Answering {' '.join(map(str, self._answerer.groups))}>"

    def stop(self) -> Deferred[None]:
        """Leave the groups; what waits to be answered is not. Fires when the ports are closed."""
        return self._listener.stopListening()

    def statistics(self) -> dict[str, int | dict[str, int]]:
        """Return what was counted until now.

        ``received`` questions, ``answered`` datagrams, ``waiting`` to be answered, and those ``dropped``, by
        cause.
        """
        counters = self._answerer.echo_counters
        dropped = {cause.value: count for cause, count in counters.dropped.items() if count}
        return {
            "received": counters.received,
            "answered": counters.answered,
            "waiting": self._answerer.waiting,
            "dropped": dropped,
        }
