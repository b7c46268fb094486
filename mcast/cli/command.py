"""What the sub-commands of `mcast` share: arguments, output, errors, the reactor."""

from __future__ import annotations

import argparse
import gc
import os
import sys
import textwrap
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from types import ModuleType
from typing import Any, NoReturn, TextIO

from mcast.cli.layout import fits, folded, laid_out, terminal_columns
from mcast.errors import McastError
from mcast.showing import one_line, shown, shown_as_json
from mcast.sockets.spare import START, require_descriptors

GOOD = 0
"""Exit status: everything that was expected."""

NOT_ALL = 1
"""Exit status: something, but not all that was expected."""

FAILED = 2
"""Exit status: nothing, or an error; argparse uses the same for its errors."""


CLEAR = "\x1b[H\x1b[J"
"""Cursor to the first line, and everything below it erased (ECMA-48 §8.3.21, §8.3.39)."""


class CommandError(McastError):
    """What keeps a command from its work, in one line for the person who gave it."""


class Output:
    """Standard output, as text for people or as JSON for programs, one object a line.

    Each line is flushed at once: it may be read by a program that waits for it.

    :param columns: tells how wide the terminal is, which may change; None for no terminal, and whole lines.
    """

    def __init__(
        self, stream: TextIO, *, json_lines: bool, columns: Callable[[], int | None] = lambda: None
    ) -> None:
        self._stream = stream
        self._columns = columns
        self._before = ""
        self.json = json_lines
        """Whether the reader wants JSON."""
        self.closed = False
        """Whether the reader has gone."""
        self.on_closed: Callable[[], object] = lambda: None
        """Called once when the reader has gone (``mcast listen … | head``)."""

    def text(self, line: str) -> None:
        """Print one line for people; nothing when the reader wants JSON."""
        if not self.json:
            # Here too, so that no command can forget it; what is escaped already stays as it is.
            line = shown(line)
            columns = self._columns()
            for part in [line] if columns is None else folded(line, columns):
                self._write(part)

    def holds(self, rows: Sequence[Sequence[str]], numbers: Sequence[int] = ()) -> bool:
        """Tell whether a table is not too wide."""
        return fits(rows, self._columns(), numbers)

    def table(self, rows: Sequence[Sequence[str]], *, lead: int, numbers: Sequence[int] = ()) -> None:
        """Print a table for people, or a block for each row where a terminal is too narrow.

        See `mcast.cli.layout.laid_out`.
        """
        for line in laid_out(rows, self._columns(), lead=lead, numbers=numbers):
            self.text(line)

    def height(self, rows: Sequence[Sequence[str]], *, lead: int, numbers: Sequence[int] = ()) -> int:
        """Return how many lines `table` prints for people."""
        columns = self._columns()
        lines = laid_out(rows, columns, lead=lead, numbers=numbers)
        return sum(1 if columns is None else len(list(folded(shown(line), columns))) for line in lines)

    @property
    def is_terminal(self) -> bool:
        """Whether a person looks at a terminal, where what was printed can be replaced."""
        return self._columns() is not None

    def clear(self) -> None:
        """Have the next line be the first one of the terminal, and nothing stand below it."""
        self._before = CLEAR

    def event(self, **fields: Any) -> None:
        """Print one JSON object; nothing when the reader wants text."""
        if self.json:
            self._write(shown_as_json(fields))

    def _write(self, line: str) -> None:
        if self.closed:
            return
        try:
            before, self._before = self._before, ""
            self._stream.write(before + line + "\n")
            self._stream.flush()
        except BrokenPipeError:
            self._give_up()
            self.on_closed()
        except OSError:
            self._give_up()
            raise
        except UnicodeEncodeError:
            encoding = self._stream.encoding
            self._stream.write(line.encode(encoding, "backslashreplace").decode(encoding) + "\n")
            self._stream.flush()

    def _give_up(self) -> None:
        self.closed = True
        # Python flushes standard output once more at exit, and would complain then.
        os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        """Print the error and leave with status 2."""
        self.exit(FAILED, f"{self.prog}: {message}\n")


class Paragraphs(argparse.HelpFormatter):
    """Fits the paragraphs of a description to the terminal; one with indented lines stays as it is."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        paragraphs = text.split("\n\n")
        return "\n\n".join(
            [
                each if "\n " in f"\n{each}" else textwrap.fill(" ".join(each.split()), width)
                for each in paragraphs
            ]
        )


def checked(convert: Callable[[str], Any]) -> Callable[[str], Any]:
    """Make an argument type of a function that raises ValueError with a line for people."""

    def convert_argument(text: str) -> Any:
        try:
            return convert(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return convert_argument


def whole(minimum: int, maximum: int | None = None) -> Callable[[str], int]:
    """Return an argument type: a whole number in a range."""

    def convert(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            raise ValueError(f"{text}: not a whole number") from None
        return int(_in_range(text, number, minimum, maximum))

    return checked(convert)


def decimal(minimum: float, maximum: float | None = None) -> Callable[[str], float]:
    """Return an argument type: a finite number in a range."""

    def convert(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            raise ValueError(f"{text}: not a number") from None
        return _in_range(text, number, minimum, maximum)

    return checked(convert)


def _in_range(text: str, number: float, minimum: float, maximum: float | None) -> float:
    # Written so that "nan", which is neither, is refused.
    if not (number >= minimum and number <= (sys.float_info.max if maximum is None else maximum)):
        limits = f"less than {minimum}" if maximum is None else f"outside {minimum}-{maximum}"
        raise ValueError(f"{text}: {limits}")
    return number


def counted(number: int, noun: str) -> str:
    """Return a number of things in words for people: ``no probes``, ``1 probe``, ``2 probes``."""
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"


def add_interface_argument(parser: argparse.ArgumentParser) -> None:
    """Add the repeatable ``-I``/``--interface``; the list is empty when none is named."""
    parser.add_argument(
        "-I",
        "--interface",
        dest="interfaces",
        metavar="IF",
        action="append",
        default=[],
        help="interface by name, index or address; may be repeated (default: all that are up)",
    )


def tell(command: str, line: str) -> None:
    """Print one line on standard error, for a person who would wonder about silence."""
    print(f"mcast {command}: {shown(line)}", file=sys.stderr)


Run = Callable[[Any, argparse.Namespace, Output], Coroutine[Any, Any, int]]


def configure(parser: argparse.ArgumentParser, command: ModuleType, description: str) -> None:
    """Give a parser the description and the arguments of a sub-command."""
    parser.description = (command.__doc__ or description).strip()
    parser.formatter_class = Paragraphs
    command.configure(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def main_of(command: ModuleType, name: str, description: str, argv: Sequence[str]) -> int:
    """Run one sub-command and return its exit status."""
    parser = Parser(prog=f"mcast {name}")
    configure(parser, command, description)
    try:
        # Intermixed: a word may follow options, as in "mcast send GROUP -c 3 Hello".
        arguments = parser.parse_intermixed_args(argv)
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else FAILED
    output = Output(sys.stdout, json_lines=arguments.json, columns=lambda: terminal_columns(sys.stdout))
    return run_command(name, command.run, arguments, output)


def run_command(name: str, run: Run, arguments: argparse.Namespace, output: Output) -> int:
    """Run a coroutine function in the reactor, and return the exit status.

    Ctrl-C and SIGTERM cancel what the coroutine awaits: it may catch CancelledError, sum up and return a
    status. A program that a script starts in the background is told by the shell to ignore Ctrl-C, and does;
    SIGTERM has the same effect there. An error that it raises becomes one line on standard error, unless it
    is a fault of ours.
    """
    try:
        # Before the reactor, whose own start would end in the middle.
        require_descriptors(START)
    except OSError as problem:
        tell(name, one_line(problem))
        return FAILED
    # Imported late: "mcast ping --help" needs no reactor.
    from twisted.internet import reactor
    from twisted.internet._resolver import GAIResolver
    from twisted.internet.defer import CancelledError, Deferred
    from twisted.internet.error import CannotListenError, ReactorNotRunning

    from mcast.cli.threads import DaemonThreads

    _log_warnings(name)
    status = FAILED
    running: Deferred[int] | None = None

    def start() -> None:
        nonlocal running
        running = Deferred.fromCoroutine(run(reactor, arguments, output))
        output.on_closed = running.cancel
        running.addBoth(finished)

    def finished(result: Any) -> None:
        nonlocal status, running
        running = None
        if isinstance(result, int):
            status = result
        elif result.check(CommandError, OSError, CannotListenError):
            tell(name, one_line(result.value))
        elif not result.check(CancelledError):
            result.printTraceback(sys.stderr)
        with suppress(ReactorNotRunning):  # when it is stopping already, by a signal
            reactor.stop()

    def stopping() -> Deferred[int] | None:
        # Returned, so that the reactor waits until the command has summed up.
        waiting = running
        if waiting is not None:
            waiting.cancel()
        return running

    threads: Any = DaemonThreads()
    # Twisted gives no public name to the resolver that its reactors have.
    any_reactor: Any = reactor
    any_reactor.installNameResolver(GAIResolver(any_reactor, lambda: threads))
    reactor.addSystemEventTrigger("before", "shutdown", stopping)
    reactor.callWhenRunning(start)
    _run(reactor)
    return status


def _run(reactor: Any) -> None:
    # What is loaded stays: each full pass of the collector would look at all of it again, some 30 ms.
    gc.freeze()
    reactor.run()


def _log_warnings(name: str) -> None:
    """Print warnings, and nothing below, as lines on standard error."""
    from twisted.logger import ILogObserver, LogLevel, formatEvent, globalLogBeginner
    from zope.interface import implementer

    @implementer(ILogObserver)
    def observe(event: dict[str, Any]) -> None:
        if event["log_level"] in (LogLevel.warn, LogLevel.error):
            tell(name, formatEvent(event))
        elif event["log_level"] is LogLevel.critical:
            tell(name, formatEvent(event))
            if "log_failure" in event:
                event["log_failure"].printTraceback(sys.stderr)

    globalLogBeginner.beginLoggingTo([observe], redirectStandardIO=False)
