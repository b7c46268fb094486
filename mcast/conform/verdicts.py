"""What is judged, and what comes out of it: checks, verdicts, findings, results."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum

from mcast.conform.packets import Packet


class Level(Enum):
    """How strongly the RFC asks for something."""

    MUST = "MUST"
    RULE = "rule"
    """Said without a keyword of RFC 2119, as how the protocol works; others rely on it as on a MUST."""
    SHOULD = "SHOULD"


class Verdict(Enum):
    """What a check says of a subject."""

    PASS = "pass"
    WARNING = "warning"
    FAIL = "fail"
    NOT_RUN = "not run"

    @property
    def is_good(self) -> bool:
        return self is Verdict.PASS


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that a subject does or does not."""

    id: str
    """Its group and its own word: ``probing.interval``."""
    rows: tuple[str, ...]
    """The rows of docs/conformance/requirements.csv that it shows."""
    level: Level
    section: str
    """Where the RFC says it: ``RFC 6762 §8.1``."""
    says: str
    """What the RFC asks for, in words of our own."""
    expects: str
    """What must be seen."""
    tolerance: str = ""
    """What is allowed beside the letter, and why."""
    timed: bool = False
    """Whether a machine that is too busy can break it."""

    @property
    def group(self) -> str:
        return self.id.partition(".")[0]


def must(
    id: str, rows: str, section: str, says: str, expects: str, tolerance: str = "", *, timed: bool = False
) -> Check:
    """Make a check whose breach is a failure; rows as words."""
    return Check(id, tuple(rows.split()), Level.MUST, section, says, expects, tolerance, timed)


def rule(
    id: str, rows: str, section: str, says: str, expects: str, tolerance: str = "", *, timed: bool = False
) -> Check:
    """Make a check of what the RFC states without a keyword; its breach is a failure; rows as words."""
    return Check(id, tuple(rows.split()), Level.RULE, section, says, expects, tolerance, timed)


def should(
    id: str, rows: str, section: str, says: str, expects: str, tolerance: str = "", *, timed: bool = False
) -> Check:
    """Make a check whose breach is a warning; rows as words."""
    return Check(id, tuple(rows.split()), Level.SHOULD, section, says, expects, tolerance, timed)


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check came to."""

    check: Check
    verdict: Verdict
    seen: str
    """What was seen, or why it was not run; plain text, which may hold text of the network."""
    scenario: str = ""
    packets: tuple[Packet, ...] = ()
    """All packets of the scenario that were to or from the subject, or from us."""
    marked: frozenset[int] = frozenset()
    """Which of the packets show it, by their place."""
    runs: int = 1
    """How often it was tried to come to the verdict."""
    sends: str = ""
    """What we sent, or had the subject do."""


class NotRunError(Exception):
    """A scenario cannot say anything: what it needs is not there, or did not happen."""


@dataclass(slots=True)
class Judge:
    """Takes down what a scenario sees.

    A check that is decided more than once is broken when it is broken once.
    """

    checks: tuple[Check, ...]
    """Those that the scenario is about."""
    verdicts: dict[Check, tuple[Verdict, str, tuple[Packet, ...]]] = field(default_factory=dict)

    def decide(self, check: Check, holds: bool, seen: str, packets: Iterable[Packet | None] = ()) -> bool:
        """Take down whether a check holds; return the same.

        :param seen: what was seen, whichever way it went.
        """
        if check not in self.checks:
            raise ValueError(f"{check.id} is not declared")
        broken = Verdict.WARNING if check.level is Level.SHOULD else Verdict.FAIL
        before = self.verdicts.get(check)
        if before is None or before[0] in (Verdict.PASS, Verdict.NOT_RUN):
            shown = tuple(packet for packet in packets if packet is not None)
            if holds and before is not None and before[0] is Verdict.PASS:
                return holds
            self.verdicts[check] = (Verdict.PASS if holds else broken, seen, shown)
        return holds

    @property
    def broken(self) -> list[Check]:
        """Those that were seen to be broken."""
        worse = (Verdict.WARNING, Verdict.FAIL)
        return [check for check, (verdict, *_) in self.verdicts.items() if verdict in worse]

    def skip(self, check: Check, why: str) -> None:
        """Take down that nothing can be said, unless something was."""
        self.verdicts.setdefault(check, (Verdict.NOT_RUN, why, ()))

    def skip_rest(self, why: str) -> None:
        """Take down for every check that was not decided why it was not."""
        for check in self.checks:
            self.skip(check, why)


@dataclass(slots=True)
class Result:
    """What a whole run came to."""

    subject: str
    role: str
    findings: list[Finding]
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)
    """What a reader must know, such as that the link was noisy."""
    again: str = ""
    """The command that judges the same again, without what was chosen and written."""
    changed: list[Finding] | None = None
    """Those with another verdict than in an earlier result; None where there is none."""

    def of(self, *verdicts: Verdict) -> list[Finding]:
        """Return the findings with one of these verdicts."""
        return [finding for finding in self.findings if finding.verdict in verdicts]

    @property
    def passed(self) -> bool:
        """Whether no MUST and no rule was broken."""
        return not self.of(Verdict.FAIL)

    def groups(self) -> dict[str, list[Finding]]:
        """Return the findings by group, in the order of the run."""
        found: dict[str, list[Finding]] = {}
        for finding in self.findings:
            found.setdefault(finding.check.group, []).append(finding)
        return found


def agreed(runs: Sequence[Finding]) -> Finding:
    """Return one finding of several runs of the same check: a verdict only where all runs agree."""
    verdicts = {finding.verdict for finding in runs}
    last = runs[-1]
    if len(verdicts) == 1:
        return last
    counts = ", ".join(
        f"{sum(finding.verdict is verdict for finding in runs)} × {verdict.value}"
        for verdict in Verdict
        if verdict in verdicts
    )
    worst = max(runs, key=lambda finding: (finding.verdict is Verdict.FAIL, finding.verdict.value))
    said = f"the runs do not agree ({counts}); one of them: {worst.seen}"
    return Finding(
        last.check,
        Verdict.NOT_RUN,
        said,
        worst.scenario,
        worst.packets,
        worst.marked,
        runs=len(runs),
        sends=worst.sends,
    )
