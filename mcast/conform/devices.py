"""Devices on a cable: one that is there already, and one that is made to browse."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import Any

from twisted.internet.defer import CancelledError, Deferred

from mcast.conform.bench import START_TIMEOUT
from mcast.conform.hooks import BROWSE, NAME_VARIABLE, REQUESTS, RESTART, Hooks
from mcast.conform.links import InterfaceLink
from mcast.conform.packets import Packet, Sender
from mcast.conform.programs import Program, run_program
from mcast.conform.shown import WAYS, Way
from mcast.conform.subjects import Action, Names
from mcast.conform.verdicts import NotRunError
from mcast.conform.view import View, Wanted
from mcast.dns.codes import RecordType

LOOK_INTERVAL = 0.2
"""Seconds between two looks whether a person has pressed Enter. Our choice: packets are seen at once."""

END_TIMEOUT = 5.0
"""Seconds that the command of a browse is given to end. Our choice: ssh tells the other side."""

TERM, KILL = 15, 9
"""Signals, which Windows has no names for."""


async def seen_or_over(view: View, wanted: Wanted, mark: int, over: Deferred[None]) -> Packet | None:
    """Wait for a packet, or for the end of what should cause it; return the packet."""
    while not over.called:
        found = await view.first(wanted, LOOK_INTERVAL, mark)
        if found is not None:
            return found
    await over
    return None


def _begun(coroutine: Coroutine[Any, Any, None]) -> Deferred[None]:
    return Deferred.fromCoroutine(coroutine)


def _let_go(over: Deferred[None]) -> None:
    """Wait no longer; whatever comes of it is no news."""
    over.addErrback(lambda _: None)


class Device:
    """A device that is there already.

    :param name: for people.
    """

    def __init__(self, reactor: Any, name: str, hooks: Hooks, view: View) -> None:
        self.name = name
        self._reactor = reactor
        self._hooks = hooks
        self._view = view
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

    async def act(self, action: Action, value: str = "") -> None:
        """Have a hook or a person do it.

        A start is over when its first probe is seen: what answers probes cannot wait for a person.
        """
        mark = self._view.mark
        over = _begun(self._do(action, value))
        if action is Action.START:
            if await seen_or_over(self._view, _is_probe, mark, over) is not None:
                # A hook may go on; a question that was answered by what is seen is taken back.
                over.addErrback(lambda failure: failure.trap(CancelledError, NotRunError) and None)
                if self._hooks.of(action) is None:
                    over.cancel()
        else:
            await over
        if action in (Action.STOP, Action.KILL):
            self._is_running = False
        elif action is Action.START:
            self._is_running = True

    async def _do(self, action: Action, value: str) -> None:
        command = self._hooks.of(action)
        if command is not None:
            await run_program(self._reactor, "sh", "-c", command, environment={NAME_VARIABLE: value})
        elif action is Action.KILL and RESTART in self._hooks.commands:
            pass  # the restart that follows ends it
        elif action is Action.RENAME:
            await self._hooks.ask(action, f"give the device the name “{value}”")
        else:
            await self._hooks.ask(action, REQUESTS[action])

    async def close(self) -> None:
        """Leave it as it is."""


def _is_probe(packet: Packet) -> bool:
    return packet.sender is Sender.SUBJECT and packet.is_probe


class BrowsingDevice:
    """A device that a hook or a person has browse; who asks for the type first is the device.

    :param names: with the type that it browses for.
    """

    def __init__(self, reactor: Any, names: Names, hooks: Hooks, link: InterfaceLink, ipv6: bool) -> None:
        assert names.type is not None
        self._kind = names.type
        self.name = f"what browses for {self._kind}"
        self._reactor = reactor
        self._hooks = hooks
        self._link = link
        self._ipv6 = ipv6
        self._program: Program | None = None
        self._is_running = False

    @property
    def actions(self) -> frozenset[Action]:
        can = self._hooks.person is not None and Action.START not in self._hooks.skipped
        if BROWSE in self._hooks.commands or can:
            return frozenset({Action.START, Action.STOP, Action.KILL})
        return frozenset()

    @property
    def is_running(self) -> bool:
        return self._is_running

    @property
    def last_words(self) -> str:
        return next((line.strip() for line in reversed(self.lines) if line.strip()), "")

    @property
    def lines(self) -> Sequence[str]:
        return () if self._program is None else list(self._program.lines)

    @property
    def way(self) -> Way | None:
        return WAYS.get(self._hooks.shows)

    async def act(self, action: Action, value: str = "") -> None:
        """Begin or end a browse.

        :raises NotRunError: nobody does it, or nobody asks for the type.
        """
        if action is Action.START:
            await self._browse()
        elif action in (Action.STOP, Action.KILL):
            await self._end(action)
        else:
            raise NotRunError(f"{action.value} means nothing of what browses")

    async def _browse(self) -> None:
        mark = self._link.view.mark
        command = self._hooks.commands.get(BROWSE)
        over = _begun(self._hook(command) if command is not None else self._person())
        found = await seen_or_over(self._link.view, self._is_first, mark, over)
        if found is None:
            raise NotRunError(f"nobody asks for {self._kind} within {START_TIMEOUT:.0f} s")
        _let_go(over)
        over.cancel()
        self._is_running = True
        self._hooks.meet(found.datagram)
        self._link.adopt(found.datagram.source_mac)

    def _is_first(self, packet: Packet) -> bool:
        mac = packet.datagram.source_mac
        if packet.sender is Sender.JUDGE or packet.is_ipv6 != self._ipv6 or not packet.is_query:
            return False
        if self._hooks.met_mac and mac != self._hooks.met_mac:
            return False
        wanted = (RecordType.PTR, RecordType.ANY)
        return any(each.name == self._kind and each.type in wanted for each in packet.questions)

    async def _hook(self, command: str) -> None:
        """Run the command of a browse, which goes on or not, and give it time to take effect."""
        # A session of its own, so that what a shell starts ends with it.
        self._program = Program(self._reactor, ("setsid", "sh", "-c", command), {})
        if await self._program.until_ended(self._link.view, START_TIMEOUT):
            if self._program.status:
                words = self.last_words or f"status {self._program.status}"
                raise NotRunError(f"--hook {BROWSE}: {words}")
            await self._link.view.sleep(START_TIMEOUT)

    async def _person(self) -> None:
        await self._hooks.ask(Action.START, f"have the device browse for {self._kind} now", BROWSE)
        await self._link.view.sleep(START_TIMEOUT)

    async def _end(self, action: Action) -> None:
        self._is_running = False
        command = self._hooks.commands.get(action.value) or self._hooks.commands.get(Action.STOP.value)
        if command is not None:
            await run_program(self._reactor, "sh", "-c", command)
        elif self._program is None:
            await self._hooks.ask(action, f"have the device browse for {self._kind} no more")
        await self.close()

    async def close(self) -> None:
        """End the command of a browse."""
        program, self._program = self._program, None
        if program is None:
            return
        for number in (TERM, KILL):
            with suppress(OSError):
                program.signal_session(number)
            if await program.until_ended(self._link.view, END_TIMEOUT):
                break
