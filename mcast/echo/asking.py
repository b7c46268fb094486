"""Asking a group, and gathering the answers of any number of hosts."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred, gatherResults, succeed
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from mcast.clock import clock_of
from mcast.echo.asker import Asker, Target, source_host
from mcast.echo.gathering import Enough, Gathering, Key, Quorum, Reply, same_datagram
from mcast.last_look import LastLook
from mcast.neighbours import SocketAddress
from mcast.sockets.arrival import Arrival
from mcast.sockets.group import Group
from mcast.sockets.interface import checked_selectors, interface_name, select_interfaces
from mcast.sockets.interface import interfaces as all_interfaces
from mcast.sockets.places import sending_interfaces
from mcast.sockets.sending import SendResult
from mcast.sockets.settings import DEFAULT_SETTINGS, PortSettings

_log = Logger()


def ask(
    reactor: Any,
    group: Group | Iterable[Group],
    payload: bytes,
    *,
    interfaces: Sequence[str] = (),
    wait: float = 3.0,
    repeats: Sequence[float] = (0.0, 1.0),
    expect: int | None = None,
    quorum: Quorum | None = None,
    key: Key = same_datagram,
    settings: PortSettings = DEFAULT_SETTINGS,
) -> Replies:
    """Put a question to a group, and gather what its hosts answer.

        async for reply in ask(reactor, Group.parse("239.255.255.250:1900"), b"M-SEARCH ..."):
            print(reply.source, reply.interface, reply.seconds, reply.data)

    The question leaves at once by each interface, from a port of its own, to which the answers come by
    unicast. The loop ends ``wait`` seconds after the call, or when the replies are enough.

    :param group: or several, of one family or both, that are asked the same.
    :param interfaces: names, indexes or addresses; none for each interface that is up and does multicast.
    :param repeats: seconds after the call at which the question is sent.
    :param expect: this many replies are enough.
    :param quorum: is given the replies until now with each new one, and tells whether they are enough.
    :param key: tells which replies are the same one; by default those of one source and port with the same
        payload. What a host says again is one reply, whatever made it say so.
    :param settings: of the ports; ``PortSettings(hop_limit=2)`` to be heard beyond the own link. An answer
        from off the link is dropped when the question cannot leave it.
    :raises TypeError: a group or payload of another type.
    :raises ValueError: an unknown interface, no group, times that cannot be; the value is named.
    :raises OSError: no port can be opened, or the question leaves by no interface.
    """
    groups = _checked_groups(group)
    if not isinstance(payload, bytes | bytearray | memoryview):
        raise TypeError(f"payload {payload!r}: no bytes")
    plan = Plan(bytes(payload), wait, tuple(repeats), Enough(expect, quorum, key))
    inquiry = Inquiry(reactor, _targets(groups, checked_selectors(interfaces), settings), plan)
    inquiry.start()
    return Replies(inquiry)


def _checked_groups(group: Group | Iterable[Group]) -> tuple[Group, ...]:
    groups = (group,) if isinstance(group, Group) else tuple(dict.fromkeys(group))
    for each in groups:
        if not isinstance(each, Group):
            raise TypeError(f"{each!r}: no Group; Group.parse makes one of text")
    if not groups:
        raise ValueError("group (): there is none to ask")
    return groups


def _targets(groups: Sequence[Group], selectors: Sequence[str], settings: PortSettings) -> list[Target]:
    """Return where to ask.

    One group is asked by every interface that is named, or that is a mistake. Of several an interface may
    have the family of some only, and a group is left out, with a log line, when no interface has its family.
    """
    available = all_interfaces()
    if len(groups) == 1:
        return [Target(groups[0], sending_interfaces(groups[0], selectors, available), settings=settings)]
    targets: list[Target] = []
    problems: list[ValueError] = []
    named = select_interfaces(selectors, available)
    for group in groups:
        # Those that are named by their index, which is right for any of its families.
        able = [str(each.index) for each in named if each.has_family(group.ipv6)]
        try:
            chosen = sending_interfaces(group, able if selectors and able else selectors, available)
        except ValueError as problem:
            problems.append(problem)
        else:
            targets.append(Target(group, chosen, settings=settings))
    if not targets:
        raise problems[0]
    used = {each.index for target in targets for each in target.interfaces}
    for each in named if selectors else ():
        if each.index not in used:
            raise ValueError(f"interface {each.name}: none of the groups can be asked by it")
    for left_out in problems:
        _log.info("a group is not asked: {problem}", problem=str(left_out))
    return targets


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked, when, and until when.

    :raises ValueError: times that cannot be.
    """

    payload: bytes
    wait: float
    """Seconds from the start to the end."""
    repeats: tuple[float, ...]
    """Seconds from the start at which the question is sent."""
    enough: Enough

    def __post_init__(self) -> None:
        if not (math.isfinite(self.wait) and self.wait > 0):
            raise ValueError(f"wait {self.wait}: it is not a number of seconds above 0")
        if not self.repeats:
            raise ValueError("repeats (): the question would never be sent")
        for moment in self.repeats:
            if not 0 <= moment < self.wait:
                raise ValueError(f"repeats {moment}: not within the {self.wait} seconds of wait")


class Inquiry:
    """One question on its way: its ports and timers, and the replies that nobody has fetched yet."""

    def __init__(self, reactor: Any, targets: Iterable[Target], plan: Plan) -> None:
        self.gathering = Gathering(plan.enough)
        self.sent = 0
        """Times that the question has left by an interface."""
        self.refused = 0
        """Times that the system refused to send it; the port logs why, once."""
        self.late = 0
        """Answers that came after the end."""
        self._plan = plan
        self._clock = clock_of(reactor)
        self._askers = [Asker(reactor, target, self._heard) for target in targets]
        self._names: dict[int, str] = {}
        self._timers: list[IDelayedCall] = []
        self._started_at: float | None = None
        self._read = 0
        self._last_look = LastLook(reactor, self._end, lambda: self._read)
        self._ready: deque[Reply] = deque()
        self._failure: Failure | None = None
        self._ended = False
        self._waiting: Deferred[Reply] | None = None
        self._closing: Deferred[None] | None = None

    @property
    def dropped(self) -> dict[str, int]:
        """What came back and was no answer of one host, by cause."""
        dropped: dict[str, int] = {}
        for asker in self._askers:
            for cause, count in asker.dropped.items():
                dropped[cause.value] = dropped.get(cause.value, 0) + count
        return dropped

    def start(self) -> None:
        """Open the ports and send for the first time.

        :raises OSError: no port can be opened, or nothing can be sent.
        """
        try:
            for asker in self._askers:
                asker.open()
            if 0 in self._plan.repeats:
                self._send()
        except BaseException:
            self.close()
            raise
        self._timers = [
            self._clock.callLater(moment, self._send_again) for moment in sorted(self._plan.repeats) if moment
        ]
        self._timers.append(self._clock.callLater(self._plan.wait, self._last_look.begin))

    def next(self) -> Deferred[Reply]:
        """Return what fires with the next reply, or fails with StopAsyncIteration once all is closed."""
        if self._ready:
            return succeed(self._ready.popleft())
        if self._waiting is not None:
            raise RuntimeError("these replies are being waited for already")
        self._waiting = Deferred(self._cancelled)
        waiting = self._waiting
        if self._ended:
            self.close().addCallback(self._tell_end)
        return waiting

    def end(self) -> Deferred[None]:
        """End now, also for whoever waits for a reply; fires when the ports are closed."""
        self._end()
        return self.close()

    def close(self) -> Deferred[None]:
        """Close, and tell nobody; fires when the ports are closed. May be called again."""
        self._ended = True
        for timer in self._timers:
            if timer.active():
                timer.cancel()
        self._timers = []
        self._last_look.cancel()
        if self._closing is None:
            self._closing = gatherResults([asker.close() for asker in self._askers]).addCallback(
                lambda _: None
            )
        closed: Deferred[None] = Deferred()
        self._closing.addCallback(lambda _: closed.callback(None))
        return closed

    def forget_consumer(self) -> None:
        """Wake nobody any more: whoever waited has been dropped."""
        self._waiting = None

    def _send_again(self) -> None:
        try:
            self._send()
        except OSError:
            self._end(Failure())

    def _send(self) -> None:
        result = SendResult.CLOSED
        if self._started_at is None:
            self._started_at = self._clock.seconds()
        for asker in self._askers:
            for interface in asker.target.interfaces:
                result = asker.send(self._plan.payload, interface.index)
                self.sent += result is SendResult.SENT
                self.refused += result is not SendResult.SENT
        if not self.sent:
            groups = ", ".join(str(asker.target.group) for asker in self._askers)
            raise OSError(f"{groups}: the question could not be sent by any interface: {result.value}")

    def _heard(self, data: bytes, address: SocketAddress, arrival: Arrival) -> None:
        if self._ended or self._started_at is None:  # before the question nothing can be its answer
            self.late += self._ended
            return
        self._read += 1
        interface = self._name_of(arrival.interface) if arrival.interface else ""
        host = source_host(address, self._name_of)
        seconds = self._clock.seconds() - self._started_at
        reply = Reply(data, host, address[1], interface, seconds, address)
        try:
            counts = self.gathering.take(reply)
        except Exception:  # of the caller's key or quorum: the caller is told
            self._end(Failure())
            return
        if counts:
            self._ready.append(reply)
            self._tell()
            if self.gathering.is_enough:
                self._end()

    def _name_of(self, index: int) -> str:
        # Asked of the system once: a thousand answers come within a moment.
        name = self._names.get(index)
        if name is None:
            name = self._names[index] = interface_name(index)
        return name

    def _tell(self) -> None:
        waiting = self._waiting
        if waiting is not None:
            self._waiting = None
            waiting.callback(self._ready.popleft())

    def _end(self, failure: Failure | None = None) -> None:
        if self._ended:
            return
        self._ended = True
        self._failure = failure
        for timer in self._timers:
            if timer.active():
                timer.cancel()
        self._timers = []
        self._last_look.cancel()
        if self._waiting is not None or not self._ready:
            self.close().addCallback(self._tell_end)

    def _tell_end(self, _: object) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is None:
            return
        failure, self._failure = self._failure, None
        waiting.errback(Failure(StopAsyncIteration()) if failure is None else failure)

    def _cancelled(self, _: object) -> None:
        self._waiting = None
        self.close()


class Replies:
    """The replies to one question, as they come; `ask` makes it.

    An asynchronous iterator. Leaving the loop ends the question, and so does cancelling what waits for a
    reply; the ports are closed then. Replies that come while the loop is busy wait for it; what comes after
    the end is late: it is counted, and not a reply any more.
    """

    def __init__(self, inquiry: Inquiry) -> None:
        self._inquiry = inquiry

    def __repr__(self) -> str:
        return f"<Replies {self._inquiry.gathering.taken}>"

    def __aiter__(self) -> Replies:
        """Return itself."""
        return self

    def __anext__(self) -> Deferred[Reply]:
        """Return what fires with the next reply."""
        # Whoever waits keeps the question: `await anext(ask(…))` holds nothing but what is returned here.
        return self._inquiry.next().addBoth(lambda result, _: result, self)

    async def aclose(self) -> None:
        """End the question, also for a loop that waits, and wait until its ports are closed."""
        await self._inquiry.end()

    def statistics(self) -> dict[str, int | dict[str, int]]:
        """Return what was counted until now.

        ``sent`` and ``refused`` count the question, for each interface and repeat. Of the answers,
        ``replies`` counted, ``repeated`` were there already, ``late`` came after the end, ``overflow`` were
        more than fit in memory, and ``dropped`` could not be the answer of one host that was asked, by cause.
        """
        inquiry, gathering = self._inquiry, self._inquiry.gathering
        return {
            "sent": inquiry.sent,
            "refused": inquiry.refused,
            "replies": gathering.taken,
            "repeated": gathering.repeated,
            "late": inquiry.late,
            "overflow": gathering.overflow,
            "dropped": inquiry.dropped,
        }

    def __del__(self) -> None:
        # The coroutine that waited has been dropped too, and must not be woken when it is closed.
        self._inquiry.forget_consumer()
        self._inquiry.close()
