"""The target of time: two links that hear each other, and whatever else the input says, in its order.

An input is a sequence of steps. A step is a head of four octets and, when the head says so, a packet:

* one octet of what happens: its low four bits choose, its high four bits tell how,
* one octet of time that passes before it, in `TIMES`,
* two octets, the length of the packet that follows.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from random import Random

from mcast.dns.messages import Question, decode
from mcast.dns.names import Name
from mcast.mdns.constants import MDNS_PORT
from mcast.mdns.link import Link, LinkSettings
from mcast.neighbours import SocketAddress
from tests.mdns.lab import DUAL_GROUP, HOST, HTTP, PTR, SRV, TYPES, WEB, WEB_GROUP, A, interface

TIMES = (0.0, 0.001, 0.02, 0.12, 0.25, 0.5, 1.0, 1.1, 5.0, 20.0, 60.0, 120.0, 500.0, 4000.0)
"""Seconds between two steps: nothing, the delays of RFC 6762, and times to live."""

MAX_STEPS = 64
"""Our choice: enough for a story, and a run takes some milliseconds."""

SENT_IN_STEP = 400
"""Packets that two links may send for one step, with the hours that may pass before it.

Our choice: ten times what was seen; a storm has thousands.
"""

SOURCES: tuple[SocketAddress, ...] = (
    ("192.168.1.9", 5353),
    ("192.168.1.10", 5353),
    ("192.168.1.9", 40000),
    ("10.9.9.9", 5353),
    ("192.168.1.2", 5353),
    ("192.168.1.3", 5353),
    ("0.0.0.0", 0),
    ("fe80::1", 5353, 0, 2),
)
QUESTIONS = (
    Question(HTTP, PTR),
    Question(WEB, SRV),
    Question(HOST, A),
    Question(TYPES, PTR),
    Question(Name.parse("printer.local"), A),
)


@dataclass(frozen=True, slots=True)
class Step:
    """What happens at one moment."""

    kind: int
    time: int
    packet: bytes = b""


def read_steps(data: bytes) -> Iterator[Step]:
    """Yield the steps of an input; what is cut short is as long as it is."""
    position = 0
    for _ in range(MAX_STEPS):
        if position + 4 > len(data):
            return
        kind, time, size = struct.unpack_from("!BBH", data, position)
        yield Step(kind, time, data[position + 4 : position + 4 + size])
        position += 4 + size


def write_steps(steps: Iterable[Step]) -> bytes:
    """Return the input that has these steps."""
    return b"".join(
        struct.pack("!BBH", step.kind, step.time, len(step.packet)) + step.packet for step in steps
    )


class Pair:
    """Two links on one wire."""

    def __init__(self) -> None:
        self.now = 0.0
        self.sent = 0
        self.budget = SENT_IN_STEP
        self.addresses = ("192.168.1.2", "192.168.1.3")
        self.links = [
            Link(LinkSettings(ipv6=False), [interface(f"{address}/24")], rng=Random(number), now=0.0)
            for number, address in enumerate(self.addresses)
        ]
        self.owners: list[list[int]] = [[], []]
        self.serial = 0
        self.is_cut = False

    def deliver(self) -> None:
        """Bring what the links send to each other, until both are silent."""
        while True:
            waiting = [(number, sent) for number in (0, 1) for sent in self.links[number].transmissions()]
            for link in self.links:
                link.events()
            if not waiting:
                return
            for number, (payload, destination) in waiting:
                self.sent += 1
                assert self.sent < self.budget, f"a storm: {self.sent} packets"
                message = decode(payload)
                assert not message.skipped, "we sent a record that we cannot read ourselves"
                if not self.is_cut and (destination is None or destination[0] == self.addresses[1 - number]):
                    self.hear(1 - number, payload, (self.addresses[number], MDNS_PORT), destination is None)

    def hear(self, number: int, payload: bytes, source: SocketAddress, multicast: bool) -> None:
        """Give a packet to a link."""
        answer = self.links[number].receive(payload, source, multicast, self.now)
        if answer:
            decode(answer)

    def pass_time(self, seconds: float) -> None:
        """Wake the links when they want it."""
        until = self.now + seconds
        wakes = 0
        self.deliver()
        while True:
            due = [at for link in self.links if (at := link.next_wakeup()) is not None and at <= until]
            if not due:
                break
            self.now = max(self.now, min(due))
            wakes += 1
            assert wakes < 20 * SENT_IN_STEP, f"{wakes} wakes in {seconds} s"
            for link in self.links:
                link.advance(self.now)
            self.deliver()
        self.now = until

    def step(self, step: Step) -> None:
        """Let one thing happen."""
        self.budget = self.sent + SENT_IN_STEP
        self.pass_time(TIMES[step.time % len(TIMES)])
        kind, how = step.kind & 15, step.kind >> 4
        number = how & 1
        link = self.links[number]
        if kind < 9:
            for each in (0, 1) if how & 2 else (number,):
                self.hear(each, step.packet, SOURCES[kind % len(SOURCES)], not how & 4)
        elif kind == 9:
            self.serial += 1
            self.owners[number].append(self.serial)
            link.responder.register(self.serial, DUAL_GROUP if how & 4 else WEB_GROUP, self.now)
        elif kind == 10 and self.owners[number]:
            link.responder.withdraw(self.owners[number].pop(), self.now)
        elif kind == 11:
            link.querier.ask(QUESTIONS[(how >> 1) % len(QUESTIONS)], self.now, "fuzz")
        elif kind == 12:
            link.querier.cancel(QUESTIONS[(how >> 1) % len(QUESTIONS)], self.now, "fuzz")
        elif kind == 13:
            link.link_down(self.now)
        elif kind == 14:
            link.link_up(self.now)
        elif kind == 15:
            self.is_cut = not self.is_cut
        self.deliver()


def links(data: bytes) -> None:
    """No exception, no storm, nothing sent that cannot be read, and silence in the end."""
    pair = Pair()
    for step in read_steps(data):
        pair.step(step)
    for link in pair.links:
        for question in QUESTIONS:
            for _ in range(MAX_STEPS):
                link.querier.cancel(question, pair.now, "fuzz")
    pair.budget = pair.sent + SENT_IN_STEP
    pair.pass_time(300.0)
    assert [link.next_wakeup() for link in pair.links] == [None, None], "a timer is left when all is said"


TARGETS = {"links": links}
