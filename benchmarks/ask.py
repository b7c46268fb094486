"""Ask 1,000 hosts one question, gather all answers, and print a Markdown table.

    python benchmarks/ask.py [--quick] [--hosts N] [--jitter MS] [--rounds N]

Linux, root, gcc and two cores. The hosts are one C program (ask_hosts.c) in a network namespace with an
address for each. Who asks is started anew for each question, and they take turns.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
BUILD = HERE / "build"
GROUP, PORT, INTERFACE = "239.1.2.3", "7645", "eth0"
PREFIX = "10.88.1.0"
CLIENTS = {"Python loop": "bare", "asyncio": "asyncio", "mcast.ask": "mcast"}
MARGIN = 0.4
"""Seconds to wait after the last host may have answered."""


def run(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


@contextlib.contextmanager
def link() -> Iterator[tuple[str, str]]:
    """Make two namespaces; in the second every address of 10.88.0.0/16 is local."""
    asker, hosts = names = (f"mcast-ask-{os.getpid()}-a", f"mcast-ask-{os.getpid()}-h")
    try:
        for name in names:
            run("ip", "netns", "add", name)
        ends = (*("link", "add", INTERFACE, "type", "veth"), *("peer", "name", INTERFACE, "netns", hosts))
        run("ip", "-n", asker, *ends)
        run("ip", "-n", asker, "addr", "add", "10.88.0.1/16", "dev", INTERFACE)
        run("ip", "-n", hosts, "addr", "add", "10.88.0.2/16", "dev", INTERFACE)
        for name in names:
            run("ip", "-n", name, "link", "set", "lo", "up")
            run("ip", "-n", name, "link", "set", INTERFACE, "up")
        run("ip", "-n", hosts, "route", "add", "local", "10.88.1.0/24", "dev", "lo")
        run("ip", "-n", hosts, "route", "add", "local", "10.88.2.0/23", "dev", "lo")
        run("ip", "-n", hosts, "route", "add", "local", "10.88.4.0/22", "dev", "lo")
        yield asker, hosts
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


def measure(asker: str, kind: str, wait: float) -> dict[str, float]:
    """Ask once, by a program of its own."""
    command = (sys.executable, str(HERE / "ask_clients.py"), kind, GROUP, PORT, INTERFACE, str(wait))
    found: dict[str, float] = json.loads(run("ip", "netns", "exec", asker, "taskset", "-c", "0", *command))
    return found


def table(results: dict[str, list[dict[str, float]]], hosts: int) -> list[str]:
    """Return the lines of the table."""
    base = statistics.median(each["cpu"] for each in results["Python loop"])
    lines = [
        f"| asks {hosts:,} hosts | fewest gathered | CPU | of the Python loop | last answer |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for name, rounds in results.items():
        cpu = statistics.median(each["cpu"] for each in rounds)
        fewest = min(int(each["gathered"]) for each in rounds)
        last = statistics.median(each["last"] for each in rounds)
        lines.append(
            f"| {name} | {fewest:,} | {cpu * 1000:.1f} ms | {cpu / base:.2f} | {last * 1000:.0f} ms |"
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one round")
    parser.add_argument("--hosts", type=int, default=1000, help="at most 1,791")
    parser.add_argument("--jitter", type=float, default=100.0, help="milliseconds within which they answer")
    parser.add_argument("--size", type=int, default=200, help="octets of an answer")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    BUILD.mkdir(exist_ok=True)
    run("gcc", "-O2", "-Wall", "-o", str(BUILD / "ask_hosts"), str(HERE / "ask_hosts.c"))
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in CLIENTS}
    with link() as (asker, hosts):
        words = (GROUP, PORT, INTERFACE, PREFIX, str(options.hosts), str(options.jitter), str(options.size))
        command = ("ip", "netns", "exec", hosts, "taskset", "-c", "1", str(BUILD / "ask_hosts"), *words)
        playing = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert playing.stdout is not None
            playing.stdout.readline()
            for _ in range(1 if options.quick else options.rounds):
                for name, kind in CLIENTS.items():
                    results[name].append(measure(asker, kind, options.jitter / 1000 + MARGIN))
        finally:
            playing.terminate()
            playing.wait()
    print("\n".join(table(results, options.hosts)))
    if any(each["gathered"] < options.hosts for each in results["mcast.ask"]):
        sys.exit("mcast.ask has not gathered all hosts")


if __name__ == "__main__":
    main()
