"""Other implementations on our own host: all share port 5353, and each is found."""

from __future__ import annotations

import time

from tests.hostile.lab import HostileTestCase, Person, promised
from tests.hostile.resolved import ResolvedHost
from tests.interop.peers import AvahiHost, ZeroconfHost
from tests.interop.wire import PTR


class CompanyTests(HostileTestCase):
    """Avahi, python-zeroconf and systemd-resolved on the host that we are on, each with a name of its own."""

    def test_all_are_found(self) -> None:
        avahi = AvahiHost(self.ours, "avahi")
        self.addCleanup(avahi.close)
        zeroconf = ZeroconfHost(self.ours)
        self.addCleanup(zeroconf.close)
        zeroconf.tell(
            "register",
            instance="Zero",
            type="_http._tcp",
            port=81,
            host="zero",
            addresses=[self.ours.ipv4()],
            txt={},
        )
        resolved = ResolvedHost(self.ours, "resolved")
        self.addCleanup(resolved.close)
        program = self.kitchen()
        patience = promised(30.0, 60.0)
        for name in ("kitchen.local", "avahi.local", "zero.local", "resolved.local"):
            self.assertTrue(Person(self.there).ask(name, within=patience), name)
        browser = self.browser("_http._tcp", host=self.there)
        for name in ("Web", "Zero"):
            browser.wait_for(lambda line, name=name: line.startswith("+") and name in line, patience)  # type: ignore[misc]
        self.assertTrue(self.person.ask("_http._tcp.local", PTR, within=promised(10.0)))
        time.sleep(5.0)  # a conflict would be seen
        self.assertNotIn("taken", program.output)
        self.assert_well(program)
