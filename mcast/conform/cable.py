"""A device on a real cable: it acts by a hook, by a person, or not at all."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext, suppress
from typing import Any

from twisted.internet.defer import Deferred

from mcast.conform.bench import Bench
from mcast.conform.links import InterfaceLink
from mcast.conform.packets import Packet, Sender
from mcast.conform.programs import run_program
from mcast.conform.shown import Way
from mcast.conform.subjects import Action, Names
from mcast.conform.verdicts import NotRunError
from mcast.dns.codes import RecordType
from mcast.dns.messages import Question
from mcast.showing import one_line
from mcast.sockets.interface import Interface, interfaces, select_interfaces
from mcast.sockets.packets import open_packet_socket

REQUESTS = {
    Action.START: "switch the device on",
    Action.STOP: "switch the device off in good order",
    Action.KILL: "cut the power of the device",
    Action.UNPLUG: "pull the network cable of the device",
    Action.PLUG: "plug the network cable of the device in again",
    Action.ADDRESS: "give the device a further IPv4 address",
}
"""What a person is asked for."""

MEET_TIMEOUT = 10.0
"""Seconds that a device is looked for. Our choice: some questions, in case one is lost."""


class Hooks:
    """What makes a device act.

    :param commands: shell commands by the name of their action; ``restart`` stands for ``start``, of a device
        that is up too.
    :param ask: tells a person what to do.
    """

    def __init__(self, commands: Mapping[str, str], ask: Callable[[str], None] | None) -> None:
        self.commands = commands
        self.ask = ask

    @staticmethod
    def parse(given: Iterable[tuple[str, str]]) -> dict[str, str]:
        """Return hooks by action.

        :raises ValueError: an action that there is not.
        """
        known = {action.value for action in Action} | {"restart"}
        for action, _ in given:
            if action not in known:
                raise ValueError(f"--hook {action}: an action is one of {', '.join(sorted(known))}")
        return dict(given)

    def of(self, action: Action) -> str | None:
        """Return the command for an action."""
        command = self.commands.get(action.value)
        if command is None and action is Action.START:
            command = self.commands.get("restart")
        return command

    def can(self, action: Action) -> bool:
        """Tell whether an action can be had."""
        # A restart does both at once.
        if action is Action.KILL and "restart" in self.commands:
            return True
        return self.ask is not None or self.of(action) is not None


class Device:
    """A device that is there already.

    :param name: for people.
    """

    def __init__(self, reactor: Any, name: str, hooks: Hooks) -> None:
        self.name = name
        self._reactor = reactor
        self._hooks = hooks
        self._is_running = True

    @property
    def actions(self) -> frozenset[Action]:
        return frozenset(action for action in Action if self._hooks.can(action))

    @property
    def is_running(self) -> bool:
        return self._is_running

    @property
    def last_words(self) -> str:
        return ""

    @property
    def lines(self) -> Sequence[str]:
        return ()

    @property
    def way(self) -> Way | None:
        return None

    async def act(self, action: Action) -> None:
        """Have a hook or a person do it."""
        command = self._hooks.of(action)
        if command is not None:
            await run_program(self._reactor, "sh", "-c", command)
        elif action is Action.KILL and "restart" in self._hooks.commands:
            pass  # the restart that follows ends it
        elif self._hooks.ask is not None:
            self._hooks.ask(f"Please {REQUESTS[action]}, and press Enter.")
            await _enter_pressed(self._reactor)
        else:
            raise NotRunError(f"nobody is there to {REQUESTS[action]}: --hook {action.value}=… does it")
        if action in (Action.STOP, Action.KILL):
            self._is_running = False
        elif action is Action.START:
            self._is_running = True


async def _enter_pressed(reactor: Any) -> None:
    """Wait until a person presses Enter; packets are seen meanwhile."""
    from twisted.internet.interfaces import IReadDescriptor
    from zope.interface import implementer

    pressed: Deferred[None] = Deferred(lambda _: reactor.removeReader(terminal))

    @implementer(IReadDescriptor)
    class Terminal:
        def fileno(self) -> int:
            return sys.stdin.fileno()

        def logPrefix(self) -> str:
            return "terminal"

        def doRead(self) -> None:
            reactor.removeReader(self)
            sys.stdin.readline()
            pressed.callback(None)

        def connectionLost(self, reason: object = None) -> None:
            pass

    terminal = Terminal()
    reactor.addReader(terminal)
    await pressed


def require_frames(interface: str) -> None:
    """Do nothing where whole frames of an interface can be seen.

    :raises NotRunError: they cannot; in one line.
    """
    try:
        select_interfaces([interface], interfaces())
        open_packet_socket(interface, receives=False).close()
    except PermissionError:
        raise NotRunError("whole frames are seen by root only: run it with sudo") from None
    except (OSError, ValueError) as error:
        raise NotRunError(f"{interface}: {one_line(error)}") from None


class CablePlace:
    """An interface of this host and a device on its link."""

    def __init__(
        self,
        reactor: Any,
        interface: str,
        names: Names,
        hooks: Hooks,
        dice: random.Random,
        ipv6: bool = False,
    ) -> None:
        self._reactor = reactor
        self._interface = interface
        self._names = names
        self._device = Device(reactor, str(names.host), hooks)
        self._dice = dice
        self._ipv6 = ipv6
        self._link: InterfaceLink | None = None

    async def open(self) -> Bench:
        """Look at the interface, and meet the device."""
        try:
            (interface,) = select_interfaces([self._interface], interfaces())
            self._link = InterfaceLink(self._reactor, interface.name, [our_addresses(interface)], nullcontext)
        except (OSError, ValueError) as error:
            raise NotRunError(f"{self._interface}: {one_line(error)}") from None
        bench = Bench(self._link.view, self._link, self._device, self._names, self._dice)
        bench.ipv6 = self._ipv6
        found = await self._meet(bench)
        if found is not None:
            self._link.subject_macs.add(found.datagram.source_mac)
            bench.meet(found)
            await bench.view.quiet(2.0)
        else:
            raise NotRunError(f"nobody answers for {self._names.host} on {interface.name}")
        return bench

    async def _meet(self, bench: Bench) -> Packet | None:
        end = bench.now + MEET_TIMEOUT
        host = self._names.host
        while bench.now < end:
            mark = bench.ask(Question(host, RecordType.A), Question(host, RecordType.AAAA))
            found = await bench.view.first(
                lambda each: (
                    each.sender is not Sender.JUDGE
                    and each.is_ipv6 == bench.ipv6
                    and bool(each.answers_of(host))
                ),
                1.5,
                mark,
            )
            if found is not None:
                return found
        return None

    @property
    def lost(self) -> int:
        """Packets of our own that were lost there."""
        return 0 if self._link is None else self._link.lost

    async def close(self) -> None:
        """Close what was opened; the device is left as it is."""
        if self._link is not None:
            self._link.close()


def our_addresses(interface: Interface) -> tuple[str, str]:
    """Return an IPv4 and an IPv6 address of an interface.

    :raises ValueError: it has no IPv4 address.
    """
    ipv4 = [each.address for each in interface.ipv4]
    ipv6 = [each.address for each in interface.ipv6]
    if not ipv4:
        raise ValueError("it has no IPv4 address")
    chosen = ""
    with suppress(StopIteration):
        chosen = str(next(each for each in ipv6 if each.is_link_local))
    return str(ipv4[0]), chosen.partition("%")[0]
