"""The clock of the machine is set, and programs are stopped for a while, as a laptop that sleeps is.

libfaketime sets the wall clock of one program; the clock that nobody can set is left as it is.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

from twisted.trial.unittest import SkipTest

from tests.interop.peers import Responder
from tests.interop.probe import Packet, Prober
from tests.interop.programs import Program
from tests.interop.wire import A, Question, labels, query
from tests.network.lan import LanTestCase, wait_until

HOST = labels("kitchen.local")


def library() -> str:
    """Return where libfaketime is.

    :raises SkipTest: it is not installed.
    """
    for path in Path("/usr/lib").glob("*/faketime/libfaketime.so.1"):
        return str(path)
    if os.environ.get("CI"):
        raise RuntimeError("CI must run the tests of time: libfaketime is not installed")
    raise SkipTest("libfaketime is not installed")


def is_answer(packet: Packet) -> bool:
    """Whether another host tells the address of ours."""
    return not packet.outgoing and bool(packet.message.answers_for(HOST, A))


class StepTestCase(LanTestCase):
    """Programs on the first host whose wall clock is set by `step`; the second host asks."""

    def setUp(self) -> None:
        super().setUp()
        self.here, self.there = self.lan.hosts
        self.file = Path(self.mktemp()).absolute()
        self.step(0)
        self.environment = {
            "LD_PRELOAD": library(),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        self.prober = Prober(self.there)
        self.addCleanup(self.prober.close)

    def step(self, seconds: int) -> None:
        """Set the wall clock of the programs so far from the true time."""
        self.file.write_text(f"{seconds:+}\n")

    def mcast(self, *words: str) -> Program:
        # The program that changes the namespace needs no other time.
        variables = [f"{name}={value}" for name, value in self.environment.items()]
        program = Program(self.here.command("env", *variables, sys.executable, "-m", *words))
        self.addCleanup(program.end)
        return program

    def answers(self) -> list[Packet]:
        """Ask for the address of the host; return the first response and those of the moment after it."""
        start = self.prober.sniffer.mark()
        self.prober.send(query(Question(HOST, A)))
        self.prober.sniffer.wait_for(is_answer, start=start)
        return [each for each in self.prober.sniffer.gather(0.5, start) if is_answer(each)]


class ResponderTests(StepTestCase):
    """What a responder says after the wall clock was set."""

    def setUp(self) -> None:
        super().setUp()
        self.responder = self.mcast("twisted", "--log-format=text", "mcast", "mdns", "--hostname", "kitchen")
        self.responder.wait_for("published kitchen")
        self.prober.sniffer.wait_until_calm(is_answer, 4)  # two by each family

    def assert_works(self) -> None:
        self.assertEqual(len(self.answers()), 1)
        self.prober.sniffer.wait_until_calm(is_answer)
        self.assertEqual(len(self.answers()), 1)
        start = self.prober.sniffer.mark()
        self.responder.end()
        self.prober.sniffer.wait_for(is_answer, start=start)
        packets = self.prober.sniffer.gather(0.2, start)
        gone = [one.ttl for each in packets for one in each.message.answers_for(HOST, A)]
        self.assertEqual(set(gone), {0})

    def test_set_back(self) -> None:
        self.step(-3600)
        self.assert_works()

    def test_set_forward(self) -> None:
        self.step(7200)
        self.assert_works()


class BrowserTests(StepTestCase):
    """What a browser reports after the wall clock was set."""

    def setUp(self) -> None:
        super().setUp()
        self.responder = Responder(self.there, "--hostname", "k", "--service", "Web:_http._tcp:80")
        self.addCleanup(self.responder.close)
        self.browser = self.mcast("mcast.cli", "browse", "_http._tcp", "--follow", "--json")
        self.browser.wait_for("Web")

    def assert_works(self) -> None:
        """Nothing was lost, and what comes is found."""
        another = Responder(self.there, "--hostname", "k", "--service", "Later:_http._tcp:80")
        self.addCleanup(another.close)
        self.browser.wait_for("Later")
        time.sleep(1.0)
        events = [json.loads(line)["event"] for line in self.browser.lines]
        self.assertEqual(set(events), {"added"})

    def test_set_back(self) -> None:
        """It goes on asking at growing intervals (RFC 6762 §5.2)."""
        self.step(-3600)
        start = self.prober.sniffer.mark()

        def asks(packet: Packet) -> bool:
            names = [each.name for each in packet.message.questions]
            return labels("_http._tcp.local") in names and not packet.message.is_response

        self.prober.sniffer.wait_for(asks, start=start)
        self.assert_works()

    def test_set_forward(self) -> None:
        self.step(7200)
        self.assert_works()


SLEEPER = """
import sys
from twisted.internet import reactor
from mcast import Host, Node

node = Node(reactor, hostname="kitchen", sleep_limit=float(sys.argv[1]))
node.startService()
node.publish(Host()).when_claimed().addCallback(lambda _: print("published", flush=True))
reactor.run()
"""


class SleepTests(LanTestCase):
    """A program that was stopped for longer than the limit probes, announces and asks anew."""

    def setUp(self) -> None:
        super().setUp()
        self.here, self.there = self.lan.hosts
        self.prober = Prober(self.there)
        self.addCleanup(self.prober.close)

    def start(self, limit: float) -> None:
        """Start a program that is not to be stopped for longer than this."""
        self.program = Program(self.here.command(sys.executable, "-c", SLEEPER, str(limit)))
        self.addCleanup(self.program.end)
        self.program.wait_for("published")
        self.prober.sniffer.wait_until_calm(is_answer, 4)

    def stop_for(self, seconds: float) -> int:
        """Stop the program; return where the packets after that begin."""
        os.kill(self.program.pid, signal.SIGSTOP)
        time.sleep(seconds)
        start = self.prober.sniffer.mark()
        os.kill(self.program.pid, signal.SIGCONT)
        return start

    def probes(self, start: int) -> list[Packet]:
        packets = self.prober.sniffer.poll()[start:]
        return [each for each in packets if each.message.authorities and not each.outgoing]

    def test_long(self) -> None:
        self.start(3.0)
        start = self.stop_for(4.0)
        wait_until(lambda: len(self.probes(start)) >= 3, "probes")

    def test_short(self) -> None:
        self.start(60.0)
        start = self.stop_for(0.3)
        self.prober.sniffer.gather(1.0, start)
        self.assertEqual(self.probes(start), [])
