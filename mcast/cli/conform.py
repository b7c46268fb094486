"""Judge a multicast DNS implementation by the packets that it sends.

In a lab, where everything is automatic, and which needs root and Linux:

  mcast conform responder --subject avahi
  mcast conform responder --command './my-responder eth0' --host my.local

What browses, in a lab, or on a real cable, where you or a hook have the device browse:

  mcast conform querier --subject mcast
  mcast conform querier --command './my-browser _mcast-test._tcp'
  mcast conform querier -I eth1 --type _ipp._tcp

What serves a link by unicast DNS is judged in a lab, too:

  mcast conform proxy --subject mcast

A device on a real cable, where you are asked for what the device must do, or a hook does it:

  mcast conform responder -I eth1 --host printer.local \\
      --service 'My Printer._ipp._tcp' --hook restart='ssh printer reboot'

A check that a MUST asks for fails, one that a SHOULD asks for warns; what the RFC states without a keyword
(a "rule") counts as a MUST. What could not be judged is not run, and is told with the reason. What is broken
was seen to be broken twice.

exit status: 0 no MUST and no rule was broken, 1 one was, 2 error
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mcast.cli.command import GOOD, NOT_ALL, CommandError, Output, checked, tell, whole
from mcast.clock import clock_of
from mcast.conform.presets import HOST, PRESETS, SERVICE
from mcast.conform.progress import LiveProgress
from mcast.conform.querier_presets import BROWSED
from mcast.conform.reports import compare, read_baseline
from mcast.conform.runs import CATALOGUES, Plan, Ways, catalogue_of, report, run_plan
from mcast.conform.scenarios import Scenario
from mcast.conform.shown import WAYS
from mcast.conform.table import rows, told
from mcast.conform.verdicts import NotRunError, Result
from mcast.showing import one_line

SIDE_BY_SIDE = 6
"""Groups that are judged at the same time in a lab. Our choice: a whole run takes some minutes, and two
processors are not so busy that delays cannot be judged."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``mcast conform``."""
    roles = sorted(CATALOGUES)
    # The metavar is what the line says that tells of a missing one.
    parser.add_argument("role", metavar=f"{{{','.join(roles)}}}", choices=roles, help="what is judged")
    parser.add_argument("-I", "--interface", metavar="IF", help="a device on this interface")
    parser.add_argument("--subject", choices=sorted(PRESETS), help="in a lab: one that is known")
    parser.add_argument("--command", metavar="COMMAND", help="in a lab: what starts it, on eth0")
    parser.add_argument("--host", metavar="NAME", help=f"its host name (in a lab: {HOST})")
    parser.add_argument("--service", metavar="NAME", help=f"its service (in a lab: {SERVICE})")
    parser.add_argument("--type", metavar="TYPE", help=f"what a querier browses for (in a lab: {BROWSED})")
    parser.add_argument(
        "--shows",
        choices=sorted(WAYS),
        help="what a querier's --command or hook shows is read like the output of this",
    )
    parser.add_argument("--subtype", metavar="LABEL", default="", help="a subtype of the service: _printer")
    parser.add_argument(
        "--hook",
        metavar="ACTION=COMMAND",
        action="append",
        default=[],
        type=checked(_hook),
        help="what makes a device start, stop, restart, kill, unplug, plug, address, rename or browse",
    )
    parser.add_argument("--no-ask", action="store_true", help="ask nobody; what needs a person is not run")
    parser.add_argument("--ipv6", action="store_true", help="judge over IPv6")
    parser.add_argument(
        "--only", metavar="WHAT", action="append", default=[], help="a group, scenario or check"
    )
    parser.add_argument("--list", action="store_true", help="list the checks, and do nothing")
    parser.add_argument(
        "--repeat", metavar="N", type=whole(1, 100), default=1, help="verdicts where N runs agree"
    )
    parser.add_argument(
        "--jobs", metavar="N", type=whole(1, 64), default=SIDE_BY_SIDE, help="groups side by side in a lab"
    )
    parser.add_argument("--seed", type=whole(0), default=None, help="of the random names")
    parser.add_argument("--junit", metavar="FILE", type=Path, help="write a JUnit file")
    parser.add_argument(
        "--html", metavar="FILE", type=Path, help="write a page with the packets of each finding"
    )
    parser.add_argument("--pcap", metavar="DIR", type=Path, help="write a capture for each finding")
    parser.add_argument(
        "--baseline", metavar="FILE", type=Path, help="an earlier --json: tell only what changed"
    )
    parser.add_argument("--save", metavar="FILE", type=Path, help="write the JSON to a file")


def _hook(text: str) -> tuple[str, str]:
    action, equals, command = text.partition("=")
    if not equals or not command:
        raise ValueError(f"{text}: a hook is ACTION=COMMAND")
    return action, command


async def run(reactor: Any, arguments: argparse.Namespace, output: Output) -> int:
    """Run ``mcast conform``; return the exit status."""
    catalogue = catalogue_of(arguments.role)
    try:
        scenarios = catalogue.chosen(arguments.only)
        if arguments.list:
            list_checks(output, scenarios)
            return GOOD
        plan = Plan.of(vars(arguments))
    except (ValueError, NotRunError) as error:
        raise CommandError(str(error)) from None
    before = _baseline(arguments.baseline)
    progress = LiveProgress(scenarios, sys.stderr, clock_of(reactor), plan.side_by_side, arguments.repeat)
    ways = Ways(lambda text: tell("conform", text), *_asker(arguments, progress))
    try:
        result = await run_plan(reactor, plan, scenarios, progress, ways)
    except NotRunError as error:
        raise CommandError(str(error)) from None
    finally:
        progress.close()
    if before is not None:
        compare(result, before)
    for problem in report(result, arguments):
        tell("conform", problem)
    show(result, output, arguments)
    return GOOD if result.passed else NOT_ALL


def _baseline(path: Path | None) -> dict[str, str] | None:
    """Return the verdicts to compare with; now, since the run takes minutes."""
    try:
        return None if path is None else read_baseline(path)
    except (OSError, ValueError) as error:
        raise CommandError(f"--baseline: {one_line(error)}") from None


def _asker(
    arguments: argparse.Namespace, progress: LiveProgress
) -> tuple[Callable[[str], None], int] | tuple[None]:
    """Return what asks a person, and where Enter is pressed; None where nobody is there."""
    if arguments.no_ask or not sys.stdin.isatty():
        return (None,)
    return progress.say, sys.stdin.fileno()


def list_checks(output: Output, scenarios: Sequence[Scenario]) -> None:
    """Print the checks of scenarios."""
    for scenario in scenarios:
        for check in scenario.checks:
            output.event(
                check=check.id,
                scenario=scenario.name,
                level=check.level.value,
                section=check.section,
                rows=list(check.rows),
                says=check.says,
                sends=scenario.sends,
                expects=check.expects,
                tolerance=check.tolerance,
            )
            output.text(f"{check.id}  {check.level.value}  {check.section}")
            output.text(f"    {check.says}")


def show(result: Result, output: Output, arguments: argparse.Namespace) -> None:
    """Print a result."""
    from mcast.conform.reports import as_fields

    for fields in as_fields(result):
        output.event(**fields)
    if output.json:
        return
    output.table(rows(result), lead=1, numbers=(1, 2, 3, 4))
    output.text("")
    for line in told(result):
        output.text(line)
    for note in result.notes:
        output.text(note)
