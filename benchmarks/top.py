"""Measure what `mcast top` costs: ``python -m benchmarks.top``.

Needs root on Linux; the table it prints is Markdown. The link is that of `benchmarks.live`: 200 hosts with
1,000 services, and 300 packets a second. Beside it runs a node that browses all types, whose share is the
base. The program runs on a pseudo-terminal of 120×40, one view after the other. Shares are of one core.
"""

from __future__ import annotations

import argparse
import sys
import time

from benchmarks.live import RATE, SERVICES, WARM_UP, Crowd, memory_of, seconds_of, share
from mcast.cli.progress import Progress
from tests.cli.top.pseudo_terminal import PseudoTerminal
from tests.interop.programs import Program
from tests.network.lan import Host, Lan

COLUMNS, LINES = 120, 40
VIEWS = ("services", "hosts", "packets", "lint", "groups", "log")


def measure(lan: Lan, length: float) -> None:
    here, there = lan.hosts
    crowd = Crowd(there)
    crowd.start()
    try:
        first, told = _measured(here, length)
    finally:
        crowd.end()
    print(f"{RATE} packets a second, {SERVICES} services; first screen after {first:.2f} s\n")
    print("| what | share of a core | memory |\n| --- | ---: | ---: |")
    print("\n".join(told))


def _measured(here: Host, length: float) -> tuple[float, list[str]]:
    """Return when the first screen was there, and the rows of the table."""
    with Progress("measuring", (len(VIEWS) + 1) * (length + WARM_UP / 2), sys.stderr) as progress:
        began = time.monotonic()
        with Program(here.command(sys.executable, "-m", "benchmarks.live", "--browse")) as node:
            time.sleep(WARM_UP)
            base = share(node.pid, length)
            told = [f"| a node that browses all types | {base:.1f} % | {memory_of(node.pid):.0f} MB |"]
        command = here.command(sys.executable, "-m", "mcast.cli", "top")
        with PseudoTerminal(command, COLUMNS, LINES) as terminal:
            first = terminal.shows("mcast top")
            terminal.shows(f"1 Services {SERVICES / 1000:.1f}k")
            for number, view in enumerate(VIEWS, 1):
                progress.at(time.monotonic() - began, view)
                terminal.press(str(number))
                terminal.watch(WARM_UP / 2)
                took = _share(terminal, length)
                told.append(
                    f"| `mcast top`, {view} | {took:.1f} % ({took - base:+.1f}) | "
                    f"{memory_of(terminal.job):.0f} MB |"
                )
            terminal.press("q")
            terminal.ended()
    return first, told


def _share(terminal: PseudoTerminal, length: float) -> float:
    pid = terminal.job
    before, began = seconds_of(pid), time.monotonic()
    terminal.watch(length)
    return 100 * (seconds_of(pid) - before) / (time.monotonic() - began)


def first_screen(here: Host, times: int) -> None:
    """Print after how long the first screen is there, on a machine that does nothing else."""
    took = []
    for _ in range(times):
        with PseudoTerminal(here.command(sys.executable, "-m", "mcast.cli", "top"), 80, 24) as terminal:
            took.append(terminal.shows("mcast top"))
            terminal.press("q")
            terminal.ended()
    print(f"first screen on a quiet link: {min(took):.2f} to {max(took):.2f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement (default: 10)")
    arguments = parser.parse_args()
    lan = Lan(2, 1)
    try:
        first_screen(lan.hosts[0], 3)
        measure(lan, arguments.seconds)
    finally:
        lan.close()


if __name__ == "__main__":
    main()
