"""Somebody sends as much as the link carries: the others are answered, and afterwards all is as before."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from itertools import count, islice

from tests.hostile.lab import LATEST, HostileTestCase, frame, promised
from tests.hostile.machine import resident
from tests.interop.probe import Sniffer
from tests.interop.programs import Program
from tests.interop.wire import (
    A,
    Question,
    address_record,
    labels,
    pointer_record,
    query,
    response,
    service_record,
    text_record,
)

GROWTH = 8 * 1024
"""KiB that a flood of questions may leave behind. Our choice: tables of sources, and spare memory."""

HOST = labels("kitchen.local")

META = "_services._dns-sd._udp.local"


def questions(sources: int) -> Iterator[bytes]:
    """Yield questions for our name and for a thousand others, in turn from some sources."""
    for number in count():
        name = HOST if number % 3 else labels(f"n{number % 1000}.local")
        payload = query(Question(name, A), id=number & 0xFFFF).encode()
        yield frame(payload, f"10.77.0.{20 + number % sources}", serial=number % sources + 1)


class QuestionFloodTests(HostileTestCase):
    """20,000 questions a second."""

    def flood(self, sources: int) -> None:
        program = self.kitchen()
        self.wait_for_answer()
        held, memory = self.holding(program), resident(program.pid)
        with self.attacker.flood(questions(sources), 20_000):
            # Of what a busy machine does not read in time most is lost, of whoever it is.
            answered = self.count_answers(8, within=promised(2.0), every=0.5)
        self.assertGreaterEqual(answered, 7, f"{self.attacker.sent} frames")
        self.wait_for_answer()
        self.eventually(lambda: self.holding(program) == held, "all is held as before")
        self.assertLess(resident(program.pid) - memory, GROWTH)
        self.assert_well(program)
        self.assert_ends(program)

    def test_from_one_source(self) -> None:
        self.flood(1)

    def test_from_two_hundred_sources(self) -> None:
        self.flood(200)


class ForgedNeighbourTests(HostileTestCase):
    """Questions that want a unicast answer, from hosts that are not there."""

    def flood(self, rate: int, sources: int) -> None:
        program = self.kitchen()
        self.wait_for_answer()

        def frames() -> Iterator[bytes]:
            for number in count():
                payload = query(Question(HOST, A), id=number & 0xFFFF).encode()
                yield frame(
                    payload, f"10.77.0.{100 + number % sources}", port=40000, serial=number % sources + 9
                )

        with self.attacker.flood(frames(), rate):
            answered = self.count_answers(10)
        self.assertGreaterEqual(answered, 9)
        self.wait_for_answer()
        self.assert_well(program)
        self.assert_ends(program)

    def test_one(self) -> None:
        self.flood(300, 1)

    def test_a_hundred(self) -> None:
        self.flood(1000, 100)


def announcement(kind: str, instance: str, ttl: int = 4500) -> bytes:
    """Return what a host with one service announces."""
    name = labels(instance, f"{kind}.local")
    target = labels(f"{instance}.local")
    return response(
        pointer_record(labels(f"{kind}.local"), name, ttl),
        service_record(name, 80, target, min(ttl, 120)),
        text_record(name, b"a=1", ttl=ttl),
        address_record(target, "10.77.0.3", min(ttl, 120)),
    ).encode()


class InventedTests(HostileTestCase):
    """Services that nobody has."""

    instances = 30_000
    types = 2_000

    def test_instances(self) -> None:
        """A real one is shown though thousands were invented before it came."""
        browser = self.browser("_http._tcp")

        def frames() -> Iterator[bytes]:
            for start in range(0, self.instances, 20):
                name = labels("_http._tcp.local")
                records = [
                    pointer_record(name, labels(f"fake {number}", "_http._tcp.local"))
                    for number in range(start, start + 20)
                ]
                yield frame(response(*records).encode(), "10.77.0.3", serial=start + 1)

        self.wait_until_joined()
        self.attacker.pour(frames(), 500)
        real = self.responder("--hostname", "study", "--service", "Real:_http._tcp:80", host=self.there)
        real.wait_for("published Real")
        browser.wait_for(lambda line: line.startswith("+") and "Real" in line, LATEST)
        self.assertTrue(browser.is_running)
        self.assertNotIn("Traceback", browser.output)

    def test_types(self) -> None:
        """The same of types, and of a list of all services."""
        browser = self.browser()
        meta = labels("_services._dns-sd._udp.local")

        def frames() -> Iterator[bytes]:
            for start in range(0, self.types, 20):
                records = [
                    pointer_record(meta, labels(f"_fake{number}._tcp.local"))
                    for number in range(start, start + 20)
                ]
                yield frame(response(*records).encode(), "10.77.0.3", serial=start + 1)

        self.wait_until_joined()
        self.attacker.pour(frames(), 25)
        real = self.responder("--hostname", "study", "--service", "Real:_http._tcp:80", host=self.there)
        real.wait_for("published Real")
        browser.wait_for(lambda line: line.startswith("+") and "Real" in line, LATEST)
        self.assertNotIn("Traceback", browser.output)


class RelentlessTests(HostileTestCase):
    """A flood of inventions goes on, and repeats itself, while a real service comes."""

    rate = 100
    """Packets a second, with twenty records each."""

    def inventions(self, kind: str, many: int, sources: int) -> Iterator[bytes]:
        """Yield pointers of one name to so many things, again and again, each time from another source."""
        name = labels(kind)
        for number in count():
            start = number * 20 % many
            records = [
                pointer_record(name, labels(f"_f{n}._tcp.local" if kind == META else f"f{n}", *rest))
                for n in range(start, start + 20)
                for rest in [() if kind == META else (kind,)]
            ]
            source = number % sources
            yield frame(
                response(*records).encode(), f"10.88.{source >> 8}.{source & 0xFF or 1}", serial=source + 1
            )

    def check(self, kind: str, many: int, sources: int, *types: str) -> None:
        """The real service is shown in time, and is shown still when the flood has gone on for a while."""
        browser = self.browser(*types)
        self.wait_until_joined()
        with self.attacker.flood(self.inventions(kind, many, sources), self.rate):
            self.eventually(lambda: self.attacker.sent > many // 10, "the list to be full twice")
            real = self.responder("--hostname", "study", "--service", "Real:_http._tcp:80", host=self.there)
            real.wait_for("published Real")
            browser.wait_for(lambda line: line.startswith("+") and "Real" in line, LATEST)
            time.sleep(5.0)
        self.assertFalse([line for line in browser.lines if line.startswith("-") and "Real" in line])
        self.assertNotIn("Traceback", browser.output)

    def test_types_of_one_source(self) -> None:
        self.check(META, 2_000, 1)

    def test_types_of_hundreds(self) -> None:
        self.check(META, 2_000, 400)

    def test_instances_of_one_source(self) -> None:
        self.check("_http._tcp.local", 10_000, 1, "_http._tcp")

    def test_instances_of_hundreds(self) -> None:
        self.check("_http._tcp.local", 10_000, 400, "_http._tcp")


class VanishingTests(HostileTestCase):
    """A power cut: a thousand services end without a goodbye."""

    services = 1_000
    ttls = (30, 150)
    """Seconds that the records live: more where it takes a busy machine long to take them all in."""

    def vanish(self, frames: Callable[[int], Iterable[bytes]], rate: int) -> int:
        """Let all be seen to come and go; return how many packets the browser has sent by IPv4 for it.

        Not counted is what a browser that has just begun asks until half of the records' lives have passed,
        nor that it repeats its question with all known answers (RFC 6762 §5.2): it does so whatever vanishes.

        :param frames: makes what is poured, of records that live so many seconds.
        """
        for ttl in self.ttls:
            browser = self.browser("--resolve", "_http._tcp")
            self.wait_until_joined()
            came = time.monotonic()
            if self.come(browser, frames(ttl), rate, came + ttl / 2):
                break
            browser.end()
        else:
            self.fail(f"after {ttl / 2} s {shown(browser.lines)} are shown")
        with_sniffer = Sniffer(self.there)
        self.addCleanup(with_sniffer.close)
        # What comes within a second is asked for together; a busy machine takes longer to take it in.
        rounds = max(1, int(time.monotonic() - came) // 2)
        time.sleep(ttl / 2)
        began = time.time()
        self.eventually(lambda: shown(browser.lines) == 0, "all are gone", ttl + LATEST)
        ours = [packet for packet in with_sniffer.poll() if packet.source == self.ours.ipv4()]
        self.assertNotIn("Traceback", browser.output)
        return sum(packet.at >= began and not packet.message.answers for packet in ours) // rounds

    def come(self, browser: Program, frames: Iterable[bytes], rate: int, until: float) -> bool:
        """Pour all; tell whether a browser has shown all of them in time."""
        told = 0
        # No more at a time than a busy machine takes in: what does not fit in a buffer is lost.
        for some in batched(frames, self.services // 10):
            self.attacker.pour(some, rate)
            told += len(some)
            while shown(browser.lines) < told:
                if time.monotonic() > until:
                    return False
                time.sleep(0.01)
            self.assertEqual(shown(browser.lines), told)
        return True

    def test_on_few_hosts(self) -> None:
        """As many questions as RFC 6762 §5.2 wants for their SRV records, once, and little more."""

        def frames(ttl: int) -> Iterator[bytes]:
            for number in range(self.services):
                instance = labels(f"s{number}", "_http._tcp.local")
                target = labels(f"host{number % 10}.local")
                yield frame(
                    response(
                        pointer_record(labels("_http._tcp.local"), instance),
                        service_record(instance, 80, target, ttl),
                        text_record(instance, b"a=1"),
                        address_record(target, "10.77.0.3", ttl),
                    ).encode(),
                    "10.77.0.3",
                    serial=number + 1,
                )

        asked = self.vanish(frames, 1000)
        self.assertLessEqual(asked, 20)

    def test_each_on_its_own_host(self) -> None:
        """No more for the addresses of a thousand hosts, and TXT records that run out with them."""

        def frames(ttl: int) -> Iterator[bytes]:
            for number in range(self.services):
                yield frame(announcement("_http._tcp", f"s{number}", ttl), "10.77.0.3", serial=number + 1)

        asked = self.vanish(frames, 1000)
        self.assertLessEqual(asked, 20)


def batched(frames: Iterable[bytes], size: int) -> Iterator[list[bytes]]:
    """Yield so many at a time."""
    rest = iter(frames)
    while some := list(islice(rest, size)):
        yield some


def shown(lines: list[str]) -> int:
    """Return how many services a list that follows shows in the end."""
    marks = [line[0] for line in lines if line]
    return marks.count("+") - marks.count("-")
