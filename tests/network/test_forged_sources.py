"""Queries in the name of neighbours that do not exist keep nobody from being answered."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from pathlib import Path

from tests.interop.peers import Responder
from tests.interop.wire import A, Question, labels, query
from tests.network.lan import Host, LanTestCase, wait_until

NOBODY = "10.77.0.99"


class Flood:
    """Sends queries from an address of the link that nobody has, in a thread, until it is ended.

    :param rate: queries a second.
    """

    def __init__(self, host: Host, target: str, rate: int) -> None:
        payload = query(Question(labels("kitchen.local"), A)).encode()
        udp = struct.pack("!HHHH", 40000, 5353, 8 + len(payload), 0) + payload
        header = struct.pack(
            "!BBHHHBBH4s4s",
            *(0x45, 0, 20 + len(udp), 0, 0, 255, socket.IPPROTO_UDP, 0),
            *(socket.inet_aton(NOBODY), socket.inet_aton(target)),
        )
        self._packet = header + udp
        self._target = target
        self._pause = 1 / rate
        self._socket = host.open_socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        self._ended = threading.Event()
        self.sent = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._ended.wait(self._pause):
            self._socket.sendto(self._packet, (self._target, 0))
            self.sent += 1

    def end(self) -> None:
        self._ended.set()
        self._thread.join()


def dropped(host: Host) -> int:
    """Return how many datagrams found the buffer of their socket full."""
    with host.inside():
        lines = Path("/proc/thread-self/net/udp").read_text(encoding="ascii").splitlines()[1:]
    return sum(int(line.split()[-1]) for line in lines)


class ForgedSourceTests(LanTestCase):
    """Another host asks while a flood of forged queries goes on."""

    def test_others_are_answered(self) -> None:
        here, there = self.lan.hosts
        responder = Responder(here, "--hostname", "kitchen")
        self.addCleanup(responder.close)
        responder.wait_for("published kitchen")
        flood = Flood(there, here.ipv4(), 500)
        self.addCleanup(flood.end)
        answered = unanswered = number = 0
        asking = there.udp_socket()
        asking.settimeout(10.0)
        while answered + unanswered < 20 and number < 100:
            time.sleep(0.1)
            number += 1
            before = dropped(here)
            message = query(Question(labels("kitchen.local"), A)).encode()
            asking.sendto(struct.pack("!H", number) + message[2:], (here.ipv4(), 5353))
            with contextlib.suppress(TimeoutError):
                # An answer that was late is that to an earlier question.
                while asking.recv(9000)[:2] != struct.pack("!H", number):
                    pass
                answered += 1
                continue
            # Of what a busy machine does not read in time some is lost, of whoever it is.
            unanswered += dropped(here) == before
        wait_until(lambda: flood.sent > 100, "the flood to be one")
        self.assertGreaterEqual(answered, 19)
