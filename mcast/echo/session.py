"""What a ping client sent and heard: the answers of any number of unknown responders."""

from __future__ import annotations

import random
from dataclasses import dataclass

from mcast.echo.probe import Probe, ProbeKind
from mcast.echo.statistics import RoundTripTimes

HORIZON = 65_536
"""Probes remembered on each interface. Our choice: at a thousand a second an answer is a minute late before
it is no longer known."""

MAX_RESPONDERS = 1024
"""Responders told apart. Our choice: more than one table can show; answers of further ones are counted and
dropped."""

ANONYMOUS_REACH = 64
"""How many probes back an answer without a number is matched. Our choice: it is a guess, and a small one."""


@dataclass(frozen=True, slots=True)
class EchoReply:
    """One answer to a probe."""

    responder: str
    """Numeric address, with the zone of a link-local one."""
    port: int
    interface: int
    """Index of the interface it arrived on."""
    number: int
    """Of the probe that is answered."""
    size: int
    hops: int | None
    """TTL or hop limit with which it arrived; None when the system does not tell."""
    time: float
    """Seconds since the probe was sent."""
    duplicate: bool
    """This responder has answered this probe before."""
    late: bool
    """It took longer than the client waits."""
    reordered: bool
    """A later probe was answered before."""
    to_group: bool = False
    """It was sent to the group, and not to us alone."""


class HeardResponder:
    """What one responder has answered."""

    def __init__(
        self, host: str, port: int, interface: int, sent_on: int, first_at: float, rng: random.Random
    ) -> None:
        self.host = host
        self.port = port
        """Where its answers come from: of two responders on one host, each has its own."""
        self.interface = interface
        """Index of the interface its answers arrive on."""
        self.sent_on = sent_on
        """Index of the interface its probes were sent by."""
        self.first_after = first_at
        """Seconds from the first probe of all to its first answer."""
        self.received = 0
        """Probes answered, each counted once."""
        self.duplicates = 0
        self.reordered = 0
        self.late = 0
        self.times = RoundTripTimes(rng)
        """Of the first answer to each probe."""
        self.group_received = 0
        """Probes answered to the group, each counted once."""
        self.group_first_after: float | None = None
        """Seconds from the first probe of all to its first answer to the group; None when there was none."""
        self._newest = -1
        self._answered: set[int] = set()
        self._group_answered: set[int] = set()
        self._promised: set[int] = set()

    def has_answered(self, number: int) -> bool:
        """Has it answered this probe before?"""
        return number in self._answered

    @property
    def group_promised(self) -> int:
        """Probes that we know to have been answered to the group: the answer by unicast says so too."""
        return len(self._promised | self._group_answered)

    def note_promise(self, number: int) -> None:
        """Note that the answer by unicast says that there was one to the group."""
        self._promised = _noted(self._promised, number)

    def has_answered_group(self, number: int) -> bool:
        """Has it answered this probe to the group before?"""
        return number in self._group_answered

    def note_group(self, answer: EchoReply, first_after: float) -> None:
        """Count an answer to the group."""
        if self.group_first_after is None:
            self.group_first_after = first_after
        if not answer.duplicate:
            self.group_received += 1
            self._group_answered = _noted(self._group_answered, answer.number)

    def note(self, answer: EchoReply) -> None:
        """Count an answer."""
        if answer.duplicate:
            self.duplicates += 1
            return
        self.received += 1
        self.reordered += answer.reordered
        self.late += answer.late
        self.times.add(answer.time)
        self._newest = max(self._newest, answer.number)
        self._answered = _noted(self._answered, answer.number)

    def is_behind(self, number: int) -> bool:
        """Has it answered a later probe already?"""
        return number < self._newest


def _noted(numbers: set[int], number: int) -> set[int]:
    """Return the numbers and one more, without those that are too old to matter."""
    numbers.add(number)
    if len(numbers) > 2 * HORIZON:
        newest = max(numbers)
        return {each for each in numbers if each > newest - HORIZON}
    return numbers


class Session:
    """The probes of one client and the answers to them; opens no socket and reads no clock.

    Instants are seconds on the caller's clock.

    :param size: octets of each probe.
    :param wait: seconds after which an answer is late.
    :param rng: for the session's number and the sampling of times.
    :param both: ask responders to answer the group as well.
    """

    def __init__(self, *, size: int, wait: float, rng: random.Random, both: bool = False) -> None:
        self._kind = ProbeKind.BOTH if both else ProbeKind.PLAIN
        self._id = rng.getrandbits(32)
        self._size = size
        self._wait = wait
        self._rng = rng
        self._started_at: float | None = None
        self._sent_at: dict[int, dict[int, float]] = {}
        self._sent: dict[int, int] = {}
        self._responders: dict[tuple[str, int, int], HeardResponder] = {}
        self.foreign = 0
        """Answers to probes of another client, or to probes that are forgotten."""
        self.overflow = 0
        """Answers of responders beyond `MAX_RESPONDERS`."""

    def probe(self, interface: int, number: int) -> bytes:
        """Return the datagram of one probe."""
        return Probe(self._id, interface, number, self._kind).encode(self._size)

    def sent(self, interface: int, number: int, now: float) -> None:
        """Note that a probe left by an interface."""
        if self._started_at is None:
            self._started_at = now
        sent_at = self._sent_at.setdefault(interface, {})
        sent_at[number] = now
        self._sent[interface] = self._sent.get(interface, 0) + 1
        if len(sent_at) > HORIZON:
            del sent_at[next(iter(sent_at))]

    def unsent(self, interface: int, number: int) -> None:
        """Take back the last `sent`: the system refused the probe after all."""
        if self._sent_at[interface].pop(number, None) is not None:
            self._sent[interface] -= 1

    def sent_by(self, interface: int) -> int:
        """Return how many probes have left by an interface."""
        return self._sent.get(interface, 0)

    def newest(self, interface: int) -> int:
        """Return the number of the latest probe that has left by an interface; -1 when none has."""
        return next(reversed(self._sent_at.get(interface, {})), -1)

    def sent_after(self, interface: int, number: int) -> float | None:
        """Return how many seconds after the first probe of all one left; None when that is forgotten."""
        sent_at = self._sent_at.get(interface, {}).get(number)
        return None if sent_at is None or self._started_at is None else sent_at - self._started_at

    def unanswered(self, responder: HeardResponder) -> list[float]:
        """Return when each probe left that a responder has not answered, in seconds after the first of all.

        Of the last `HORIZON` probes only.
        """
        start = self._started_at or 0.0
        sent_at = self._sent_at.get(responder.sent_on, {})
        return [at - start for number, at in sent_at.items() if not responder.has_answered(number)]

    def sent_to(self, responder: HeardResponder) -> int:
        """Return how many probes have left by the interface that this responder answers."""
        return self.sent_by(responder.sent_on)

    @property
    def total_sent(self) -> int:
        """Probes sent on all interfaces together."""
        return sum(self._sent.values())

    @property
    def responders(self) -> tuple[HeardResponder, ...]:
        """Every responder heard, in the order of their first answers."""
        return tuple(self._responders.values())

    def answer(
        self, data: bytes, host: str, port: int, interface: int, hops: int | None, now: float
    ) -> EchoReply | None:
        """Note a datagram that came back.

        :param host: its source, with the zone of a link-local address.
        :param interface: index of the interface it arrived on, 0 when the system does not tell.
        :returns: the answer, or None when it answers no probe of ours.
        """
        probe = Probe.decode(data)
        if probe is None:
            probe = self._guess(host, port, interface)
        elif probe.session != self._id:
            probe = None
        sent_at = None if probe is None else self._sent_at.get(probe.interface, {}).get(probe.number)
        if probe is None or sent_at is None:
            self.foreign += 1
            return None
        arrived_on = interface or probe.interface
        responder = self._responders.get((host, port, arrived_on))
        if responder is None:
            if len(self._responders) >= MAX_RESPONDERS:
                self.overflow += 1
                return None
            assert self._started_at is not None
            first_after = now - self._started_at
            responder = HeardResponder(host, port, arrived_on, probe.interface, first_after, self._rng)
            self._responders[host, port, arrived_on] = responder
        to_group = probe.kind is ProbeKind.GROUP
        if to_group:
            duplicate = responder.has_answered_group(probe.number)
        else:
            duplicate = responder.has_answered(probe.number)
        answer = EchoReply(
            responder=host,
            port=port,
            interface=arrived_on,
            number=probe.number,
            size=len(data),
            hops=hops,
            time=now - sent_at,
            duplicate=duplicate,
            late=now - sent_at > self._wait,
            reordered=not duplicate and not to_group and responder.is_behind(probe.number),
            to_group=to_group,
        )
        if to_group:
            assert self._started_at is not None
            responder.note_group(answer, now - self._started_at)
            return answer
        if probe.kind is ProbeKind.PROMISE:
            responder.note_promise(probe.number)
        responder.note(answer)
        return answer

    def _guess(self, host: str, port: int, interface: int) -> Probe | None:
        """Match an answer with a text of its own, which has no number.

        It is taken for one to the newest probe that its responder has not answered yet.
        """
        known = self._responders.get((host, port, interface))
        sent_on = known.sent_on if known else interface
        sent_at = self._sent_at.get(sent_on)
        if not sent_at and len(self._sent_at) == 1:
            sent_on, sent_at = next(iter(self._sent_at.items()))
        if not sent_at:
            return None
        newest = next(reversed(sent_at))
        for number in range(newest, max(newest - ANONYMOUS_REACH, -1), -1):
            if number in sent_at and not (known and known.has_answered(number)):
                return Probe(self._id, sent_on, number)
        return Probe(self._id, sent_on, newest)
