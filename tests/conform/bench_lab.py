"""A bench without a link: made-up packets on a fake clock."""

from __future__ import annotations

import random
from collections.abc import Coroutine, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from mcast.conform.bench import Bench, OurHost
from mcast.conform.packets import GROUP_IPV4, Packet, Sender, packet_of
from mcast.conform.shown import Way
from mcast.conform.subjects import Action, Names
from mcast.conform.verdicts import Check, Judge, Level, must
from mcast.conform.view import View
from mcast.dns.codes import RESPONSE_FLAGS
from mcast.dns.messages import Message, Question, encode
from mcast.dns.records import Record
from mcast.sockets.frames import Datagram

NAMES = Names.parse("device.local", "Some Device._ipp._tcp", "_printer")
JUDGE_MAC = b"\x02judge"
SUBJECT_MAC = b"\x02their"
T = TypeVar("T")


def check(id: str = "some.check", level: Level = Level.MUST) -> Check:
    return Check(id, ("M-6-7",), level, "RFC 6762 §6", "It says.", "It expects.")


def packet(at: float, message: Message, sender: Sender = Sender.SUBJECT, to: str = GROUP_IPV4) -> Packet:
    source, mac = ("10.0.0.2", SUBJECT_MAC) if sender is Sender.SUBJECT else ("10.0.0.1", JUDGE_MAC)
    return packet_of(at, sender, Datagram(mac, source, 5353, to, 5353, encode(message)), b"frame", 1e9 + at)


def response(at: float, *records: Record, to: str = GROUP_IPV4) -> Packet:
    return packet(at, Message(flags=RESPONSE_FLAGS, answers=records), to=to)


def probe(at: float, *questions: Question, proposed: Sequence[Record] = ()) -> Packet:
    return packet(at, Message(questions=questions, authorities=proposed))


class FakeLink:
    """Shows what we send at once, as the real one does when the kernel has sent it."""

    reactor: Any = None

    def __init__(self, view: View) -> None:
        self._view = view
        self.hosts = (OurHost("10.0.0.1", "fe80::1", JUDGE_MAC), OurHost("10.0.0.3", "fe80::3", JUDGE_MAC))
        self.held: list[tuple[str, int]] = []
        self.lost = 0
        self.trouble = ""

    def send(self, datagram: Datagram) -> None:
        self._view.add(packet_of(self._view.clock.seconds(), Sender.JUDGE, datagram))

    def within(self) -> AbstractContextManager[None]:
        return nullcontext()

    def hold_port(self, address: str, port: int) -> None:
        self.held.append((address, port))


class FakeSubject:
    """Notes what it is told to do.

    :param actions: what it can.
    """

    name = "fake"
    last_words = "Segmentation fault"

    def __init__(self, actions: frozenset[Action] = frozenset(Action)) -> None:
        self.actions = actions
        self.is_running = False
        self.lines: list[str] = []
        self.way: Way | None = None
        self.done: list[Action] = []

    async def act(self, action: Action, value: str = "") -> None:
        self.done.append(action)
        self.is_running = action not in (Action.STOP, Action.KILL)


class BenchLab:
    """A bench, its clock, and a script of what the subject sends when."""

    def __init__(self, subject: FakeSubject | None = None) -> None:
        self.clock = Clock()
        self.view = View(self.clock)
        self.link = FakeLink(self.view)
        self.subject = subject or FakeSubject()
        self.bench = Bench(self.view, self.link, self.subject, NAMES, random.Random(1))

    def play(self, *packets: Packet) -> None:
        """Have packets be seen at their times."""
        for each in packets:
            self.clock.callLater(each.at - self.clock.seconds(), self.view.add, each)

    def run(self, coroutine: Coroutine[Any, Any, T], seconds: float = 120.0) -> T:
        """Run a coroutine to its end, in steps of ten milliseconds."""
        results: list[T] = []
        failures: list[Any] = []
        Deferred.fromCoroutine(coroutine).addCallbacks(results.append, failures.append)
        end = self.clock.seconds() + seconds
        while not results and not failures and self.clock.seconds() < end:
            self.clock.advance(0.01)
        if failures:
            failures[0].raiseException()
        (result,) = results
        return result


def judge_of(*checks: Check) -> Judge:
    return Judge(checks)


__all__ = ["BenchLab", "FakeSubject", "check", "judge_of", "must", "packet", "probe", "response"]
