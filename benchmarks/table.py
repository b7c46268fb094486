"""The rows that performance is judged by, in one table: ``python -m benchmarks.table``.

Ratios of medians, ours to python-zeroconf's and avahi-daemon's, of few rounds, in at most ten minutes (root,
Linux, two cores, gcc, avahi-daemon). It measures the form that is installed and says which: pure, or compiled
(``TXMCAST_COMPILE=1 pip install -e .`` in a copy of the tree). ``--merge FILE`` puts what
``--save FILE`` kept of the other form into the other column.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import browse, codec, echo, memory, office, responder
from benchmarks.browse import OURS, ZEROCONF, Crowd, table
from benchmarks.responder import AVAHI
from mcast.dns.names import IS_COMPILED
from tests.network.lan import Lan

FORM, OTHER = ("compiled", "pure") if IS_COMPILED else ("pure", "compiled")

REACH = {
    "decode, part of python-zeroconf's time (worst)": "≤ 1.9; ≤ 0.9",
    "encode, part of python-zeroconf's time (worst)": "≤ 1.2; ≤ 0.6",
    "mixed traffic, CPU a packet": "≤ 1.0; ≤ 0.6",
    "1,000 complete services from 1,000 hosts, time": "≤ 1.0; ≤ 0.9",
    "1,000 complete services from 1,000 hosts, CPU": "≤ 1.3; ≤ 0.8",
    "5,000 hosts, all resolved, time": "≤ 0.2; ≤ 0.12",
    "announce, CPU a service": "≤ 1.0; ≤ 0.7",
    "memory, KiB a published service": "≤ 1.0; ≤ 0.7",
    "memory at rest, of python-zeroconf's and Twisted's own": "≤ 1.0",
    "an hour of office traffic, CPU": "≤ 0.6",
    "A, legacy, 1 service, avahi-daemon": "≥ 1.0; ≥ 1.1",
    "PTR, legacy, 1 service, avahi-daemon": "≥ 1.4; ≥ 1.6",
    "PTR, legacy, 1 service, python-zeroconf": "≥ 7; ≥ 8",
    "1,000 services as a part of the rate with one (worst)": "≥ 0.9",
    "echo of the bare Python loop, 8 outstanding": "≥ 0.95",
    "echo of the bare Python loop, 128 outstanding": "≥ 0.95",
}
"""What each row is to reach; pure, then compiled where that differs."""

ANSWER_ROUNDS = 3
"""Rounds of answers in each round of the rest. Our choice: a round of them takes 20 seconds."""

Ratios = dict[str, float]


def codecs() -> Ratios:
    """Return the worst ratios of decoding and encoding."""
    worst = {"decode": 0.0, "encode": 0.0}
    for octets in codec.messages().values():
        pairs = {"mcast": codec.ours(octets), "zeroconf": codec.zeroconf(octets)}
        for which, verb in enumerate(worst):
            times = codec.measure({name: pair[which] for name, pair in pairs.items()})
            worst[verb] = max(worst[verb], times["mcast"] / times["zeroconf"])
    return {f"{verb}, part of python-zeroconf's time (worst)": value for verb, value in worst.items()}


def browsing(lan: Lan, rounds: int, cores: tuple[int, int]) -> Ratios:
    """Return the ratios of browsing, and of a busy link."""
    kinds = (OURS, ZEROCONF)
    crowds = (Crowd(1000, 1000), Crowd(5000, 5000))
    found = {(kind, crowd): browse.Figures() for kind in kinds for crowd in crowds}
    loads: dict[str, list[float]] = {kind: [] for kind in kinds}
    for turn in range(rounds):
        for kind in kinds[:: -1 if turn % 2 else 1]:
            for crowd in crowds:
                browse.discover(lan, kind, crowd, cores, found[kind, crowd])
            loads[kind].append(browse.listen(lan, kind, 5.0, cores))
    few, many = crowds
    return {
        "mixed traffic, CPU a packet": _ratio(loads[OURS], loads[ZEROCONF]),
        "1,000 complete services from 1,000 hosts, time": _ratio(
            found[OURS, few].seconds, found[ZEROCONF, few].seconds
        ),
        "1,000 complete services from 1,000 hosts, CPU": _ratio(
            found[OURS, few].cpu, found[ZEROCONF, few].cpu
        ),
        "5,000 hosts, all resolved, time": _ratio(found[OURS, many].seconds, found[ZEROCONF, many].seconds),
    }


def services(lan: Lan, rounds: int) -> Ratios:
    """Return the ratios of publishing and of memory."""
    near = lan.hosts[0]
    told: dict[str, list[tuple[float, float]]] = {OURS: [], ZEROCONF: []}
    for _ in range(rounds):
        for kind, runs in told.items():
            runs.append(memory.published(near, kind, 1000))
    kib, cpu = (
        _ratio([run[which] for run in told[OURS]], [run[which] for run in told[ZEROCONF]]) for which in (0, 1)
    )
    twisted = memory.bare(near, memory.REACTOR) - memory.bare(near, memory.PYTHON)
    rest = memory.at_rest(near, OURS) / (memory.at_rest(near, ZEROCONF) + twisted)
    return {
        "announce, CPU a service": cpu,
        "memory, KiB a published service": kib,
        "memory at rest, of python-zeroconf's and Twisted's own": rest,
    }


def answering(rounds: int, cores: tuple[int, int]) -> Ratios:
    """Return the ratios of answers, by queries read in a second of processor time."""
    every = [load.title for load in responder.LOADS]
    loads: dict[tuple[str, int], Sequence[str]] = {
        (OURS, 1): every,
        (OURS, 1000): every,
        (AVAHI, 1): ["PTR, legacy", "A, legacy"],
        (ZEROCONF, 1): ["PTR, legacy"],
    }
    figures = responder.take_turns(loads, ANSWER_ROUNDS * rounds, 0.6, cores)
    read = {which: {title: _median(of) for title, of in one.items()} for which, one in figures.items()}
    ours, avahi, zeroconf = read[OURS, 1], read[AVAHI, 1], read[ZEROCONF, 1]
    return {
        "A, legacy, 1 service, avahi-daemon": ours["A, legacy"] / avahi["A, legacy"],
        "PTR, legacy, 1 service, avahi-daemon": ours["PTR, legacy"] / avahi["PTR, legacy"],
        "PTR, legacy, 1 service, python-zeroconf": ours["PTR, legacy"] / zeroconf["PTR, legacy"],
        "1,000 services as a part of the rate with one (worst)": min(
            many / ours[title] for title, many in read[OURS, 1000].items()
        ),
    }


def echoes(cores: Sequence[int], rounds: int) -> Ratios:
    """Return the ratios of the echo."""
    echo.compile_programs()
    with echo.link() as where:
        results = echo.measure_all(where, cores, (64,), rounds, 0.6)
    return {
        f"echo of the bare Python loop, {number} outstanding": echo.ratio(
            results, echo.MCAST, echo.BASE, 64, f"window {number}"
        )
        for number in (8, 128)
    }


def _median(values: Sequence[float]) -> float:
    return statistics.median(values)


def _ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    return _median(ours) / _median(theirs)


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--save", type=Path, help="keep the ratios in this file")
    parser.add_argument("--merge", type=Path, help="what --save kept of the other form")
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        sys.exit("two cores are needed: one for what is measured, one for the load")
    both = (cores[0], cores[1])
    browse.compile_source()
    responder.compile_generator()
    found = codecs()
    lan = Lan(2, 1)
    try:
        found |= browsing(lan, options.rounds, both)
        found |= services(lan, options.rounds)
        hour = office.run(lan, 1, 400, 0.0)
        found["an hour of office traffic, CPU"] = hour[OURS][0] / hour[ZEROCONF][0]
    finally:
        lan.close()
    found |= answering(options.rounds, both)
    found |= echoes(cores, options.rounds)
    if options.save:
        options.save.write_text(json.dumps(found, indent=1))
    others: Ratios = json.loads(options.merge.read_text()) if options.merge else {}
    print(f"{options.rounds} rounds; {FORM} measured now.\n")
    rows = []
    for title, reach in REACH.items():
        columns = {FORM: found.get(title), OTHER: others.get(title)}
        rows.append([title, reach, *(_shown(columns[form]) for form in ("pure", "compiled"))])
    table(["row", "to reach", "pure", "compiled"], rows)


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


if __name__ == "__main__":
    main()
