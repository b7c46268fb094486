"""`ask` and `answer` between hosts, and on one host, over two links."""

from __future__ import annotations

import json
import sys
from typing import Any

from tests.network.lan import PATIENCE, Host, LanTestCase
from tests.network.test_echo import Program

GROUP4, GROUP6 = "239.1.2.3:7645", "[ff02::123]:7645"

ANSWER = """
import sys
from twisted.internet import reactor
from mcast import Group, answer
groups = [Group.parse(text) for text in sys.argv[2:]]
answering = answer(reactor, groups, lambda asked: sys.argv[1].encode() + b" " + asked.data, jitter=(0, 0.05))
reactor.callWhenRunning(print, "ready", flush=True)
reactor.run()
"""

ASK = """
import json, sys
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall, react
from mcast import Group, ask
async def main(reactor, settings, *groups):
    settings, found = json.loads(settings), []
    enough = settings.pop("enough", {})
    replies = ask(reactor, [Group.parse(text) for text in groups], b"who?", **settings)
    def look():
        told = replies.statistics()
        if enough and all(told[name] == wanted for name, wanted in enough.items()):
            looking.stop()
            # What should not come has a moment to come.
            reactor.callLater(0.5, lambda: Deferred.fromCoroutine(replies.aclose()))
    looking = LoopingCall(look)
    looking.start(0.05)
    async for reply in replies:
        found.append([reply.data.decode(), reply.source, reply.interface])
    print(json.dumps({"replies": sorted(found), "statistics": replies.statistics()}))
react(main, sys.argv[1:])
"""


class AskingTests(LanTestCase):
    """Two hosts answer on both links; a third one asks."""

    hosts, links = 3, 2

    def setUp(self) -> None:
        super().setUp()
        self.asker, *self.answerers = self.lan.hosts

    def answer(self, host: Host, name: str, *groups: str) -> None:
        """Have a host answer."""
        program = Program(host, sys.executable, "-c", ANSWER, name, *(groups or (GROUP4, GROUP6)))
        self.addCleanup(program.end)
        program.wait_for("ready")

    def ask(self, *groups: str, host: Host | None = None, **settings: Any) -> dict[str, Any]:
        """Ask, and return what was gathered.

        :param settings: of `ask`; with ``enough``, the statistics with which it ends soon.
        """
        wanted = json.dumps({"wait": PATIENCE, "repeats": [0, 0.3], **settings})
        asked: dict[str, Any] = json.loads((host or self.asker).python("-c", ASK, wanted, *groups))
        return asked

    def test_each_host_on_each_link(self) -> None:
        """A host has another address on each link; what it says to the repeat is no other reply."""
        for number, host in enumerate(self.answerers):
            self.answer(host, f"host{number}")
        gathered = self.ask(GROUP4, enough={"replies": 4, "repeated": 4})
        self.assertEqual(
            gathered["replies"],
            [
                [f"host{number} who?", host.ipv4(link), f"eth{link}"]
                for number, host in enumerate(self.answerers)
                for link in range(2)
            ],
        )
        self.assertEqual((gathered["statistics"]["sent"], gathered["statistics"]["repeated"]), (4, 4))

    def test_both_families_by_one_interface(self) -> None:
        (host, _) = self.answerers
        self.answer(host, "it")
        self.assertEqual(
            self.ask(GROUP4, GROUP6, interfaces=["eth1"], enough={"replies": 2, "repeated": 2})["replies"],
            [["it who?", host.ipv4(1), "eth1"], ["it who?", f"{host.link_local(1)}%eth1", "eth1"]],
        )

    def test_own_host(self) -> None:
        """A program on the same host answers as others do."""
        self.answer(self.asker, "I", GROUP4)
        gathered = self.ask(GROUP4, interfaces=["eth0"], enough={"replies": 1, "repeated": 1})
        self.assertEqual(
            [(data, source) for data, source, _ in gathered["replies"]], [("I who?", self.asker.ipv4())]
        )

    def test_expect(self) -> None:
        """The first answer is enough: the end does not wait."""
        for number, host in enumerate(self.answerers):
            self.answer(host, f"host{number}", GROUP4)
        gathered = self.ask(GROUP4, expect=1)
        self.assertEqual(len(gathered["replies"]), 1)

    def test_nobody(self) -> None:
        gathered = self.ask(GROUP4, wait=0.5)
        self.assertEqual((gathered["replies"], gathered["statistics"]["sent"]), ([], 4))

    def test_source_off_link(self) -> None:
        """An answer from an address that is not of the link is not believed: it had one hop only."""
        (host, _) = self.answerers
        host.ip("addr", "add", "203.0.113.5/32", "dev", "lo")
        self.addCleanup(host.ip, "addr", "del", "203.0.113.5/32", "dev", "lo")
        forger = Program(host, sys.executable, "-c", FORGE)
        self.addCleanup(forger.end)
        forger.wait_for("ready")
        dropped = {"source off link": 1}
        gathered = self.ask(GROUP4, interfaces=["eth0"], repeats=[0], enough={"dropped": dropped})
        self.assertEqual((gathered["replies"], gathered["statistics"]["dropped"]), ([], dropped))


FORGE = """
import socket, struct
here = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
here.bind(("239.1.2.3", 7645))
here.setsockopt(0, socket.IP_ADD_MEMBERSHIP,
                socket.inet_aton("239.1.2.3") + struct.pack("@4si", bytes(4), socket.if_nametoindex("eth0")))
forged = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
forged.bind(("203.0.113.5", 7645))
print("ready", flush=True)
while True:
    data, address = here.recvfrom(100)
    forged.sendto(data, address)
"""
