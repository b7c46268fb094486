"""A lab: each group of scenarios has a subject of its own in a network namespace, and a bridge to it.

The bridge stands in a second namespace and is where we listen and send, so that the subject's cable can be
pulled without ours being pulled too.
"""

from __future__ import annotations

import itertools
import os
import random
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from mcast.conform import namespaces
from mcast.conform.bench import Bench
from mcast.conform.cancelling import in_any_case
from mcast.conform.links import InterfaceLink
from mcast.conform.presets import Launch
from mcast.conform.programs import Program, run_program
from mcast.conform.shown import WAYS, Way
from mcast.conform.subjects import Action, Names
from mcast.conform.verdicts import NotRunError

STOP_TIMEOUT = 10.0
"""Seconds that a subject is given to say its goodbyes and end. Our choice."""

TERM = 15
KILL = 9
"""Signals as every Linux numbers them; a lab is there only, and Windows lacks their names."""

SUBJECT_MAC = "02:6d:63:00:00:02"
JUDGE_MAC = "02:6d:63:00:00:01"
SUBJECT_IPV4 = "10.77.0.2"
FURTHER_IPV4 = "10.77.0.22"
"""The address that a subject takes beside its first one."""
OUR_ADDRESSES = (("10.77.0.1", "fe80::6d63:1"), ("10.77.0.3", "fe80::6d63:3"), ("10.77.0.4", "fe80::6d63:4"))

BUILD = """
ip netns add {judge}
ip netns add {subject}
for ns in {judge} {subject}; do
  ip netns exec $ns sh -c 'cd /proc/sys/net/ipv6/conf; for part in all default; do
    echo 0 >$part/accept_dad; echo 0 >$part/disable_ipv6; echo 0 >$part/router_solicitations; done
    echo 1 >default/addr_gen_mode'
  ip -n $ns link set lo up
done
ip -n {judge} link add br0 address {our_mac} type bridge mcast_snooping 0 stp_state 0 forward_delay 0
ip -n {judge} link add port0 type veth peer name eth0 address {subject_mac} netns {subject}
ip -n {judge} link set port0 master br0 up
ip -n {judge} link set br0 up
{ours}
ip -n {subject} link set eth0 up
ip -n {subject} addr add 10.77.0.2/24 brd + dev eth0
ip -n {subject} addr add fd77::2/64 dev eth0 nodad
ip -n {subject} addr add fe80::6d63:2/64 dev eth0 nodad
ip -n {subject} route add default via 10.77.0.1
ip -n {subject} route add default via fe80::6d63:1 dev eth0
i=0
while ! ip -n {subject} link show eth0 | grep -q LOWER_UP && [ $i -lt 50 ]; do sleep 0.1; i=$((i+1)); done
"""

_serial = itertools.count(1)


class LabPlace:
    """Two namespaces, a link between them, and the subject.

    :param launch: makes the command line of the subject, given an empty folder.
    """

    def __init__(
        self,
        reactor: Any,
        name: str,
        names: Names,
        launch: Callable[[Path], Launch],
        dice: random.Random,
        ipv6: bool = False,
    ) -> None:
        self._reactor = reactor
        self._name = name
        self._names = names
        self._launch = launch
        self._dice = dice
        self._ipv6 = ipv6
        base = f"{namespaces.PREFIX}{os.getpid()}-{next(_serial)}"
        self._judge, self._subject = f"{base}-j", f"{base}-s"
        self._folder = tempfile.TemporaryDirectory(prefix="mcast-conform-")
        self._link: InterfaceLink | None = None
        self.subject: LabSubject | None = None

    async def open(self) -> Bench:
        """Build it all; the subject is not started yet."""
        ours = "\n".join(
            f"ip -n {self._judge} addr add {ipv4}/24 brd + dev br0\n"
            f"ip -n {self._judge} addr add {ipv6}/64 dev br0 nodad"
            for ipv4, ipv6 in OUR_ADDRESSES
        )
        script = BUILD.format(
            judge=self._judge, subject=self._subject, our_mac=JUDGE_MAC, subject_mac=SUBJECT_MAC, ours=ours
        )
        # What is taken down while the script still builds it would stay.
        await in_any_case(run_program(self._reactor, "sh", "-ec", script))
        link = InterfaceLink(self._reactor, "br0", OUR_ADDRESSES, lambda: namespaces.inside(self._judge))
        self._link = link
        link.subject_macs.add(bytes.fromhex(SUBJECT_MAC.replace(":", "")))
        launch = self._launch(Path(self._folder.name))
        self.subject = LabSubject(self._reactor, self._name, (self._judge, self._subject), launch, link)
        bench = Bench(link.view, link, self.subject, self._names, self._dice)
        bench.ipv6 = self._ipv6
        bench.is_lab = True
        return bench

    @property
    def lost(self) -> int:
        """Packets of our own that were lost there."""
        return 0 if self._link is None else self._link.lost

    async def close(self) -> None:
        """End the subject and delete everything."""
        if self.subject is not None:
            with suppress(NotRunError):
                await self.subject.act(Action.KILL)
        if self._link is not None:
            self._link.close()
        await namespaces.delete(self._reactor, self._subject, self._judge)
        self._folder.cleanup()


class LabSubject:
    """A program in a namespace of its own.

    :param spaces: the names of our namespace and of its own.
    """

    def __init__(
        self, reactor: Any, name: str, spaces: tuple[str, str], launch: Launch, link: InterfaceLink
    ) -> None:
        self.name = name
        self.output: list[str] = []
        """The last lines that it wrote, for who wonders why it ended."""
        self._reactor = reactor
        self._judge, self._space = spaces
        self._launch = launch
        self._link = link
        self._program: Program | None = None
        self._changed = False

    @property
    def actions(self) -> frozenset[Action]:
        return frozenset(Action) - ({Action.RENAME} if self._launch.rename is None else set())

    @property
    def is_running(self) -> bool:
        return self._program is not None and self._program.is_running

    @property
    def last_words(self) -> str:
        return next((line.strip() for line in reversed(self.lines) if line.strip()), "")

    @property
    def lines(self) -> Sequence[str]:
        return self.output if self._program is None else list(self._program.lines)

    @property
    def way(self) -> Way | None:
        return WAYS.get(self._launch.shows)

    async def act(self, action: Action, value: str = "") -> None:
        """Do one of everything that a lab can do."""
        if action is Action.START:
            await self._start()
        elif action is Action.STOP:
            await self._end(TERM)
        elif action is Action.KILL:
            await self._end(KILL)
        elif action is Action.ADDRESS:
            self._changed = True
            await self._ip(self._space, "addr", "add", f"{FURTHER_IPV4}/24", "brd", "+", "dev", "eth0")
            await self._ip(self._space, "addr", "add", "fd77::22/64", "dev", "eth0", "nodad")
        elif action is Action.RENAME:
            if self._launch.rename is not None:
                self._launch.rename(value)
        else:
            self._changed = True
            await self._ip(self._judge, "link", "set", "port0", "up" if action is Action.PLUG else "down")

    async def _ip(self, space: str, *words: str) -> None:
        await run_program(self._reactor, "ip", "-n", space, *words)

    async def _start(self) -> None:
        if self.is_running:
            await self._end(KILL)
        if self._changed:
            self._changed = False
            await self._ip(self._judge, "link", "set", "port0", "up")
            for address in (f"{FURTHER_IPV4}/24", "fd77::22/64"):
                with suppress(NotRunError):  # it was not added
                    await self._ip(self._space, "addr", "del", address, "dev", "eth0")
        words = ("ip", "netns", "exec", self._space, *self._launch.words)
        self._program = Program(self._reactor, words, self._launch.environment)

    async def _end(self, number: int) -> None:
        program = self._program
        if program is None:
            return
        for pid in namespaces.processes_in(self._space):
            with suppress(OSError):
                os.kill(pid, number)
        if not await program.until_ended(self._link.view, STOP_TIMEOUT) or number == KILL:
            program.signal(KILL)
            for pid in namespaces.processes_in(self._space):
                with suppress(OSError):
                    os.kill(pid, KILL)
            await program.until_ended(self._link.view, STOP_TIMEOUT)
        self.output = list(program.lines)
        self._program = None
