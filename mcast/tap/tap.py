"""`twist mcast`: options and service.

Without a sub-command it is the echo responder. Each sub-command has a module of its own.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from typing import Any

from twisted.application.service import IService, MultiService
from twisted.internet.error import CannotListenError
from twisted.python.usage import UsageError

from mcast.errors import McastError
from mcast.showing import one_line
from mcast.sockets.spare import RUNNING, require_descriptors
from mcast.tap import notify
from mcast.tap.echo import EchoOptions, make_echo_service
from mcast.tap.hangup import end_quietly, hold_hangups
from mcast.tap.journal import choose_format

SUBCOMMANDS: tuple[tuple[str, str, str], ...] = (
    ("mdns", "mcast.tap.mdns", "Publish this host and services by multicast DNS."),
    ("proxy", "mcast.tap.proxy", "Answer unicast DNS from what is on links."),
    ("bridge", "mcast.tap.bridge", "Carry services from one link to another."),
    ("export", "mcast.tap.export", "Register the services of a link on a DNS server."),
    ("view", "mcast.tap.view", "Show the network as a web page."),
)
"""Name, module and description of each sub-command.

The module has ``Options`` and ``makeService``, as any module of a Twisted plugin has; it is imported when its
sub-command is used.
"""


class Options(EchoOptions):
    """The command line after `twist mcast`."""

    @property
    def subCommands(self) -> Iterable[tuple[str, None, Callable[[], Any], str]]:
        """The sub-commands, as `usage.Options` wants them."""
        return [(name, None, _parser_of(module), description) for name, module, description in SUBCOMMANDS]

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """Parse, and leave with one line and status 1 when something is wrong.

        `twist` alone would print the whole help.

        :raises SystemExit: with that line.
        """
        try:
            super().parseOptions(options)
            choose_format(self.parent, os.environ, sys.argv)
        except UsageError as error:
            # Twisted takes any word that is no option for a sub-command; most likely it is a group.
            unknown = "Unknown command: "
            if str(error).startswith(unknown):
                word, names = str(error).removeprefix(unknown), ", ".join(each for each, _, _ in SUBCOMMANDS)
                error = UsageError(f"{word}: no such sub-command ({names}); name a group by --group {word}")
            raise SystemExit(f"mcast: {error}") from None


def _parser_of(module: str) -> Callable[[], Any]:
    def parser() -> Any:
        # Before the import, in which most of the start is spent.
        hold_hangups()
        return import_module(module).Options()

    return parser


class McastService(MultiService):
    """Runs what the command line asked for; a mistake in it ends the program with one line.

    SIGUSR1 calls ``log_counters`` of each service that has it.
    """

    def __init__(self, reactor: Any) -> None:
        super().__init__()
        self._reactor = reactor
        self._previous_handler: Any = None

    def startService(self) -> None:
        """Start.

        :raises SystemExit: the user or the system is to blame; the message says for what.
        """
        if hasattr(signal, "SIGUSR1"):
            # Before the first line of the log, after which anybody may send it.
            self._previous_handler = signal.signal(signal.SIGUSR1, self._on_signal)
        try:
            super().startService()
            require_descriptors(RUNNING)
        except (McastError, ValueError, OSError, CannotListenError, UsageError) as error:
            self._give_handler_back()
            raise SystemExit(f"mcast: {one_line(error)}") from None

    def stopService(self) -> Any:
        """Stop; fires when every service has stopped."""
        self._give_handler_back()
        return super().stopService()

    def _give_handler_back(self) -> None:
        if hasattr(signal, "SIGUSR1") and self._previous_handler is not None:
            signal.signal(signal.SIGUSR1, self._previous_handler)
            self._previous_handler = None

    def _on_signal(self, number: int, frame: object) -> None:
        # From the reactor, not in the middle of whatever runs now.
        self._reactor.callFromThread(self.log_counters)

    def log_counters(self) -> None:
        """Have each service log what it counted."""
        for service in self:
            report = getattr(service, "log_counters", None)
            if report is not None:
                report()


def makeService(options: Options) -> IService:
    """Return the service that the options describe."""
    # The reactor is chosen by `twist --reactor`, and installed when this is called.
    from twisted.internet import reactor

    # What is loaded stays: each full pass of the collector would look at all of it again, some 30 ms. Where
    # the reactor runs already, the program is another one, and this its own affair.
    reactor.addSystemEventTrigger("after", "startup", gc.freeze)
    end_quietly(reactor)
    service = McastService(reactor)
    if options.subCommand is None:
        child = make_echo_service(reactor, options)
    else:
        module = next(module for name, module, _ in SUBCOMMANDS if name == options.subCommand)
        child = import_module(module).makeService(options.subOptions)
    child.setServiceParent(service)
    if os.environ.get(notify.SOCKET):
        # The last one: the first to stop, which it tells before the others take their time.
        notify.ServiceManager(reactor, os.environ).setServiceParent(service)
    return service
