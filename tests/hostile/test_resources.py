"""What a program needs of its system is short, refused or odd: it goes on, and is well afterwards."""

from __future__ import annotations

import errno
import resource
import signal
import sys
import time
from collections.abc import Iterable

from tests.hostile.lab import LAST_WORDS, HostileTestCase, Person, promised
from tests.hostile.machine import Refusals, descriptors, processor_time
from tests.interop.programs import Program
from tests.network.lan import wait_until

SENDING = ("sendto", "sendmsg")

ERRORS = (
    errno.EAGAIN,
    errno.ENOBUFS,
    errno.ENOMEM,
    errno.EPERM,
    errno.EACCES,
    errno.ENETUNREACH,
    errno.EHOSTUNREACH,
    errno.ENETDOWN,
    errno.EADDRNOTAVAIL,
    errno.ENODEV,
    errno.EINVAL,
    errno.EMSGSIZE,
    errno.EIO,
    errno.ECONNREFUSED,
)
"""What Linux's sendto and sendmsg are documented to say, and what has been seen beside that."""


class SendErrorTests(HostileTestCase):
    """Every error that sending can have."""

    def refused(self) -> tuple[Program, Refusals]:
        refusals = Refusals(self.folder)
        program = self.kitchen(environment=refusals.environment)
        self.wait_for_answer()
        return program, refusals

    def check(self, numbers: Iterable[int]) -> None:
        program, refusals = self.refused()
        held = self.holding(program)
        for number in numbers:
            refusals.refuse(number, *SENDING)
            before = refusals.count

            def refused(before: int = before) -> bool:
                self.person.ask("kitchen.local", within=0.6, every=0.2)
                return refusals.count > before

            self.eventually(refused, errno.errorcode[number])
            refusals.allow()
            self.wait_for_answer()
        self.assert_well(program, lines=30 + 6 * len(tuple(numbers)))
        self.eventually(lambda: self.holding(program) == held, "all is held as before")
        self.assert_ends(program)

    def test_busy(self) -> None:
        self.check(ERRORS[:3])

    def test_forbidden(self) -> None:
        self.check(ERRORS[3:5])

    def test_unreachable(self) -> None:
        self.check(ERRORS[5:9])

    def test_others(self) -> None:
        self.check(ERRORS[9:])

    def test_every_third(self) -> None:
        """A third of all packets does not leave: the person asks again, and is answered."""
        program, refusals = self.refused()
        refusals.refuse(errno.ENOBUFS, *SENDING, every=3)
        self.assertGreaterEqual(self.count_answers(6), 5)
        refusals.allow()
        self.assert_well(program)

    def test_end_with_a_full_buffer(self) -> None:
        """SIGTERM ends it soon, whatever the socket says."""
        program, refusals = self.refused()
        refusals.refuse(errno.EAGAIN, *SENDING)
        self.person.ask("kitchen.local", within=1.0, every=0.1)
        spent = processor_time(program.pid)
        self.person.ask("kitchen.local", within=1.0, every=0.1)
        self.assertLess(processor_time(program.pid) - spent, 0.5)
        before = refusals.count
        self.assert_ends(program, promised(1.0, LAST_WORDS))
        # The goodbyes, among others: the buffer was full to the end.
        self.assertGreater(refusals.count, before)

    def filtered(self, *words: str) -> Program:
        """Start our host, and have a packet filter say EPERM (nftables) to all that it sends."""
        program = self.kitchen(*words)
        self.wait_for_answer()
        rules = (
            "table inet hostile { chain out { type filter hook output priority 0; udp sport 5353 drop; }; }"
        )
        self.ours.run("nft", rules)
        # The hosts are those of the next test too.
        self.addCleanup(self.ours.run, "nft", "flush ruleset")
        self.assertEqual(self.person.ask("kitchen.local", within=1.0), ())
        return program

    def test_end_of_many_while_filtered(self) -> None:
        """A thousand services that cannot say goodbye do not hold it up."""
        services = self.folder / "services.toml"
        entry = '[[service]]\nname = "s{}"\ntype = "_ipp._tcp"\nport = 80\n'
        services.write_text("".join(entry.format(number) for number in range(1_000)))
        # Some of them were announced just now: LAST_WORDS, not one second.
        self.assert_ends(self.filtered("--services", str(services)))

    def test_filtered(self) -> None:
        """When the packet filter is gone the person is answered."""
        program = self.filtered()
        self.ours.run("nft", "flush ruleset")
        self.wait_for_answer()
        self.assert_well(program)


class DescriptorTests(HostileTestCase):
    """No descriptor is free."""

    links = 2

    def limit(self, program: Program, number: int) -> None:
        resource.prlimit(program.pid, resource.RLIMIT_NOFILE, (number, 1024))

    def test_an_interface_comes_meanwhile(self) -> None:
        """It is used once there are descriptors again, though nothing tells of that."""
        self.lan.unplug(self.ours, 1)
        program = self.kitchen()
        held = sum(descriptors(program.pid).values())
        self.limit(program, held)
        self.lan.plug(self.ours, 1)
        person = Person(self.there, "eth1")
        self.assertEqual(person.ask("kitchen.local", within=1.0), ())
        self.limit(program, 1024)
        self.assertTrue(person.ask("kitchen.local", within=promised(15.0)))
        self.assert_well(program)

    def started(self, number: int, words: str) -> Program:
        """Start a program that may have so many descriptors, and wait for its end."""
        script = f"ulimit -n {number}; exec {sys.executable} -m {words}"
        program = Program(self.ours.command("sh", "-c", script))
        self.addCleanup(program.end, signal.SIGKILL)
        program.wait()
        self.assertEqual(len(program.lines), 1, program.output)
        self.assertIn("Too many open files", program.output)
        return program

    def test_few_for_the_responder(self) -> None:
        """One line, and status 1."""
        for number in (8, 10, 12):
            self.assertEqual(self.started(number, "twisted mcast mdns").wait(), 1)

    def test_few_for_the_echo(self) -> None:
        for number in (8, 10, 12):
            self.assertEqual(self.started(number, "twisted mcast").wait(), 1)

    def test_few_for_a_command(self) -> None:
        """One line, and status 2, as for every error of a command."""
        for number in (8, 10, 12):
            self.assertEqual(self.started(number, "mcast.cli browse").wait(), 2)


class MembershipTests(HostileTestCase):
    """The system has no more memberships to give."""

    def test_refused_at_first(self) -> None:
        refusals = Refusals(self.folder)
        refusals.refuse(errno.ENOBUFS, "join")
        program = self.responder("--hostname", "kitchen", environment=refusals.environment)
        wait_until(lambda: refusals.count, "a join to be refused")
        refusals.allow()
        program.wait_for("published kitchen")
        self.wait_for_answer(within=promised(15.0))
        self.assert_well(program)


class DiskTests(HostileTestCase):
    """The disk is full."""

    def test_state_file(self) -> None:
        """A name is taken, and kept, though it cannot be remembered."""
        for hostname in ("kitchen", "study", "hall"):
            other = self.responder("--hostname", hostname, host=self.there)
            other.wait_for(f"published {hostname}")
            program = self.unable_to_write(hostname)
            program.wait_for(f"published {hostname}")
            if f"published {hostname}-2" in program.output:
                break
            # The other got no processor for the time of our probes, and the name is ours.
            program.end()
        else:
            self.fail("no name was defended in time")
        self.wait_for_answer(f"{hostname}-2.local")
        program.wait_for("not remembered")  # it is written once a second
        self.assertEqual(program.output.count("not remembered"), 1, program.output)
        self.assert_well(program)

    def unable_to_write(self, hostname: str) -> Program:
        """Start a responder whose state file is on a disk without room."""
        state = self.folder / hostname
        state.mkdir()
        twist = f"{sys.executable} -m twisted --log-format=text mcast mdns --hostname {hostname}"
        fill = f"mount -t tmpfs -o size=4k tmpfs {state} && head -c 4096 /dev/zero >{state}/full"
        program = Program(self.ours.command("sh", "-c", f"{fill}; exec {twist} --state {state}/names"))
        self.addCleanup(program.end)
        return program


class TimeTests(HostileTestCase):
    """Time stands still, or jumps."""

    def test_stopped(self) -> None:
        """Stopped for three seconds it answers as soon as it goes on."""
        program = self.kitchen()
        self.wait_for_answer()
        program.send_signal(signal.SIGSTOP)
        self.assertEqual(self.person.ask("kitchen.local", within=3.0, every=0.01), ())
        program.send_signal(signal.SIGCONT)
        self.wait_for_answer(within=promised(2.0))
        self.assert_well(program)

    def test_clock_is_set(self) -> None:
        """The clock of the day is set back an hour, and on a day: nobody notices."""
        offset = self.folder / "offset"
        offset.write_text("+0")
        library = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"
        program = self.kitchen(
            environment=(
                f"LD_PRELOAD={library}",
                f"FAKETIME_TIMESTAMP_FILE={offset}",
                "FAKETIME_NO_CACHE=1",
                "FAKETIME_DONT_FAKE_MONOTONIC=1",
            )
        )
        for step in ("-3600", "+86400", "+0"):
            offset.write_text(step)
            time.sleep(1.1)  # the same record is not multicast twice in a second
            self.assertTrue(self.person.ask("_http._tcp.local", 12, within=promised(2.0)), step)
        self.assert_well(program)
        self.assert_ends(program)
