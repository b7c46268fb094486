"""Programs that are stopped while they wait for an answer: one that came in time is found."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from mcast.dns.codes import RESPONSE_FLAGS
from mcast.dns.messages import Message, decode, encode
from mcast.dns.names import Name
from mcast.dns.records import Record, address, pointer
from tests.interop.probe import Packet, Prober
from tests.interop.programs import Program
from tests.interop.wire import Labels, labels
from tests.network.lan import LanTestCase, wait_until

WAIT = 3.0
"""Seconds that the programs wait. Our choice: a busy machine has stopped them by then."""

TRIES = 5
"""Our choice."""

HOST = Name.parse("late.local.")
TYPE = Name.parse("_late._tcp.local.")


def asks(name: Labels) -> Callable[[Packet], bool]:
    """Return what tells a query for a name."""
    return lambda packet: any(question.name == name for question in packet.message.questions)


def has_stopped(program: Program) -> bool:
    """Whether a program stands still, or has ended."""
    status = Path(f"/proc/{program.pid}/stat").read_text()
    return status.rpartition(")")[2].split()[0] in "TZ"


class StoppedTests(LanTestCase):
    """Each is stopped when it has asked; the answer comes, and it goes on after its time."""

    def setUp(self) -> None:
        super().setUp()
        self.here, self.there = self.lan.hosts
        self.prober = Prober(self.there)
        self.addCleanup(self.prober.close)

    def start(self, *words: str) -> Program:
        program = Program(self.here.command(sys.executable, "-m", "mcast.cli", *words, "--wait", str(WAIT)))
        self.addCleanup(program.end, signal.SIGKILL)
        return program

    def stopped(self, name: str, *words: str) -> tuple[Program, Packet]:
        """Start a program, and stop it when it has asked; return its query, too.

        Once more where this test stood still until the time of the program may have been up.
        """
        for _ in range(TRIES):
            start = self.prober.sniffer.mark()
            program = self.start(*words)
            query = self.prober.sniffer.wait_for(asks(labels(name)), start=start)
            program.send_signal(signal.SIGSTOP)
            wait_until(partial(has_stopped, program), "the program to stop")
            if time.time() - query.at < WAIT / 2:
                return program, query
            program.end(signal.SIGKILL)
        raise AssertionError(f"stopped too late {TRIES} times: {words}")

    def answer(self, record: Record) -> None:
        self.prober.send(encode(Message(flags=RESPONSE_FLAGS, answers=[record])))

    def answer_alone(self, query: Packet, record: Record) -> None:
        """Answer a query that came to this host alone, and to nobody else."""
        asked = decode(query.payload)
        payload = encode(Message(asked.id, RESPONSE_FLAGS, asked.questions, answers=[record]))
        server = self.there.udp_socket(port=5353)
        self.addCleanup(server.close)
        server.sendto(payload, (query.source, query.source_port))

    def test_stopped(self) -> None:
        found = address(HOST, self.there.ipv4(), 120)
        one_shot, query = self.stopped(
            "alone.local", "query", "alone.local", "A", "--server", self.there.ipv4()
        )
        look_up, _ = self.stopped("late.local", "query", "late.local", "A")
        browse, _ = self.stopped("_late._tcp.local", "browse", "_late._tcp")
        asked_at = time.monotonic()
        self.answer_alone(query, address(Name.parse("alone.local."), "192.0.2.9", 120))
        self.answer(found)
        self.answer(pointer(TYPE, TYPE.prefixed("Somebody"), 120))
        time.sleep(max(0.0, asked_at + WAIT + 0.2 - time.monotonic()))
        programs = (one_shot, look_up, browse)
        for program in programs:
            program.send_signal(signal.SIGCONT)
        self.assertEqual([program.wait() for program in programs], [0, 0, 0], look_up.output)
        self.assertIn("192.0.2.9", one_shot.output)
        self.assertIn(self.there.ipv4(), look_up.output)
        self.assertIn("Somebody", browse.output)
