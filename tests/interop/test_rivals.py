"""We and another implementation want the same names at the same moment (RFC 6762 §8.2, §9)."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import ClassVar, NamedTuple

from tests.interop.peers import AvahiHost, Responder, ZeroconfHost, avahi_service_file
from tests.interop.probe import Prober
from tests.interop.responding import TYPE, WEB, WEB_OPTION, serve
from tests.interop.scenes import SceneTestCase
from tests.interop.wire import PTR, SRV, A, Labels, Question, labels, query
from tests.network.lan import PATIENCE

SETTLING = 2 * PATIENCE
"""Our choice: seconds for two hosts to agree; each attempt takes about one, on a machine that is not busy."""

CALM = 2.5
"""Our choice: seconds without a probe that show agreement; whoever lost waits one (RFC 6762 §8.2)."""

TIMES = 5
"""Our choice: how often Avahi may be too slow to defend its name.

It gives up a name when it gets no processor for the 750 ms of our probes, as the RFC has it.
"""

HOST = labels("kitchen.local")


class Claims(NamedTuple):
    """What one host says to be its own."""

    instances: frozenset[Labels]
    hosts: frozenset[Labels]


class RivalsTestCase(SceneTestCase):
    """Our responder on the first host, a rival on the second, a prober on the third."""

    hosts: ClassVar[int] = 3
    prober: ClassVar[Prober]

    @classmethod
    def build(cls, stack: ExitStack) -> None:
        cls.prober = stack.enter_context(Prober(cls.lan.hosts[2]))

    def serve(self) -> Responder:
        responder = serve(self.lan.hosts[0], "--service", WEB_OPTION)
        self.addCleanup(responder.close)
        return responder

    def claims(self) -> tuple[Claims, Claims]:
        """Ask who has a service of the type; return what we and the rival answer for ourselves."""
        start = self.prober.sniffer.mark()
        self.prober.send(query(Question(TYPE, PTR)))
        packets = self.prober.sniffer.gather(1.2, start)
        found = []
        for host in self.lan.hosts[:2]:
            records = [
                record
                for packet in packets
                if packet.source == host.ipv4() and packet.message.is_response
                for record in packet.message.records
                if record.ttl
            ]
            instances = frozenset(one.target for one in records if one.type == PTR and one.name == TYPE)
            services = [one for one in records if one.type == SRV and one.name in instances]
            addresses = {one.name for one in records if one.type == A}
            found.append(Claims(instances, frozenset(one.target for one in services) & addresses))
        return found[0], found[1]

    def wait_until_agreed(self, log: Callable[[], str]) -> tuple[Claims, Claims]:
        """Wait until each has one name of each kind, not the same, and nobody probes; return the names.

        :param log: what to show when they do not agree.
        """
        deadline = time.monotonic() + SETTLING
        while True:
            ours, theirs = self.claims()
            packets = self.prober.sniffer.poll()
            probes = [one.at for one in packets if one.message.authorities and not one.outgoing]
            single = all(len(one) == 1 for one in (*ours, *theirs))
            # Who was kept from running learns by these answers that another one has its name.
            differ = ours.instances != theirs.instances and ours.hosts != theirs.hosts
            if single and differ and time.time() - max(probes, default=0.0) > CALM:
                return ours, theirs
            if time.monotonic() > deadline:
                raise AssertionError(f"no agreement: {ours}, {theirs}\n{log()}")

    def assert_agreed(self, log: Callable[[], str]) -> None:
        ours, theirs = self.wait_until_agreed(log)
        # One of them has what it asked for, and both keep what they have.
        self.assertIn(WEB, ours.instances | theirs.instances)
        self.assertIn(HOST, ours.hosts | theirs.hosts)
        time.sleep(CALM)
        self.assertEqual(self.wait_until_agreed(log), (ours, theirs), log())


class AvahiTests(RivalsTestCase):
    """The rival is avahi-daemon."""

    programs = ("avahi-daemon",)

    def start_avahi(self) -> AvahiHost:
        files = {"web.service": avahi_service_file("My Web", "_http._tcp", 80)}
        avahi = AvahiHost(self.lan.hosts[1], "kitchen", dbus=False, services=files, wait=False)
        self.addCleanup(avahi.close)
        return avahi

    def test_same_names_at_once(self) -> None:
        """Both probe at the same time; ours takes longer to start, and goes first."""
        responder = self.serve()
        responder.wait_for("joined")
        avahi = self.start_avahi()
        self.assert_agreed(lambda: f"{responder.log}\n{avahi.daemon.output}")

    def test_avahi_was_first(self) -> None:
        """Its names stay, and we take others."""
        for _ in range(TIMES):
            ours, theirs, log = self.met_by_us()
            if theirs == Claims(frozenset({WEB}), frozenset({HOST})):
                break
        self.assertEqual((theirs.instances, theirs.hosts), ({WEB}, {HOST}), log)
        self.assertEqual(ours.instances, {labels("My Web (2)", "_http._tcp.local")})
        self.assertEqual(ours.hosts, {labels("kitchen-2.local")})

    def met_by_us(self) -> tuple[Claims, Claims, str]:
        """Let Avahi claim its names, and us after it; return what we have in the end, and what it has."""
        avahi = self.start_avahi()
        avahi.daemon.wait_for("successfully established")
        responder = self.serve()
        ours, theirs = self.wait_until_agreed(lambda: responder.log)
        responder.close()
        avahi.close()
        return ours, theirs, responder.log


class AvahiOnTheSameHostTests(RivalsTestCase):
    """avahi-daemon runs beside us, with the same name, and publishes some of our addresses."""

    programs = ("avahi-daemon",)

    def test_avahi_was_first(self) -> None:
        """It leaves out the link-local address: all it has is ours, and yet not the same. It stays."""
        for _ in range(TIMES):
            avahi = AvahiHost(self.lan.hosts[0], "kitchen", dbus=False)
            self.addCleanup(avahi.close)
            responder = self.serve()
            responder.wait_for("published kitchen")
            time.sleep(CALM)
            # Else Avahi was too slow to defend it.
            if "conflict" not in avahi.daemon.output and "published kitchen.local." not in responder.log:
                break
            responder.close()
            avahi.close()
        responder.wait_for("published kitchen-2.local.")
        self.assertEqual(avahi.hostname, "kitchen", avahi.daemon.output)
        self.assertNotIn("conflict", avahi.daemon.output)
        self.assertEqual(responder.log.count("is taken"), 1, responder.log)


class ZeroconfTests(RivalsTestCase):
    """The rival is python-zeroconf, which does not probe for its host name."""

    def test_same_names_at_once(self) -> None:
        zeroconf = ZeroconfHost(self.lan.hosts[1], self.lan.hosts[1].ipv4())
        self.addCleanup(zeroconf.close)
        responder = self.serve()
        responder.wait_for("joined")
        zeroconf.tell(
            "register",
            instance="My Web",
            type="_http._tcp",
            port=80,
            host="kitchen",
            addresses=[self.lan.hosts[1].ipv4()],
            txt={},
        )
        self.assert_agreed(lambda: f"{responder.log}\n{zeroconf.program.output}")
