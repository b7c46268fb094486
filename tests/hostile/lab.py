"""The hosts of the hostile scenes: ours, a person who wants something of it, and an attacker."""

from __future__ import annotations

import os
import signal
import socket
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import ClassVar

from tests.hostile.machine import descriptors, memberships
from tests.interop.probe import GROUP4, PORT
from tests.interop.programs import Program
from tests.interop.wire import PTR, A, Message, Question, Record, decode, labels, query
from tests.network.lan import Host, LanTestCase, wait_until

IS_IDLE = os.environ.get("MCAST_IDLE", "") not in ("", "0")
"""Whether nothing else runs here, so that what docs/reliability.md promises must hold as it stands."""

QUIET = 10.0
"""Seconds of quiet after which the view is right, whatever was before: what docs/reliability.md promises."""

PATIENCE = 4 * QUIET
"""Seconds to wait for that here: our choice, since the machine is busy, as are its programs that start."""


def promised(seconds: float, otherwise: float = PATIENCE) -> float:
    """Return how long to wait for what docs/reliability.md promises within some seconds."""
    return seconds if IS_IDLE else otherwise


LATEST = promised(QUIET)
"""Seconds until the view must be right."""

LAST_WORDS = promised(1.5, 3 * QUIET)
"""Seconds after SIGTERM until a program must have ended.

The goodbye of what was multicast just before leaves a second later (RFC 6762 §6), and then the program ends.
"""


def checksum(header: bytes) -> int:
    """Return the checksum of an IPv4 header whose own checksum is nought."""
    total: int = sum(struct.unpack(f"!{len(header) // 2}H", header))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return 0xFFFF - total


def frame(
    payload: bytes, source: str, *, port: int = PORT, destination: str = GROUP4, serial: int = 1
) -> bytes:
    """Return an Ethernet frame with a datagram to port 5353, from whatever source.

    :param serial: gives the sender its hardware address, and the packet its identification.
    """
    mac = b"\x02\x66" + serial.to_bytes(4, "big")
    group = socket.inet_aton(destination)
    there = bytes((1, 0, 0x5E, group[1] & 0x7F, group[2], group[3]))
    size = 28 + len(payload)
    head = struct.pack(
        "!BBHHHBBH4s4s",
        0x45,
        0,
        size,
        serial & 0xFFFF,
        0,
        255,
        17,
        0,
        socket.inet_aton(source),
        socket.inet_aton(destination),
    )
    head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    udp = struct.pack("!HHHH", port, PORT, 8 + len(payload), 0)
    return there + mac + b"\x08\x00" + head + udp + payload


class Attacker:
    """Sends frames from a host; no rule of its own system is in its way."""

    def __init__(self, host: Host, interface: str = "eth0") -> None:
        self._host = host
        with host.inside():
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
            self._socket.bind((interface, 0))
        self.sent = 0

    def send(self, *frames: bytes) -> None:
        """Send frames at once."""
        for each in frames:
            self._socket.send(each)
            self.sent += 1

    def pour(self, frames: Iterable[bytes], rate: int) -> None:
        """Send frames at a rate, in steps of 5 ms, until there are no more."""
        began = time.monotonic()
        for done, each in enumerate(frames, 1):
            self._socket.send(each)
            self.sent += 1
            if done % max(1, rate // 200) == 0:
                ahead = done / rate - (time.monotonic() - began)
                if ahead > 0:
                    time.sleep(ahead)

    def flood(self, frames: Iterator[bytes], rate: int) -> Flood:
        """Pour in a thread until the context that this is ends."""
        return Flood(self, frames, rate)

    def close(self) -> None:
        self._socket.close()


class Flood:
    """A flood that goes on beside the test."""

    def __init__(self, attacker: Attacker, frames: Iterator[bytes], rate: int) -> None:
        self._ended = threading.Event()
        self._thread = threading.Thread(
            target=attacker.pour, args=(self._until_ended(frames), rate), daemon=True
        )

    def _until_ended(self, frames: Iterator[bytes]) -> Iterator[bytes]:
        for each in frames:
            if self._ended.is_set():
                return
            yield each

    def __enter__(self) -> Flood:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()


class Person:
    """Somebody on another host who looks a name up as the C library does: asks, waits, asks once more."""

    def __init__(self, host: Host, interface: str = "eth0") -> None:
        self._host = host
        self._interface = interface

    def ask(
        self, name: str, qtype: int = A, *, within: float = promised(2.0), every: float = 1.0
    ) -> tuple[Record, ...]:
        """Return the answers to a question to the group; none when there are none in time."""
        asked = self._host.udp_socket(interface=self._interface)
        try:
            deadline = time.monotonic() + within
            while (left := deadline - time.monotonic()) > 0:
                asked.sendto(query(Question(labels(name), qtype), id=7).encode(), (GROUP4, PORT))
                answers = self._answers(asked, labels(name), min(every, left))
                if answers:
                    return answers
            return ()
        finally:
            asked.close()

    def _answers(self, asked: socket.socket, name: tuple[bytes, ...], patience: float) -> tuple[Record, ...]:
        until = time.monotonic() + patience
        while (left := until - time.monotonic()) > 0:
            asked.settimeout(left)
            try:
                found: Message = decode(asked.recv(9000))
            except TimeoutError:
                return ()
            answers = tuple(record for record in found.answers if record.name == name)
            if answers:
                return answers
        return ()


class HostileTestCase(LanTestCase):
    """A responder of ours that answers, whatever the others do to it."""

    hosts: ClassVar[int] = 3

    def setUp(self) -> None:
        super().setUp()
        self.ours, there, evil = self.lan.hosts[:3]
        self.there = there
        self.person = Person(there)
        self.attacker = Attacker(evil)
        self.addCleanup(self.attacker.close)
        self.folder = Path(tempfile.mkdtemp(prefix="mcast-hostile-"))

    def program(self, *words: str, environment: tuple[str, ...] = (), host: Host | None = None) -> Program:
        """Start Python with some words on a host; by default on ours."""
        command = ("env", *environment, sys.executable, *words)
        program = Program((host or self.ours).command(*command))
        self.addCleanup(program.end, signal.SIGKILL)
        return program

    def responder(self, *words: str, environment: tuple[str, ...] = (), host: Host | None = None) -> Program:
        """Start ``twist mcast mdns`` and wait until it has begun."""
        twist = ("-m", "twisted", "--log-format=text", "mcast", "mdns", *words)
        return self.program(*twist, environment=environment, host=host)

    def kitchen(self, *words: str, environment: tuple[str, ...] = ()) -> Program:
        """Start our host with a service, and wait until both are published."""
        program = self.responder(
            "--hostname", "kitchen", "--service", "Web:_http._tcp:80", *words, environment=environment
        )
        program.wait_for("published Web")
        program.wait_for("published kitchen")
        return program

    def browser(self, *words: str, host: Host | None = None) -> Program:
        """Start ``mcast browse --follow``, whose lines begin with +, = or -."""
        return self.program("-m", "mcast.cli", "browse", "--follow", *words, host=host)

    def wait_for_answer(self, name: str = "kitchen.local", within: float = LATEST) -> float:
        """Return the seconds until the person is answered.

        :raises AssertionError: when that takes too long.
        """
        began = time.monotonic()
        self.assertTrue(self.person.ask(name, within=within), f"no answer for {name} within {within} s")
        return time.monotonic() - began

    def count_answers(self, times: int, *, within: float = promised(6.0), every: float = 3.0) -> int:
        """Return how many of the person's questions are answered.

        Where nothing else runs each is asked twice, unless told otherwise.
        """
        answered = 0
        for number in range(times):
            name, qtype = (("kitchen.local", A), ("_http._tcp.local", PTR))[number % 2]
            answered += bool(self.person.ask(name, qtype, within=within, every=every))
            time.sleep(0.2)
        return answered

    def assert_well(self, program: Program, *, lines: int = 60) -> None:
        """The program runs, told of no exception, and of not much at all."""
        self.assertTrue(program.is_running, program.output[-3000:])
        self.assertNotIn("Traceback", program.output)
        self.assertLess(len(program.lines), lines, program.output[-3000:])

    def assert_ends(self, program: Program, within: float = LAST_WORDS) -> None:
        """SIGTERM ends it soon, and well."""
        began = time.monotonic()
        program.send_signal(signal.SIGTERM)
        self.assertIn(program.wait(), (0, -signal.SIGTERM))
        self.assertLess(time.monotonic() - began, within)
        self.assertNotIn("Traceback", program.output)

    def holding(self, program: Program) -> tuple[dict[str, int], dict[str, int]]:
        """Return what a program holds of the system: descriptors and memberships."""
        return dict(descriptors(program.pid)), dict(memberships(self.ours))

    def wait_until_joined(self) -> None:
        """Wait until somebody on our host listens to the group."""
        self.eventually(lambda: len(memberships(self.ours)) >= 2, "the group to be joined")

    def eventually(self, condition: Callable[[], object], what: str, within: float = LATEST) -> None:
        """Wait for something to be so."""
        wait_until(condition, what, within)
