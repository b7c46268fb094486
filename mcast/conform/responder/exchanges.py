"""What most scenarios do: ask at rest, wait for the answer, measure its delay; the tolerances of times."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from mcast.conform.bench import ANSWER_TIMEOUT, Bench
from mcast.conform.packets import Packet
from mcast.conform.subjects import Names
from mcast.conform.verdicts import NotRunError
from mcast.dns.codes import RecordType
from mcast.dns.messages import Question
from mcast.dns.names import Name
from mcast.dns.records import Record, address

EARLY = 0.005
"""Seconds that a timer may be early: clocks of milliseconds, and two stamps of the kernel. Load never makes a
packet early, so this can be small."""

BUSY = 0.15
"""Seconds that a subject may be late: it waits for its turn on a machine that others use too. A delay is
judged by the shortest of several, which load makes longer but rarely all of them."""

AT_ONCE = 0.018
"""Seconds within which an answer comes at once. RFC 6762 §6 says 10 ms; below 20 ms no random delay was
added, and an interpreter with a cold cache takes some."""

TRIES = 5
"""How often a delay is measured. Our choice: one random delay in five is almost surely over 18 ms where there
is one, and one in five is almost surely not held up where there is none."""

NO_ANSWER = 1.0
"""Seconds of silence that show that there is no answer: twice the longest delay (RFC 6762 §6)."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question and what came of it."""

    asked: Packet
    answer: Packet | None
    mark: int
    """From before the question."""

    @property
    def delay(self) -> float:
        """Seconds between the two.

        :raises NotRunError: there is no answer.
        """
        if self.answer is None:
            raise NotRunError("the subject does not answer")
        return self.answer.at - self.asked.at

    @property
    def packets(self) -> tuple[Packet | None, ...]:
        return (self.asked, self.answer)


async def ask(
    bench: Bench,
    *questions: Question,
    wanted: Callable[[Packet], bool] | None = None,
    within: float = ANSWER_TIMEOUT,
    known: Iterable[Record] = (),
    **where: Any,
) -> Exchange:
    """Ask at rest and wait for the answer.

    :param wanted: the answer; by default a response with a record for the first question in its answers.
    :param where: as of `Bench.send`.
    """
    await bench.rest()
    mark = bench.ask(*questions, known=known, **where)
    await bench.sent_at(mark)
    first = questions[0]
    answer = await bench.next(wanted or (lambda each: bool(answers_to(each, first))), within, mark)
    return Exchange(bench.sent(mark), answer, mark)


async def require_answer(bench: Bench, question: Question) -> None:
    """Do nothing where a plain question is answered, so that no answer to another one says something.

    :raises NotRunError: it is not.
    """
    if (await ask(bench, question)).answer is None:
        raise NotRunError(f"the subject does not answer for {question.name} at all: see answers.address")


def answers_to(packet: Packet, question: Question) -> list[Record]:
    """Return the records in the answers of a response that answer a question, goodbyes left out."""
    if not packet.is_response:
        return []
    types = (question.type, RecordType.CNAME)
    return [
        record
        for record in packet.answers
        if record.name == question.name
        and record.ttl
        and (question.type == RecordType.ANY or record.type in types)
    ]


async def delays(bench: Bench, *questions: Question, **how: Any) -> list[Exchange]:
    """Ask the same several times, each at rest.

    :raises NotRunError: none was answered.
    """
    found = [await ask(bench, *questions, **how) for _ in range(TRIES)]
    answered = [each for each in found if each.answer is not None]
    if not answered:
        raise NotRunError("the subject does not answer")
    return answered


def shortest(exchanges: Sequence[Exchange]) -> Exchange:
    """Return the exchange with the shortest delay."""
    return min(exchanges, key=lambda each: each.delay)


def other_address(bench: Bench, name: Name) -> Record:
    """Return an address that the subject does not have, of the family that it is judged by."""
    return address(name, "fd77::99:99" if bench.ipv6 else "10.77.99.99", 120, True)


def in_ms(seconds: float) -> str:
    """Return a duration for people."""
    return f"{seconds * 1000:.0f} ms"


def listed(seconds: Iterable[float]) -> str:
    """Return durations for people."""
    return ", ".join(f"{each * 1000:.0f}" for each in seconds) + " ms"


def service_of(names: Names) -> tuple[Name, Name]:
    """Return the instance and the type of the service.

    :raises NotRunError: none was named.
    """
    if names.service is None or names.type is None:
        raise NotRunError("no service was named: --service tells it")
    return names.service, names.type
