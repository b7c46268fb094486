"""`mcast top` beside real devices: Avahi, python-zeroconf, echo responders, each on its own host."""

from __future__ import annotations

import os
import re
import sys

from mcast.live.recording import read_recording
from tests.cli.top.pseudo_terminal import PseudoTerminal
from tests.interop.peers import AvahiHost, Responder, ZeroconfHost, avahi_service_file
from tests.network.lan import PATIENCE, LanTestCase

COMMAND = (sys.executable, "-m", "mcast.cli", "top")


class TopTests(LanTestCase):
    """A person looks from the first host."""

    hosts = 3

    def setUp(self) -> None:
        super().setUp()
        self.here, self.second, self.third = self.lan.hosts

    def terminal(self, *words: str, columns: int = 100, lines: int = 30) -> PseudoTerminal:
        terminal = PseudoTerminal(self.here.command(*COMMAND, *words), columns, lines)
        self.addCleanup(terminal.close)
        return terminal

    def test_devices_come_change_and_go(self) -> None:
        file = os.path.abspath(self.mktemp())
        terminal = self.terminal("--record", file)
        terminal.shows("mcast top", "no service is known yet")
        services = {"web.service": avahi_service_file("Avahi 漢字", "_http._tcp", 80, txt=["path=/"])}
        avahi = AvahiHost(self.second, "kitchen", dbus=False, services=services)
        self.addCleanup(avahi.close)
        terminal.shows("Avahi 漢字", "kitchen.local", "REC")
        zeroconf = ZeroconfHost(self.third, self.third.ipv4())
        self.addCleanup(zeroconf.close)
        hostile = "<script>\u202e\u2066 Printer"
        device = {
            "instance": hostile,
            "type": "_ipp._tcp",
            "host": "printer",
            "addresses": [self.third.ipv4()],
        }
        zeroconf.tell("register", port=631, txt={"ty": "Laser"}, **device)
        terminal.shows("<script>\\u202e\\u2066 Prin", "_ipp._tcp")
        self.assertNotIn("\u202e", terminal.text)
        terminal.press("/printer\r\r")
        terminal.shows("printer.local:631", "ty=Laser")
        zeroconf.tell("update", instance=hostile, type="_ipp._tcp", txt={"ty": "Colour"})
        terminal.shows("ty=Colour")
        terminal.press("\r2")
        terminal.shows("PKT/S", self.second.ipv4(), self.third.ipv4())
        terminal.press("3")
        terminal.shows("response", "eth0/IPv4")
        terminal.press("1")
        zeroconf.tell("unregister", instance=hostile, type="_ipp._tcp")
        terminal.shows("gone ")
        terminal.press("6")
        terminal.shows("service  came", "service  changed", "service  went")
        terminal.press("q")
        self.assertEqual(terminal.ended(), 0)
        with open(file, encoding="ascii") as stream:
            *_, state = read_recording(stream)
        names = {each["name"]: each["gone"] for each in state["services"].values()}
        self.assertIsNone(names["Avahi 漢字"])
        self.assertIsNotNone(names["<script>\\u202e\\u2066 Printer"])
        self.check_replay(file)

    def check_replay(self, file: str) -> None:
        """What was recorded is played, packets among it."""
        terminal = self.terminal("--replay", file, "--speed", "64")
        terminal.shows("end of recording", "Avahi 漢字", "gone")
        terminal.press("3")
        terminal.shows("response", "_ipp._tcp")
        terminal.press("q")
        self.assertEqual(terminal.ended(), 0)

    def test_round_trip_and_connect(self) -> None:
        """A host is asked while somebody looks; a service, when a person wants to know."""
        responder = Responder(self.second, "--hostname", "kitchen", "--service", "Web:_http._tcp:9")
        self.addCleanup(responder.close)
        terminal = self.terminal()
        terminal.shows("Web", "kitchen.local")
        terminal.press("o")
        terminal.shows("connect     refused")
        terminal.press("\r2/kitchen")
        # The columns PACKETS, SVC and RTT of a row without lint.
        row = re.compile(r"kitchen\.local .* \d+ +1 +\d+\.\d+ ")
        terminal.until(lambda: row.search(terminal.text) is not None, "a round trip of kitchen.local")
        terminal.press("\x03")
        self.assertEqual(terminal.ended(), 0)

    def test_echo_groups(self) -> None:
        """Those who answer are told apart, with their losses and a plot."""
        for host in (self.second, self.third):
            host.spawn(sys.executable, "-m", "twisted", "mcast")
        terminal = self.terminal("--view", "groups")
        terminal.shows("RESPONDER▲", self.second.ipv4(), self.third.ipv4(), "eth0", "█")
        terminal.press("\r")
        terminal.shows("answered", "median")
        terminal.press("1")
        terminal.shows("NAME▲")
        terminal.press("q")
        self.assertEqual(terminal.ended(), 0)

    def test_no_such_interface(self) -> None:
        terminal = self.terminal("-I", "eth9")
        self.assertEqual(terminal.ended(), 2)
        self.assertRegex(terminal.output, rb"mcast top: [^\r\n]*eth9")

    def test_json(self) -> None:
        """Without a terminal the stream is printed."""
        responder = Responder(self.second, "--hostname", "kitchen", "--service", "Web:_http._tcp:9")
        self.addCleanup(responder.close)
        program = self.here.spawn(*COMMAND, "--json")
        assert program.stdout is not None
        states = read_recording(iter(program.stdout.readline, ""))
        self.assertTrue(any(state["services"] for state in states))
        program.terminate()
        self.assertEqual(program.wait(PATIENCE), 0)
