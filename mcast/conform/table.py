"""A result as lines for people: a table by group, then what was found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mcast.conform.verdicts import Finding, Result, Verdict
from mcast.showing import shown

ORDER = (Verdict.FAIL, Verdict.WARNING, Verdict.NOT_RUN)
"""What is told after the table, the worst first."""

HEAD = ("group", "pass", "warning", "fail", "not run")


def rows(result: Result) -> list[tuple[str, ...]]:
    """Return the table by group, with a head and a sum."""
    found: list[tuple[str, ...]] = [HEAD]
    groups = result.groups()
    for name, findings in groups.items():
        found.append((name, *counts(findings)))
    found.append(("all", *counts(result.findings)))
    return found


def counts(findings: Sequence[Finding]) -> tuple[str, ...]:
    """Return how many there are of each verdict, in the order of the columns."""
    verdicts = [finding.verdict for finding in findings]
    return tuple(
        str(verdicts.count(each) or "·")
        for each in (Verdict.PASS, Verdict.WARNING, Verdict.FAIL, Verdict.NOT_RUN)
    )


def told(result: Result) -> Iterator[str]:
    """Yield what did not pass, the worst first; of a result with a baseline what changed of it."""
    for verdict in ORDER:
        for finding in result.of(verdict):
            if result.changed is None or finding in result.changed:
                yield from lines_of(finding)


def lines_of(finding: Finding) -> Iterator[str]:
    """Yield a finding in few lines."""
    check = finding.check
    yield shown(f"{finding.verdict.value}: {check.id} ({check.section}, {check.level.value})")
    if finding.verdict is not Verdict.NOT_RUN:
        yield shown(f"    expected  {check.expects}")
        yield shown(f"    seen      {finding.seen}")
    else:
        yield shown(f"    {finding.seen}")
