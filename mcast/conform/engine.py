"""Plays scenarios, some side by side, and comes to verdicts that would come out the same again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from twisted.internet.defer import Deferred, FirstError, gatherResults

from mcast.conform.bench import Bench
from mcast.conform.cancelling import in_any_case
from mcast.conform.packets import Packet, Sender
from mcast.conform.scenarios import Scenario
from mcast.conform.verdicts import Check, Finding, Judge, NotRunError, Verdict, agreed

T = TypeVar("T")

TRIES = 6
"""How often a scenario is played at most until two tries agree on what is broken. Our choice."""

MOST_SECONDS = 150.0
"""Seconds after which a scenario is not tried again. Our choice: a whole run takes five to ten minutes."""

LOOK_INTERVAL = 0.02
"""Seconds between two looks at the clock. Our choice."""

LATE = 0.06
"""Seconds that this program may be late before a try does not count. Our choice: the subject shares the
machine in a lab, so that what delays us delays it; timing tolerances are wider than this."""

NOISE = 100
"""Packets a second of others at which a link is too noisy. Our choice: a subject may be slow then."""

MAX_SHOWN = 400
"""Packets that a finding keeps. Our choice: what a person pages through."""


class Lateness:
    """How late this program is at most: a machine that is too busy for us is too busy to judge by."""

    def __init__(self, clock: Any) -> None:
        self._clock = clock
        self._expected_at = 0.0
        self._call: Any = None
        self.worst = 0.0

    def start(self) -> None:
        """Begin to look."""
        self._look(None)

    def stop(self) -> None:
        """Look no more."""
        if self._call is not None and self._call.active():
            self._call.cancel()

    def take(self) -> float:
        """Return the worst since the last time, and begin anew."""
        worst, self.worst = self.worst, 0.0
        return worst

    def _look(self, expected_at: float | None) -> None:
        now = self._clock.seconds()
        if expected_at is not None:
            self.worst = max(self.worst, now - expected_at)
        self._call = self._clock.callLater(LOOK_INTERVAL, self._look, now + LOOK_INTERVAL)


@dataclass(frozen=True, slots=True)
class Try:
    """What one play of a scenario came to."""

    judge: Judge
    packets: tuple[Packet, ...]
    spoiled: str = ""
    """Why it does not count."""
    late: str = ""
    """Why it does not count for checks of times."""

    def why_not(self, check: Check) -> str:
        """Return why the try does not count for a check; empty where it does."""
        return self.spoiled or (self.late if check.timed else "")


async def play_once(bench: Bench, scenario: Scenario, lateness: Lateness) -> Try:
    """Play a scenario once."""
    judge = Judge(scenario.checks)
    lateness.take()
    mark = bench.view.mark
    started = bench.now
    missing = scenario.needs - bench.subject.actions
    if missing:
        words = ", ".join(sorted(action.value for action in missing))
        here = "in a lab" if bench.is_lab else "here; --hook tells how it is done"
        judge.skip_rest(f"the subject cannot be made to {words} {here}")
        return Try(judge, ())
    trouble = bench.link.trouble
    if trouble:
        judge.skip_rest(trouble)
        return Try(judge, ())
    lost = bench.link.lost
    try:
        await scenario.play(bench, judge)
    except NotRunError as reason:
        judge.skip_rest(str(reason))
    judge.skip_rest(_nothing_seen(judge))
    lost = bench.link.lost - lost
    seen = bench.view.since(mark)
    worst = lateness.take()
    late = ""
    if worst > LATE:
        late = f"the machine was too busy to judge: we were {worst * 1000:.0f} ms late ourselves"
    spoiled = _spoiled(bench, seen, bench.now - started)
    if lost:
        spoiled = f"{lost} packets of our own were lost"
    return Try(judge, tuple(seen), bench.link.trouble or spoiled, late)


def _nothing_seen(judge: Judge) -> str:
    """Return why a check was not decided; often it is what another one has found."""
    broken = ", ".join(check.id for check in judge.broken)
    also = f"; what is broken in the same scenario: {broken}" if broken else ""
    return f"nothing that could be judged was seen{also}"


def _spoiled(bench: Bench, seen: Sequence[Packet], seconds: float) -> str:
    others = [packet for packet in seen if packet.sender is Sender.OTHER]
    if len(others) > NOISE * max(seconds, 1.0):
        return f"the link was too noisy to judge: {len(others)} packets of others in {seconds:.0f} s"
    if bench.names.browses:
        kind = bench.names.type
        asking = [
            packet
            for packet in others
            if kind is not None and packet.is_ipv6 == bench.ipv6 and packet.is_query and packet.asks_for(kind)
        ]
        if asking:
            return f"{asking[0].datagram.source} asked for {kind} meanwhile, too"
        return ""
    names = {bench.names.host, bench.names.service} - {None}
    meddling = [packet for packet in others if any(record.name in names for record in packet.records)]
    if meddling:
        return f"{meddling[0].datagram.source} spoke of the subject's own names meanwhile"
    return ""


async def play(bench: Bench, scenario: Scenario, lateness: Lateness) -> list[Finding]:
    """Play a scenario until its verdicts stand, and return them.

    What holds at the first try that counts holds. What is broken is tried again, and counts when it is broken
    twice: a packet that came late once is no finding.
    """
    tries: list[Try] = []
    found: dict[Check, Finding] = {}
    started = bench.now
    for number in range(1, TRIES + 1):
        done = await play_once(bench, scenario, lateness)
        tries.append(done)
        for check in scenario.checks:
            if check not in found:
                finding = _settled(scenario, check, tries, number)
                if finding is not None:
                    found[check] = finding
        if len(found) == len(scenario.checks) or bench.now - started > MOST_SECONDS:
            break
    return [found.get(check) or _unsettled(scenario, check, tries) for check in scenario.checks]


def _settled(scenario: Scenario, check: Check, tries: Sequence[Try], number: int) -> Finding | None:
    """Return the verdict of a check if it stands after these tries."""
    last = tries[-1]
    verdict, seen, shown = last.judge.verdicts[check]
    spoiled = last.why_not(check)
    if spoiled and verdict is not Verdict.NOT_RUN:
        return None
    counting = [each for each in tries if not each.why_not(check)]
    same = [each for each in counting if each.judge.verdicts[check][0] is verdict]
    broken_before = any(
        each.judge.verdicts[check][0] in (Verdict.FAIL, Verdict.WARNING) for each in counting[:-1]
    )
    enough = len(same) >= 2
    if verdict is Verdict.PASS and not broken_before:
        enough = True
    if verdict is Verdict.NOT_RUN and not spoiled:
        enough = enough or not last.packets
    if not enough:
        return None
    return _finding(scenario, check, last, verdict, seen, shown, number)


def _unsettled(scenario: Scenario, check: Check, tries: Sequence[Try]) -> Finding:
    """Return why there is no verdict."""
    last = tries[-1]
    verdict, seen, shown = last.judge.verdicts[check]
    if verdict is not Verdict.NOT_RUN:
        spoiled = next(filter(None, (each.why_not(check) for each in tries)), "")
        said = spoiled or f"{len(tries)} tries do not agree"
        seen = f"{said}; the last one: {seen}"
    return _finding(scenario, check, last, Verdict.NOT_RUN, seen, shown, len(tries))


def _finding(
    scenario: Scenario,
    check: Check,
    done: Try,
    verdict: Verdict,
    seen: str,
    shown: tuple[Packet, ...],
    runs: int,
) -> Finding:
    packets = done.packets[-MAX_SHOWN:]
    keep = [packet for packet in packets if packet.sender is not Sender.OTHER or packet in shown]
    marked = frozenset(place for place, packet in enumerate(keep) if any(packet is each for each in shown))
    # What holds needs no proof by packets; keeping them for all would fill the memory.
    if verdict is Verdict.PASS:
        keep, marked = [], frozenset()
    return Finding(check, verdict, seen, scenario.name, tuple(keep), marked, runs, scenario.sends)


class Progress(Protocol):
    """Who is told how far a run has come."""

    def began(self, scenario: Scenario) -> None:
        """A scenario is played now."""

    def ended(self, scenario: Scenario, findings: Sequence[Finding]) -> None:
        """A scenario is over."""


class Place(Protocol):
    """Where a group of scenarios is played; each has a subject of its own."""

    async def open(self) -> Bench:
        """Make the bench ready.

        :raises NotRunError: it cannot be.
        """

    @property
    def lost(self) -> int:
        """Packets of our own that were lost there."""

    async def close(self) -> None:
        """Take everything away again; nothing cancels that."""


async def play_group(
    place: Place, scenarios: Sequence[Scenario], lateness: Lateness, progress: Progress
) -> list[Finding]:
    """Play scenarios one after the other at one place."""
    findings: list[Finding] = []
    try:
        bench = await place.open()
        for scenario in scenarios:
            progress.began(scenario)
            these = await play(bench, scenario, lateness)
            findings += these
            progress.ended(scenario, these)
    except NotRunError as reason:
        done = {finding.scenario for finding in findings}
        for scenario in scenarios:
            if scenario.name not in done:
                missing = [
                    Finding(each, Verdict.NOT_RUN, str(reason), scenario.name) for each in scenario.checks
                ]
                findings += missing
                progress.ended(scenario, missing)
    finally:
        # One that is cancelled may be cancelled once more, when another one has ended before it.
        await in_any_case(place.close())
    return findings


async def run_groups(
    scenarios: Sequence[Scenario],
    place_for: Callable[[str], Place],
    side_by_side: int,
    lateness: Lateness,
    progress: Progress,
) -> list[Finding]:
    """Play all groups, so many side by side, and return the findings in the order of the scenarios.

    The longest go first, so that none is left alone at the end.
    """
    groups: dict[str, list[Scenario]] = {}
    for scenario in scenarios:
        groups.setdefault(scenario.group, []).append(scenario)
    waiting = sorted(groups, key=lambda name: sum(each.seconds for each in groups[name]), reverse=True)
    findings: dict[str, list[Finding]] = {}

    async def work() -> None:
        while waiting:
            name = waiting.pop(0)
            findings[name] = await play_group(place_for(name), groups[name], lateness, progress)

    # A Deferred that is cancelled says that it was called, long before its coroutine has ended.
    ends: dict[Deferred[None], Deferred[None]] = {}
    for _ in range(min(side_by_side, len(waiting))):
        worker, end = Deferred.fromCoroutine(work()), Deferred[None]()
        worker.addBoth(_tell_end, end)
        ends[worker] = end
    gathered = gatherResults(ends, consumeErrors=True)
    try:
        await gathered
    except BaseException as error:
        # Each takes down what it has built; its own cancellation is no news.
        for worker, end in ends.items():
            if not end.called:
                worker.cancel()
                await end
        if isinstance(error, FirstError):
            error.subFailure.raiseException()
        raise
    return [finding for name in groups for finding in findings[name]]


def _tell_end(result: T, end: Deferred[None]) -> T:
    end.callback(None)
    return result


async def repeated(number: int, once: Callable[[], Awaitable[list[Finding]]]) -> list[Finding]:
    """Run everything so often, and keep verdicts on which all runs agree."""
    runs = [await once() for _ in range(number)]
    if number == 1:
        return runs[0]
    return [agreed(each) for each in zip(*runs, strict=True)]
