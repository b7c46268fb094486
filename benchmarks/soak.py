"""Let a responder and a browser live through everything, and see whether anything grows.

``python -m benchmarks.soak`` takes ten minutes; ``--minutes 480`` a night. Root on Linux, gcc, two cores.

On one host of a test network run ``twist mcast mdns`` with services and ``mcast browse --follow``. Around
them services come and go, floods of questions come from one source and from many, instances are invented,
packets are mutated (`fuzz.mutator`), interfaces go and come back, sending fails, the services file changes,
and a person asks all the while. In the first minute each of it happens at its worst, so that all tables are
as full as they ever get; what grows after that has no limit. Each second memory, descriptors, log lines and
processor time are written down. In the end it must hold what `Bounds` says; exit status 1 when it does not.
``--svg FILE`` draws the memory.
"""

from __future__ import annotations

import argparse
import errno
import json
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from random import Random

from fuzz.mutator import packet
from fuzz.targets import TARGETS
from tests.hostile.lab import Attacker, Person, frame
from tests.hostile.machine import Refusals, descriptors, processor_time, resident
from tests.hostile.test_floods import announcement, questions
from tests.interop.programs import Program
from tests.interop.wire import labels, pointer_record, response
from tests.network.lan import Lan

HOST = "larder"
"""A name that no packet of the corpus contests."""

WARM_UP = 60.0
"""Seconds whose growth does not count, at least: tables fill up to their limits (see `Life.fill`)."""

FILLING = 6
"""Times two thousand instances that are invented one after the other at the start.

Our choice: more than a browser follows (`mcast.dnssd.browsing.MAX_INSTANCES`). Left to chance, this happens
once in five minutes or so, and the allocators keep most of the memory of the greatest peak.
"""

DAMAGED = 20
"""Times five hundred damaged packets that are sent one after the other at the start.

Our choice: about as many as come between two cuts of the cable in an hour. Their names and records are kept
for up to 75 minutes, or until the cable is cut; they fill the table of names in use, and with the inventions
in the cache make the greatest peak. Once, as before, left that peak to chance.
"""

FILLING_TTL = 20
"""Seconds for which these live. Our choice: all that they leave behind is gone within the first minute."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What must hold in the end."""

    slope: float = 50.0
    """KiB a minute that the memory of a program grows after the warm-up, at most."""
    lines: float = 40.0
    """Lines of log a minute of the responder, at most: what happens to it once a minute and cause."""
    answered: float = 0.95
    """Part of the person's questions that are answered within two seconds, at least."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One program at one moment."""

    at: float
    resident: int
    descriptors: int
    lines: int
    processor: float
    packets: int
    """Sent to it so far."""


class Watched:
    """A program and its samples."""

    def __init__(self, name: str, program: Program) -> None:
        self.name = name
        self.program = program
        self.samples: list[Sample] = []
        self.warm_up = WARM_UP
        """Seconds that do not count."""

    def sample(self, at: float, packets: int) -> None:
        """Look at it once."""
        pid = self.program.pid
        self.samples.append(
            Sample(
                at,
                resident(pid),
                sum(descriptors(pid).values()),
                len(self.program.lines),
                processor_time(pid),
                packets,
            )
        )

    @property
    def later(self) -> list[Sample]:
        """The samples after the warm-up, or the second half of a run that is too short for one."""
        samples = [sample for sample in self.samples if sample.at >= self.warm_up]
        return samples if len(samples) > 10 else self.samples[len(self.samples) // 2 :]

    def slope(self) -> float:
        """Return by how many KiB a minute the memory grows: the straight line of least squares."""
        samples = self.later
        mean_at = sum(sample.at for sample in samples) / len(samples)
        mean = sum(sample.resident for sample in samples) / len(samples)
        above = sum((sample.at - mean_at) * (sample.resident - mean) for sample in samples)
        below = sum((sample.at - mean_at) ** 2 for sample in samples)
        return 60.0 * above / below if below else 0.0

    def row(self) -> str:
        """Return a row of the table of results."""
        first, last = self.later[0], self.later[-1]
        minutes = max(1e-9, (last.at - first.at) / 60)
        packets = max(1, last.packets - first.packets)
        used = (last.processor - first.processor) / packets * 1e6
        lines = (last.lines - first.lines) / minutes
        held = f"{last.descriptors} ({last.descriptors - first.descriptors:+d})"
        memory = f"{last.resident / 1024:.1f} | {self.slope():+.0f}"
        return f"| {self.name} | {memory} | {held} | {lines:.1f} | {used:.0f} |"


Happening = Callable[[], None]


class Course:
    """What happens in each round, in an order of chance that is the same in all rounds where it matters.

    A program whose tables are filled and emptied at times of chance does not grow, and yet the straight line
    through ten minutes of its memory has a slope: of 44 KiB/min (standard deviation), by how full the tables
    were at the beginning and at the end. Where they take the same course in each round, the slope is growth.

    :param kept: what fills tables or empties them, and keeps its places.
    :param others: what gets other places in each round.
    """

    def __init__(self, kept: Sequence[Happening], others: Sequence[Happening], rng: Random) -> None:
        self._others = list(others)
        self._rng = rng
        self._places: list[Happening | None] = [*kept, *[None] * len(others)]
        rng.shuffle(self._places)

    def next_round(self) -> list[Happening]:
        """Return what happens next."""
        self._rng.shuffle(self._others)
        others = iter(self._others)
        return [place or next(others) for place in self._places]


class Life:
    """What happens to our host."""

    def __init__(self, lan: Lan, folder: Path, rng: Random) -> None:
        self.ours, there, evil = lan.hosts
        self._lan = lan
        self._rng = rng
        self._attacker = Attacker(evil)
        self._refusals = Refusals(folder)
        self._file = folder / "services.toml"
        self._serial = count(1)
        self._seeds = [path.read_bytes() for path in TARGETS["decoder"].seeds()]
        self._services(3)
        self.person = Person(there)
        self.asked = self.answered = 0
        words = ("--hostname", HOST, "--services", str(self._file), "--state", str(folder / "state"))
        self.watched = [
            self._start("responder", "-m", "twisted", "--log-format=text", "mcast", "mdns", *words),
            self._start("browser", "-m", "mcast.cli", "browse", "--follow", "_http._tcp"),
        ]

    def _start(self, name: str, *words: str) -> Watched:
        command = ("env", *self._refusals.environment, sys.executable, *words)
        return Watched(name, Program(self.ours.command(*command)))

    @property
    def packets(self) -> int:
        """How many packets were sent to our host."""
        return self._attacker.sent

    def _services(self, number: int) -> None:
        services = [f'[[service]]\nname = "Web {n}"\ntype = "_http._tcp"\nport = 80\n' for n in range(number)]
        self._file.write_text("\n".join(services))

    # What may happen, each for about a second

    def calm(self) -> None:
        """Nothing."""
        time.sleep(1.0)

    def flood(self) -> None:
        """5,000 questions."""
        self._pour(questions(self._rng.choice([1, 200])), 5000)

    def come_and_go(self) -> None:
        """Two hundred services that live for ten seconds."""
        start = next(self._serial) % 10 * 200
        self._pour((self._frame(announcement("_http._tcp", f"s{start + n}", 10)) for n in range(200)), 200)

    def invent(self) -> None:
        """Two thousand instances that nobody has."""
        self._pour(self._inventions(60), 100)

    def invent_all(self) -> None:
        """As many of them, however long it takes."""
        self._attacker.pour(self._inventions(FILLING_TTL), 100)

    def _inventions(self, ttl: int) -> Iterator[bytes]:
        name, start = labels("_http._tcp.local"), next(self._serial) * 2000
        for first in range(start, start + 2000, 20):
            records = [
                pointer_record(name, labels(f"f{n}", "_http._tcp.local"), ttl)
                for n in range(first, first + 20)
            ]
            yield self._frame(response(*records).encode())

    def mutate(self) -> None:
        """Five hundred packets that were damaged."""
        self._pour(self._damaged(500), 500)

    def mutate_all(self) -> None:
        """As many of them as come between two cuts, however long it takes."""
        self._attacker.pour(self._damaged(500 * DAMAGED), 2000)

    def _damaged(self, number: int) -> Iterator[bytes]:
        for _ in range(number):
            yield self._frame(packet(self._rng.choice(self._seeds), self._rng, 1400))

    def change_file(self) -> None:
        """Other services are published."""
        self._services(self._rng.randrange(1, 8))
        time.sleep(1.0)

    def cut(self) -> None:
        """The cable is out for half a second."""
        self.ours.ip("link", "set", "eth0", "down")
        time.sleep(0.5)
        self._lan.restore(self.ours, 0)
        time.sleep(2.0)  # names are probed for anew

    def refuse(self) -> None:
        """Half a second in which nothing can be sent."""
        error = self._rng.choice([errno.EAGAIN, errno.ENOBUFS, errno.EPERM, errno.ENETUNREACH])
        self._refusals.refuse(error, "sendto", "sendmsg")
        time.sleep(0.5)
        self._refusals.allow()
        time.sleep(1.0)

    def _frame(self, payload: bytes) -> bytes:
        return frame(payload, "10.77.0.3", serial=next(self._serial) & 0xFFFFFF)

    def _pour(self, frames: Iterator[bytes], rate: int) -> None:
        until = time.monotonic() + 1.0

        def some() -> Iterator[bytes]:
            for each in frames:
                if time.monotonic() > until:
                    return
                yield each

        self._attacker.pour(some(), rate)

    def ask(self) -> None:
        """A person wants to know an address."""
        self.asked += 1
        self.answered += bool(self.person.ask(f"{HOST}.local", within=2.0))

    def course(self) -> Course:
        """Return what happens after `fill`: each round takes half a minute, and has frequent things often."""
        kept = [*[self.come_and_go, self.invent, self.mutate] * 4, self.cut]
        return Course(kept, [*[self.calm, self.flood] * 4, self.change_file, self.refuse], self._rng)

    def fill(self) -> Sequence[Happening]:
        """Return what fills every table to its limit: the worst of each, one after the other.

        The cable goes when the tables are full, and they fill up once more.
        """
        inventions = [self.invent_all] * FILLING
        services = [self.come_and_go] * 10
        others = [self.mutate_all, *[self.flood] * 4, self.refuse, self.change_file]
        return [*services, *inventions, *others, self.cut, *inventions, self.mutate_all, self.flood]

    def run(self, seconds: float) -> None:
        """Let time pass."""
        began = time.monotonic()
        self.watched[0].program.wait_for("published", 30.0)
        course = self.course()
        coming = deque(self.fill())
        while (at := time.monotonic() - began) < seconds:
            if not coming:
                coming.extend(course.next_round())
            happen = coming.popleft()
            happen()
            if happen in (self.invent_all, self.mutate_all):
                for watched in self.watched:
                    watched.warm_up = max(WARM_UP, at + 2 * FILLING_TTL)
            self.ask()
            for watched in self.watched:
                watched.sample(at, self.packets)

    def close(self) -> None:
        """End the programs."""
        for watched in self.watched:
            watched.program.end()
        self._attacker.close()


def faults(life: Life, bounds: Bounds) -> Iterator[str]:
    """Yield what does not hold."""
    for watched in life.watched:
        first, last = watched.later[0], watched.later[-1]
        if not watched.program.is_running or "Traceback" in watched.program.output:
            yield f"{watched.name} failed:\n{watched.program.output[-3000:]}"
        if watched.slope() > bounds.slope:
            yield f"{watched.name} grows by {watched.slope():.0f} KiB/min, more than {bounds.slope:.0f}"
        if last.descriptors > first.descriptors + 2:
            yield f"{watched.name} holds {last.descriptors} descriptors, first {first.descriptors}"
    responder = life.watched[0].later
    lines = (responder[-1].lines - responder[0].lines) / ((responder[-1].at - responder[0].at) / 60 or 1)
    if lines > bounds.lines:
        yield f"{lines:.0f} lines of log a minute, more than {bounds.lines:.0f}"
    if life.answered < bounds.answered * life.asked:
        yield f"{life.answered} of {life.asked} questions answered"


def drawing(watched: Sequence[Watched]) -> str:
    """Return the memory over time as SVG."""
    width, height, left, top = 720, 300, 60, 20
    end = max(each.samples[-1].at for each in watched)
    most = max(sample.resident for each in watched for sample in each.samples) / 1024 * 1.1
    colours = ("#2563a8", "#b5542b")
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]

    def x(at: float) -> float:
        return left + (width - left - 20) * at / end

    def y(mebibytes: float) -> float:
        return height - 40 - (height - 40 - top) * mebibytes / most

    for step in range(5):
        level = most * step / 4
        parts.append(
            f'<path d="M{left} {y(level):.1f}H{width - 20}" stroke="#ddd"/>'
            f'<text x="{left - 6}" y="{y(level) + 4:.1f}" text-anchor="end">{level:.0f}</text>'
        )
        at = end * step / 4
        parts.append(f'<text x="{x(at):.1f}" y="{height - 22}" text-anchor="middle">{at / 60:.1f}</text>')
    for colour, each, row in zip(colours, watched, count(), strict=False):
        points = " ".join(f"{x(sample.at):.1f},{y(sample.resident / 1024):.1f}" for sample in each.samples)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        parts.append(f'<text x="{left + 10 + 110 * row}" y="{top}" fill="{colour}">{each.name}</text>')
    parts.append(f'<text x="{width // 2}" y="{height - 6}" text-anchor="middle">minutes</text>')
    parts.append(f'<text x="10" y="{top}">MiB</text></svg>')
    return "\n".join(parts) + "\n"


def main() -> None:
    """Run, tell, and judge."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=6762)
    parser.add_argument("--svg", type=Path, help="draw the memory over time")
    parser.add_argument("--json", type=Path, help="write all samples")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mcast-soak-") as folder:
        lan = Lan(hosts=3)
        life = Life(lan, Path(folder), Random(options.seed))
        try:
            life.run(options.minutes * 60)
            found = list(faults(life, Bounds()))
        finally:
            life.close()
            lan.close()
    questions_answered = f"{life.answered} of {life.asked} questions answered"
    print(f"{options.minutes:g} minutes, {life.packets:,} packets, {questions_answered}\n")
    print("| program | MiB | KiB/min | descriptors | log lines/min | µs/packet |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for watched in life.watched:
        print(watched.row())
    if options.svg is not None:
        options.svg.write_text(drawing(life.watched))
    if options.json is not None:
        samples = {each.name: [asdict(sample) for sample in each.samples] for each in life.watched}
        options.json.write_text(json.dumps(samples))
    for fault in found:
        print(f"FAILED: {fault}")
    raise SystemExit(1 if found else 0)


if __name__ == "__main__":
    main()
