"""The log as the journal of systemd takes it: a line of text for each event, with its priority before it."""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any, TextIO

from twisted.logger import FileLogObserver, LogEvent, LogLevel, eventAsText

from mcast.showing import shown

STREAM = "JOURNAL_STREAM"
"""Variable of the environment: device and inode of the stream that leads to the journal (systemd.exec(5))."""

FORMAT = "--log-fo"
"""What the option of `twist` begins with, however far it is written out."""

PRIORITIES = {
    LogLevel.debug: 7,
    LogLevel.info: 6,
    LogLevel.warn: 4,
    LogLevel.error: 3,
    LogLevel.critical: 2,
}
"""Of each level the one of syslog, as sd-daemon(3) has it."""


def leads_to_journal(stream: Any, environment: Mapping[str, str]) -> bool:
    """Tell whether what is written to a stream gets into the journal."""
    try:
        status = os.fstat(stream.fileno())
    except (AttributeError, OSError, ValueError):
        return False  # no file of the system, or closed
    return environment.get(STREAM) == f"{status.st_dev}:{status.st_ino}"


def as_lines(event: LogEvent) -> str | None:
    """Return an event as lines for the journal; None for one without text.

    One line a fact. Only a traceback has several, and each has the priority, since the journal takes them one
    by one. The journal knows the time and the program.
    """
    text = eventAsText(event, includeTimestamp=False, includeSystem=False, includeTraceback=False)
    failure = event.get("log_failure")
    if not text and failure is None:
        return None
    lines = [shown(text)] if text else []
    if failure is not None:
        lines += map(shown, failure.getTraceback().splitlines())
    priority = PRIORITIES.get(event.get("log_level"), PRIORITIES[LogLevel.info])
    return "".join(f"<{priority}>{line}\n" for line in lines)


def journal_observer(stream: TextIO) -> FileLogObserver:
    """Return an observer that writes `as_lines` to a stream."""
    return FileLogObserver(stream, as_lines)


def choose_format(
    options: MutableMapping[str, Any] | None, environment: Mapping[str, str], words: Sequence[str]
) -> None:
    """Have `twist` log for the journal where its log gets there and no ``--log-format`` is given.

    :param options: those of `twist`; None when something else parses ours.
    :param words: the command line of `twist`, since its options do not say which of them were given.
    """
    if options is None or "logFile" not in options or any(word.startswith(FORMAT) for word in words):
        return
    if leads_to_journal(options["logFile"], environment):
        options["fileLogObserverFactory"] = journal_observer
        options["logFormat"] = "text"
