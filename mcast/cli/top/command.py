"""Show what is on the network, live: services, hosts, packets, breaches of RFC 6762, echo groups, and a log.

The keys stand in the last line; ? tells all of them. --record writes what is seen to a file, which --replay
plays; without a terminal, --json prints the same stream.

exit status: 0 until the end, 2 error
"""

from __future__ import annotations

import argparse
import os
import stat
import sys
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from io import StringIO
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO

from twisted.internet.defer import CancelledError, Deferred

from mcast.cli.command import GOOD, CommandError, Output, add_interface_argument, checked, decimal
from mcast.cli.groups import parse_group, sending_interfaces
from mcast.cli.top.data import Data
from mcast.cli.top.looking import Actions, Playing
from mcast.cli.top.program import Program
from mcast.cli.top.recorded import Player, Recorder, read_lines
from mcast.cli.top.views import VIEWS
from mcast.cli.writing import writable
from mcast.clock import clock_of
from mcast.live.recording import DAMAGE
from mcast.showing import one_line
from mcast.sockets.group import Group
from mcast.sockets.interface import Interface

if TYPE_CHECKING:
    from mcast.cli.top.live import Live
    from mcast.cli.top.terminal import Terminal
    from mcast.node.network import Network
    from mcast.node.node import Node

DRAW_DELAY = 0.1
"""Seconds from a change to the screen that shows it. Our choice: at once for a person."""

DRAW_INTERVAL = 0.5
"""Seconds between two screens that show changes; keys are not waited for. Our choice: cheap in a storm."""

FADE_INTERVAL = 1.0
"""Seconds between two screens when nothing happens: ages grow, marks fade, the clock goes. Our choice."""

GROUPS = ("224.0.0.123", "ff02::123")
"""The groups of ``twist mcast``, which are pinged while the view of groups is shown."""

VIEW_NAMES = [view.name.lower() for view in VIEWS]

KEPT_LINES = 20
"""Lines of warnings that are printed when the screen is gone. Our choice: the latest of them."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``mcast top``."""
    add_interface_argument(parser)
    parser.add_argument("--no-ipv4", action="store_true", help="IPv6 only")
    parser.add_argument("--no-ipv6", action="store_true", help="IPv4 only")
    parser.add_argument(
        "-g",
        "--group",
        dest="groups",
        metavar="GROUP[:PORT]",
        action="append",
        type=parse_group,
        help=f"echo group to ping in the view of groups; may be repeated (default: {' and '.join(GROUPS)})",
    )
    parser.add_argument(
        "--view", choices=VIEW_NAMES, default=VIEW_NAMES[0], help="the view to begin with (default: services)"
    )
    parser.add_argument(
        "--record", metavar="FILE", type=checked(writable), help="write what is seen to a file"
    )
    parser.add_argument("--replay", metavar="FILE", help="play such a file instead of looking at the network")
    parser.add_argument(
        "--speed", type=decimal(0.125, 64), default=1.0, help="of the replay, 0.125-64 (default: 1)"
    )


async def run(
    reactor: Any, arguments: argparse.Namespace, output: Output, network: Network | None = None
) -> int:
    """Run ``mcast top``; return the exit status."""
    if arguments.record is not None and (arguments.replay is not None or output.json):
        other = "--replay" if arguments.replay is not None else "--json"
        raise CommandError(f"--record and {other} together: one of them is enough")
    if output.json:
        return await _print_stream(reactor, arguments, output, network)
    _check_terminal()
    for path in (arguments.replay, arguments.record):
        if path is not None:
            _check_no_pipe(path)
    if arguments.replay is not None:
        with _opened(arguments.replay) as stream:
            return await _replay(reactor, arguments, stream)
    return await _watch(reactor, arguments, network)


def _check_terminal() -> None:
    """Refuse what is no terminal, and a machine without urwid, before anything is opened.

    :raises CommandError: naming the mend.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise CommandError(
            "needs a terminal; without one, --json prints what is seen, and mcast browse --follow services"
        )
    try:
        import urwid  # noqa: F401
    except ImportError:
        raise CommandError('needs urwid: pip install "txmcast[top]"') from None


class _Screen:
    """The program on its terminal, drawn when something has changed and not too often."""

    def __init__(self, reactor: Any, program: Callable[[Actions], Program], **actions: Any) -> None:
        from mcast.cli.top.terminal import Terminal

        self.done: Deferred[None] = Deferred()
        self._clock = clock_of(reactor)
        self._terminal: Terminal = Terminal(reactor, self._lines, self._key, self._failed)
        self.program = program(
            Actions(quit=self._quit, copy=self._terminal.copy, redraw=self._terminal.redraw, **actions)
        )
        self._timer: Any = None
        self._fading: Any = None
        self._drawn_at = float("-inf")
        self._tick: Callable[[], object] = lambda: None

    def start(self, tick: Callable[[], object]) -> None:
        """Show it; ``tick`` is called before each screen that shows nothing but the time."""
        self._tick = tick
        self._terminal.start()
        self._fade()

    def stop(self) -> None:
        """Give the terminal back."""
        for timer in (self._timer, self._fading):
            if timer is not None and timer.active():
                timer.cancel()
        self._terminal.stop()

    def changed(self) -> None:
        """Draw soon."""
        if self._timer is None:
            delay = max(DRAW_DELAY, self._drawn_at + DRAW_INTERVAL - self._clock.seconds())
            self._timer = self._clock.callLater(delay, self._draw)

    def _draw(self) -> None:
        self._timer = None
        self._drawn_at = self._clock.seconds()
        self._tick()
        try:
            self._terminal.draw()
        except Exception as error:
            self._failed(error)

    def _fade(self) -> None:
        self._fading = self._clock.callLater(FADE_INTERVAL, self._fade)
        if self._timer is None:
            self._draw()

    def _lines(self, columns: int, lines: int) -> Any:
        return self.program.draw(columns, lines, self._clock.seconds())

    def _key(self, key: str) -> None:
        self.program.key(key)

    def _quit(self) -> None:
        if not self.done.called:
            self.done.callback(None)

    def _failed(self, error: BaseException) -> None:
        if not self.done.called:
            self.done.errback(error)


async def _watch(reactor: Any, arguments: argparse.Namespace, network: Network | None) -> int:
    data = Data()
    watching = _Watching(reactor, arguments, network, data)
    screen = _Screen(
        reactor,
        lambda actions: _program(data, actions),
        look_at=watching.look_at,
        connect=watching.connect,
    )
    watching.screen = screen
    try:
        await _shown(screen, arguments.view, watching.tick, watching.begin)
    finally:
        await watching.end()
    return GOOD


class _Watching:
    """Watches the network from when the first screen is there, since that takes a while to begin."""

    def __init__(
        self, reactor: Any, arguments: argparse.Namespace, network: Network | None, data: Data
    ) -> None:
        self.screen: _Screen | None = None
        self._reactor = reactor
        self._arguments = arguments
        self._network = network
        self._data = data
        self._node: Node | None = None
        self._live: Live | None = None
        self._stream: TextIO | None = None

    def begin(self) -> None:
        """Start the node.

        :raises CommandError: as `started_node`, and when the file cannot be written.
        """
        from mcast.cli.finding import started_node
        from mcast.cli.top.echoes import Echoes
        from mcast.cli.top.live import Live

        screen, arguments = self.screen, self._arguments
        assert screen is not None
        targets = _targets(arguments.groups, arguments.interfaces)
        self._node = started_node(self._reactor, arguments, self._network, patient=True)
        echoes = Echoes(self._reactor, targets, self._heard_groups, screen.program.note)
        self._live = Live(self._reactor, self._node, self._data, screen.changed, echoes)
        if arguments.record is not None:
            self._stream = _created(arguments.record)
            self._live.recorder = Recorder(self._stream)
            self._live.on_recorded = screen.program.end_recording
            screen.program.recording = arguments.record
        self._live.start()
        screen.program.show_view(VIEW_NAMES.index(arguments.view))

    async def end(self) -> None:
        """Stop it."""
        if self._live is not None:
            waiting = self._live.stop()
            if waiting is not None:
                await waiting
        if self._node is not None:
            await self._node.stopService()
        if self._stream is not None:
            self._stream.close()

    def tick(self) -> None:
        """Let time pass on the screen."""
        if self._live is not None:
            self._live.tick()

    def look_at(self, view: str, key: str | None) -> None:
        """Ask no more than what is looked at needs."""
        if self._live is not None:
            self._live.look_at(view, key)

    def connect(self, key: str) -> None:
        """Try to connect to a service."""
        if self._live is not None:
            self._live.connect(key)

    def _heard_groups(self, groups: dict[str, Any]) -> None:
        if self._live is not None:
            self._live.groups(groups)


def _program(data: Data, actions: Actions, playing: Playing | None = None) -> Program:
    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    return Program(data, actions, playing=playing, ascii_only=encoding != "utf8")


async def _shown(
    screen: _Screen, view: str, tick: Callable[[], object], begin: Callable[[], object] = lambda: None
) -> None:
    """Show a screen until a person ends it.

    :param begin: called when the first one is there.
    """
    with _collected(screen.program.note):
        try:
            screen.program.show_view(VIEW_NAMES.index(view))
            screen.start(tick)
            begin()
            screen.changed()
            await screen.done
        except CancelledError:
            pass
        finally:
            screen.stop()


async def _replay(reactor: Any, arguments: argparse.Namespace, stream: BinaryIO) -> int:
    clock = clock_of(reactor)
    data = Data()
    playing = Playing(speed=arguments.speed)
    try:
        player = Player(read_lines(stream), data, playing)
        screen = _Screen(reactor, lambda actions: _program(data, actions, playing))
        replay = _Replay(clock, player, playing, data, screen)
        await _shown(screen, arguments.view, replay.tick)
    except DAMAGE as error:
        reason = str(error) if isinstance(error, ValueError) else "not in the format of a recording"
        raise CommandError(f"{arguments.replay}: {reason}") from None
    return GOOD


class _Replay:
    """The time of a replay: it goes as fast as a person wants, and stands still while he does."""

    def __init__(self, clock: Any, player: Player, playing: Playing, data: Data, screen: _Screen) -> None:
        self._clock = clock
        self._player = player
        self._playing = playing
        self._data = data
        self._screen = screen
        self._at = clock.seconds()
        self._left = player.wait
        self._timer = clock.callLater(REPLAY_INTERVAL, self._go)
        screen.done.addBoth(self._end)

    def tick(self) -> None:
        """Nothing to do: time goes in steps of its own."""

    def _end(self, result: Any) -> Any:
        if self._timer.active():
            self._timer.cancel()
        return result

    def _go(self) -> None:
        now = self._clock.seconds()
        passed, self._at = (now - self._at) * self._playing.speed, now
        try:
            if self._advance(passed):
                self._screen.changed()
        except DAMAGE as error:
            if not self._screen.done.called:
                self._screen.done.errback(error)
            return
        self._timer = self._clock.callLater(REPLAY_INTERVAL, self._go)

    def _advance(self, passed: float) -> bool:
        playing = self._playing
        if playing.steps:
            playing.steps -= 1
            self._player.play()
            self._left = self._player.wait
            return True
        if playing.paused or self._left is None:
            return False
        for _ in range(MAX_STEPS):
            if self._left is None or self._left > passed:
                break
            passed -= self._left
            self._player.play()
            self._left = self._player.wait
        if self._left is not None:
            self._left -= passed
            self._data.now += passed
        return True


REPLAY_INTERVAL = 0.1
"""Seconds between two looks at what is to be played. Our choice: twice as often as the screen is drawn."""

MAX_STEPS = 1000
"""Steps of a recording that are played in one go. Our choice: keys are heard, whatever a file says."""


async def _print_stream(
    reactor: Any, arguments: argparse.Namespace, output: Output, network: Network | None
) -> int:
    """Print the stream of the model for programs."""
    from mcast.cli.finding import started_node
    from mcast.cli.top.live import Live

    if arguments.replay is not None:
        raise CommandError("--json and --replay together: the file has these lines already")
    node: Node = started_node(reactor, arguments, network, patient=True)
    live = Live(reactor, node, Data(), lambda: None)
    done: Deferred[None] = Deferred()
    live.recorder = _Printer(output)
    live.start()
    try:
        await done
    except CancelledError:
        pass
    finally:
        live.stop()
        await node.stopService()
    return GOOD


class _Printer(Recorder):
    """Prints the documents of the model, and nothing else."""

    def __init__(self, output: Output) -> None:
        super().__init__(StringIO())
        self._output = output

    def document(self, document: dict[str, Any]) -> None:
        self._output.event(**document)

    def packet(self, packet: Any) -> None:
        pass


def _targets(
    groups: Sequence[Group] | None, selectors: Sequence[str]
) -> list[tuple[Group, Sequence[Interface]]]:
    """Return the echo groups and the interfaces by which each is asked.

    :raises CommandError: one that a person has named cannot be asked.
    """
    found: list[tuple[Group, Sequence[Interface]]] = []
    for group in groups or [parse_group(text) for text in GROUPS]:
        try:
            found.append((group, sending_interfaces(group, selectors)))
        except CommandError:
            if groups:
                raise
    return found


@contextmanager
def _collected(note: Callable[[str], object]) -> Any:
    """Keep what is printed on standard error off the screen: it is noted there, and printed afterwards."""
    before, kept = sys.stderr, _Notes(note)
    sys.stderr = kept
    try:
        yield
    finally:
        sys.stderr = before
        for line in kept.lines[-KEPT_LINES:]:
            print(line, file=before)


class _Notes(StringIO):
    """Standard error while the screen is shown."""

    def __init__(self, note: Callable[[str], object]) -> None:
        super().__init__()
        self.lines: list[str] = []
        self._note = note
        self._begun = ""

    def write(self, text: str) -> int:
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            self._note(line)
            self.lines.append(line)
        del self.lines[:-KEPT_LINES]
        return len(text)


def _check_no_pipe(path: str) -> None:
    """Refuse a pipe: while the other side is waited for nothing is heard, no key and no signal.

    :raises CommandError: it is one.
    """
    if os.path.exists(path) and stat.S_ISFIFO(os.stat(path).st_mode):
        raise CommandError(f"{path}: a pipe; a recording is in a file")


def _created(path: str) -> TextIO:
    try:
        return open(path, "w", encoding="ascii")
    except OSError as error:
        raise CommandError(f"{path}: {one_line(error)}") from None


def _opened(path: str) -> BinaryIO:
    try:
        if os.path.isdir(path):
            raise IsADirectoryError(21, "Is a directory")
        return open(path, "rb")
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from None
