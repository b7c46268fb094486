"""Compare echo servers between two network namespaces, and print a Markdown table.

    python benchmarks/echo.py [--quick] [--rounds N] [--seconds S] [--json FILE]

Linux, root, gcc and two cores: the load generator (load.c) has one for itself, the server the other.
All servers run all the time, each on a port of its own, and take turns for each figure, so that a
machine that changes its speed changes it for all; a ratio is the median over the rounds of the ratio
of two measurements that were made one after the other.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
BUILD = HERE / "build"
GROUP, FIRST_PORT, INTERFACE = "224.0.0.123", 7645, "eth0"
C, BASE, ASYNCIO, STOCK, MCAST = "C loop", "Python loop", "asyncio", "Twisted listenMulticast", "twist mcast"
SERVERS = (C, BASE, ASYNCIO, STOCK, MCAST)


def command(name: str, port: str) -> tuple[str, ...]:
    """Return the command line of a server."""
    target = (GROUP, port, INTERFACE)
    if name == C:
        return str(BUILD / "echo_loop"), *target
    if name == MCAST:
        # The load is one source: with the default limit of 10,000 replies a second it would not be
        # answered. The limit is counted all the same; 0 only makes it high.
        limit = ("--max-rate", "0")
        where = ("--group", GROUP, "--port", port, "--interface", INTERFACE)
        return sys.executable, "-m", "twisted", "mcast", *limit, *where
    kind = {BASE: "bare", ASYNCIO: "asyncio", STOCK: "twisted"}[name]
    return sys.executable, str(HERE / "echo_servers.py"), kind, *target


OUTSTANDING = (8, 128)
LOSS_RATES = (50_000, 100_000)
RTT_RATE = 1_000
CPU_RATE = 20_000

GOALS = (
    ("of the Python loop, 8 outstanding", BASE, "window 8", 0.9),
    ("of the Python loop, 128 outstanding", BASE, "window 128", 0.9),
    ("of stock Twisted, 8 outstanding", STOCK, "window 8", 1.2),
    ("of stock Twisted, 128 outstanding", STOCK, "window 128", 1.2),
    ("of asyncio, 8 outstanding", ASYNCIO, "window 8", 4.5),
    ("of asyncio, 128 outstanding", ASYNCIO, "window 128", 4.5),
)
"""What `twist mcast` is to reach: a share of another server's rate."""


@dataclass(frozen=True)
class Link:
    """Two hosts as network namespaces, joined by one link."""

    client: str
    server: str

    def on(self, host: str, core: int, *words: str) -> list[str]:
        """Return the command line that runs a program on a host and a core."""
        return ["ip", "netns", "exec", host, "taskset", "-c", str(core), *words]


def run(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


@contextlib.contextmanager
def link() -> Iterator[Link]:
    client, server = (f"mcast-bench-{os.getpid()}-{side}" for side in "cs")
    try:
        run("ip", "netns", "add", client)
        run("ip", "netns", "add", server)
        run(
            *("ip", "-n", client, "link", "add", INTERFACE, "type", "veth"),
            *("peer", "name", INTERFACE, "netns", server),
        )
        for number, host in enumerate((client, server), 1):
            run("ip", "-n", host, "addr", "add", f"10.76.0.{number}/24", "dev", INTERFACE)
            run("ip", "-n", host, "link", "set", "lo", "up")
            run("ip", "-n", host, "link", "set", INTERFACE, "up")
        yield Link(client, server)
    finally:
        for host in (client, server):
            subprocess.run(["ip", "netns", "del", host], check=False, capture_output=True)


def compile_programs() -> None:
    BUILD.mkdir(exist_ok=True)
    for name in ("load", "echo_loop"):
        run("gcc", "-O2", "-Wall", "-o", str(BUILD / name), str(HERE / f"{name}.c"))


class Server:
    """One server, and the load on it."""

    def __init__(self, where: Link, cores: Sequence[int], name: str, port: int) -> None:
        self._where = where
        self._load_core = cores[0]
        self._target = (GROUP, str(port), INTERFACE)
        # Output is thrown away: a log line is part of no figure.
        self._process = subprocess.Popen(
            where.on(where.server, cores[1], *command(name, str(port))),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=HERE.parent,
        )
        for _ in range(100):
            time.sleep(0.1)
            if self.load("rate", 64, 0.02, 100)["answered"]:
                return
        self.close()
        raise RuntimeError(f"{name} does not answer")

    def load(self, mode: str, size: int, seconds: float, number: int) -> dict[str, Any]:
        """Run the load generator once, and return what it found."""
        words = (str(BUILD / "load"), mode, *self._target, str(size), str(seconds), str(number))
        done: dict[str, Any] = json.loads(run(*self._where.on(self._where.client, self._load_core, *words)))
        return done

    def cpu_ns(self) -> int:
        """Return the nanoseconds that the server has been on a processor, as the scheduler counts them."""
        return int(Path(f"/proc/{self._process.pid}/schedstat").read_text().split()[0])

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(5)


def measure_window(server: Server, size: int, seconds: float, outstanding: int) -> dict[str, float]:
    return {f"window {outstanding}": server.load("window", size, seconds, outstanding)["rate"]}


def measure_loss(server: Server, size: int, seconds: float, rate: int) -> dict[str, float]:
    done = server.load("rate", size, seconds, rate)
    return {f"loss {rate}": 100 * done["lost"] / done["sent"]}


def measure_rtt(server: Server, size: int, seconds: float, rate: int) -> dict[str, float]:
    done = server.load("rate", size, seconds, rate)
    return {"p50": done["p50_us"], "p99": done["p99_us"]}


def measure_cpu(server: Server, size: int, seconds: float, rate: int) -> dict[str, float]:
    before = server.cpu_ns()
    answered = server.load("rate", size, seconds, rate)["answered"]
    return {"cpu": (server.cpu_ns() - before) / 1000 / max(answered, 1)}


MEASUREMENTS = (
    *((measure_window, each) for each in OUTSTANDING),
    *((measure_loss, each) for each in LOSS_RATES),
    (measure_rtt, RTT_RATE),
    (measure_cpu, CPU_RATE),
)

Results = dict[tuple[str, int], list[dict[str, float]]]


def measure_all(
    where: Link, cores: Sequence[int], sizes: Sequence[int], rounds: int, seconds: float
) -> Results:
    results: Results = {(name, size): [{} for _ in range(rounds)] for name in SERVERS for size in sizes}
    with contextlib.ExitStack() as stack:
        servers: dict[str, Server] = {}
        for port, name in enumerate(SERVERS, FIRST_PORT):
            servers[name] = Server(where, cores, name, port)
            stack.callback(servers[name].close)
        for turn, size, (measure, number) in itertools.product(range(rounds), sizes, MEASUREMENTS):
            # In another order each time: no server always comes after the same one.
            order = SERVERS if turn % 2 else SERVERS[::-1]
            for name in order:
                found = measure(servers[name], size, seconds, number)
                results[name, size][turn].update(found)
            print(f"round {turn + 1} of {rounds}: {size} octets, {number}", file=sys.stderr)
    return results


def median(rows: Sequence[dict[str, float]], figure: str) -> float:
    return statistics.median(row[figure] for row in rows)


def ratio(results: Results, name: str, base: str, size: int, figure: str) -> float:
    pairs = zip(results[name, size], results[base, size], strict=True)
    return statistics.median(one[figure] / other[figure] for one, other in pairs)


def tables(results: Results, sizes: Sequence[int]) -> Iterator[str]:
    """Yield the lines of the report."""
    for size in sizes:
        yield f"### {size} octets"
        yield ""
        headings = [
            "server",
            *(f"echoes/s, {each} outstanding | of {BASE}" for each in OUTSTANDING),
            *(f"loss at {each:,}/s" for each in LOSS_RATES),
            f"RTT p50 / p99 at {RTT_RATE:,}/s",
            f"CPU per datagram at {CPU_RATE:,}/s",
        ]
        yield f"| {' | '.join(headings)} |"
        columns = sum(heading.count("|") + 1 for heading in headings)
        yield "|" + " --- |" + " ---: |" * (columns - 1)
        for name in SERVERS:
            rows = results[name, size]
            cells = [name]
            for each in OUTSTANDING:
                figure = f"window {each}"
                cells.append(f"{median(rows, figure):,.0f}")
                cells.append(f"{ratio(results, name, BASE, size, figure):.2f}")
            cells += [f"{median(rows, f'loss {each}'):.2f} %" for each in LOSS_RATES]
            cells.append(f"{median(rows, 'p50'):.1f} / {median(rows, 'p99'):.1f} µs")
            cells.append(f"{median(rows, 'cpu'):.2f} µs")
            yield f"| {' | '.join(cells)} |"
        yield ""
    yield f"| {MCAST} is to reach | {' | '.join(f'{size} octets' for size in sizes)} |"
    yield "| --- |" + " ---: |" * len(sizes)
    for text, base, figure, goal in GOALS:
        reached = [ratio(results, MCAST, base, size, figure) for size in sizes]
        yield f"| {goal} {text} | {' | '.join(f'{each:.2f}' for each in reached)} |"
    losses = [f"{median(results[MCAST, size], f'loss {LOSS_RATES[-1]}'):.2f} %" for size in sizes]
    yield f"| no loss at {LOSS_RATES[-1]:,}/s | {' | '.join(losses)} |"


def description(rounds: int, seconds: float) -> str:
    from twisted.copyright import version

    return (
        f"{platform.system()} {platform.release()}, {platform.machine()}, "
        f"CPython {platform.python_version()}, Twisted {version}; "
        f"{rounds} rounds of {seconds} s for each figure."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="two short rounds of 64 octets")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--json", type=Path, help="write every figure of every round to this file")
    arguments = parser.parse_args()
    sizes: tuple[int, ...] = (64, 1400)
    rounds, seconds = arguments.rounds, arguments.seconds
    if arguments.quick:
        sizes, rounds, seconds = (64,), 2, 0.5
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        sys.exit("echo.py: needs two cores, one for the load and one for the server")
    compile_programs()
    with link() as where:
        results = measure_all(where, cores, sizes, rounds, seconds)
    print(description(rounds, seconds))
    print()
    print("\n".join(tables(results, sizes)))
    if arguments.json:
        rows = {f"{name}, {size}": found for (name, size), found in results.items()}
        arguments.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
