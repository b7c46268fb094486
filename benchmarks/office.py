"""Processor time on a link with ordinary office traffic: ``python -m benchmarks.office``.

Two hundred hosts announce services of ten types now and then, and ask for them. An hour of it is 18,000
packets, five a second, played here as fast as ``--rate`` says, to python-zeroconf and to us alike (root,
Linux, two cores, gcc). Each publishes one service and browses one type. Before that nothing is sent:
how often does each wake up?
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.browse import OURS, SOURCE, ZEROCONF, compile_source, pinned, table
from benchmarks.cache_memory import announcement
from mcast.dns.codes import RESPONSE_FLAGS, RecordType
from mcast.dns.messages import Message, Question, encode
from mcast.dns.names import Name
from mcast.dns.records import Record
from tests.interop.programs import Program
from tests.network.lan import Host, Lan

KINDS = (OURS, ZEROCONF)
SUBJECTS = Path(__file__).resolve().parent / "office_subjects.py"
HOSTS = 200
PACKETS = 18_000
"""An hour of five a second."""

TYPES = tuple(
    Name.parse(f"_{one}._tcp.local.")
    for one in (
        "bench",
        "ipp",
        "http",
        "ssh",
        "smb",
        "airplay",
        "raop",
        "googlecast",
        "companion-link",
        "spotify",
    )
)
"""What an office has; the first is browsed for."""

QUIET = 60.0
"""Seconds without a packet in which wake-ups are counted. Our choice: longer than any interval of rest."""


def traffic() -> list[bytes]:
    """Return the packets of an hour, in a fixed order.

    Of ten: four queries with known answers as by a device that looks for something, and one without; four
    announcements of a whole service, and one of a host alone.
    """
    packets = []
    for number in range(2000):
        host, part = number % HOSTS, number % 10
        service_type = TYPES[(number // 10) % len(TYPES)]
        answers: list[Record] = []
        if part < 5:
            answers = [announcement(one, service_type)[0] for one in range(host % 8)] if part else []
            message = Message(questions=[Question(service_type, RecordType.PTR)], answers=answers)
        elif part < 9:
            message = Message(flags=RESPONSE_FLAGS, answers=announcement(host, service_type))
        else:
            message = Message(flags=RESPONSE_FLAGS, answers=announcement(host)[3:])
        packets.append(encode(message))
    return packets


def measure(lan: Lan, kind: str, rate: int, cores: tuple[int, int], quiet: float) -> tuple[float, float]:
    """Return the processor time of an hour in seconds, and the wake-ups of an hour without a packet."""
    near, far = lan.hosts
    with pinned(cores[0]):
        program = _subject(near, kind)
    try:
        program.wait_for("ready", 30)
        time.sleep(15.0)  # announced, asked, and asked again
        switches = _switches(program)
        time.sleep(quiet)
        wakeups = (_switches(program) - switches) * 3600 / quiet if quiet else float("nan")
        before = _processor_time(program)
        with tempfile.NamedTemporaryFile(suffix=".packets") as file:
            for one in traffic():
                file.write(len(one).to_bytes(2, "big") + one)
            file.flush()
            seconds = PACKETS / rate
            with pinned(cores[1]):
                words = ["play", far.ipv4(), file.name, str(rate), str(seconds)]
                far.run(str(SOURCE), *words, timeout=seconds + 60)
        time.sleep(2.0)
        return _processor_time(program) - before, wakeups
    finally:
        program.end()


def _subject(host: Host, kind: str) -> Program:
    name = "mcast" if kind == OURS else "zeroconf"
    return Program(host.command(sys.executable, str(SUBJECTS), name, host.ipv4()))


def _processor_time(program: Program) -> float:
    """Return the seconds of processor time of all threads, to the nanosecond."""
    tasks = Path(f"/proc/{program.pid}/task").glob("*/schedstat")
    return sum(int(one.read_text().split()[0]) for one in tasks) / 1e9


def _switches(program: Program) -> int:
    """Return how often any thread has waited for something, and so woke up."""
    tasks = Path(f"/proc/{program.pid}/task").glob("*/status")
    lines = [line for one in tasks for line in one.read_text().splitlines()]
    return sum(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt"))


def run(lan: Lan, rounds: int, rate: int, quiet: float) -> dict[str, tuple[float, float]]:
    """Measure both in turn, and return the medians for each."""
    found: dict[str, list[tuple[float, float]]] = {kind: [] for kind in KINDS}
    for turn in range(rounds):
        for kind in KINDS[:: -1 if turn % 2 else 1]:
            found[kind].append(measure(lan, kind, rate, (0, 1), quiet))
    return {
        kind: (_median([used for used, _ in told]), _median([wakeups for _, wakeups in told]))
        for kind, told in found.items()
    }


def _median(values: Sequence[float]) -> float:
    return statistics.median(values)


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rate", type=int, default=200, help="packets a second")
    parser.add_argument("--quiet", type=float, default=QUIET, help="seconds in which wake-ups are counted")
    options = parser.parse_args()
    compile_source()
    lan = Lan(2, 1)
    try:
        found = run(lan, options.rounds, options.rate, options.quiet)
    finally:
        lan.close()
    rows = [[kind, f"{used:.2f}", f"{wakeups:,.0f}"] for kind, (used, wakeups) in found.items()]
    rows.append(["ratio", f"{found[OURS][0] / found[ZEROCONF][0]:.2f}", ""])
    table(["", "CPU s in an hour of traffic", "wake-ups in an hour of silence"], rows)
    print(json.dumps({"rounds": options.rounds, "rate": options.rate}))


if __name__ == "__main__":
    main()
