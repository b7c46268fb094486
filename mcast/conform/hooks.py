"""What makes a device on a cable act: a command of the person who runs us, or that person, or nobody."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mcast.conform.person import Person
from mcast.conform.subjects import Action
from mcast.conform.verdicts import NotRunError
from mcast.sockets.frames import Datagram

REQUESTS = {
    Action.START: "switch the device on",
    Action.STOP: "switch the device off in good order",
    Action.KILL: "cut the power of the device",
    Action.UNPLUG: "pull the network cable of the device",
    Action.PLUG: "plug the network cable of the device in again",
    Action.ADDRESS: "give the device a further IPv4 address",
    Action.RENAME: "give the device another name",
}
"""What a person is asked for."""

RESTART = "restart"
"""A hook that stands for ``start``, of a device that is up too."""

BROWSE = "browse"
"""A hook that stands for ``start``, of a querier."""

NAME_VARIABLE = "MCAST_NAME"
"""The environment variable that tells a hook the new name."""


class Hooks:
    """What makes a device act, and what is known of the device from one group of checks to the next.

    :param commands: shell commands by the name of their action, or `RESTART` or `BROWSE`.
    :param person: who is asked for what no command does; None where nobody is there.
    :param shows: how the output of `BROWSE` is read (`shown.WAYS`), if it is.
    """

    def __init__(self, commands: Mapping[str, str], person: Person | None, shows: str = "") -> None:
        self.commands = commands
        self.person = person
        self.shows = shows
        self.skipped: set[Action] = set()
        """What the person did not want to do, and is not asked for again."""
        self.met_mac = b""
        """The Ethernet address of the device, once it is known."""
        self.met_address = ""
        """Where it sent from then."""

    def meet(self, datagram: Datagram) -> None:
        """Know the device by what it has sent, unless it is known."""
        if not self.met_mac:
            self.met_mac, self.met_address = datagram.source_mac, datagram.source

    @staticmethod
    def parse(given: Iterable[tuple[str, str]]) -> dict[str, str]:
        """Return hooks by action.

        :raises ValueError: an action that there is not.
        """
        known = {action.value for action in Action} | {RESTART, BROWSE}
        for action, _ in given:
            if action not in known:
                raise ValueError(f"--hook {action}: an action is one of {', '.join(sorted(known))}")
        return dict(given)

    def of(self, action: Action) -> str | None:
        """Return the command for an action."""
        command = self.commands.get(action.value)
        if command is None and action is Action.START:
            command = self.commands.get(RESTART)
        return command

    def can(self, action: Action) -> bool:
        """Tell whether an action can be had."""
        # A restart does both at once.
        if action is Action.KILL and RESTART in self.commands:
            return True
        if self.of(action) is not None:
            return True
        return self.person is not None and action not in self.skipped

    async def ask(self, action: Action, text: str, hook: str = "") -> None:
        """Have the person do something.

        :param hook: what does it without a person, unless it is called as the action is.
        :raises NotRunError: nobody is there, or the person does not want to.
        """
        if self.person is None:
            raise NotRunError(f"nobody is there to {text}: --hook {hook or action.value}=… does it")
        if action in self.skipped or not await self.person.asked(text):
            self.skipped.add(action)
            raise NotRunError(f"skipped at the terminal: {text}")
