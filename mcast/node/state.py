"""A file that remembers names taken after conflicts (RFC 6762 §9, RFC 6763 Appendix D)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, MutableMapping
from contextlib import suppress
from pathlib import Path

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from mcast.dnssd.files.regular import read_regular
from mcast.dnssd.hosts import checked_host_label
from mcast.dnssd.instances import checked_instance
from mcast.errors import brief

MAX_REMEMBERED = 4096
"""Names remembered; the oldest is forgotten for a new one. Our choice: more than any host publishes."""

SIZE_LIMIT = 8 << 20
"""Octets read. Our choice: `MAX_REMEMBERED` names of the greatest length, each octet escaped."""

KEY_LIMIT = 1100
"""Characters of a key. Our choice: a whole name of 255 octets, each escaped by four characters."""

WRITE_DELAY = 1.0
"""Seconds for which changes are collected before the file is written, where there is a clock.

Our choice: thousands of names that are taken when two networks are joined are written in a few goes; whoever
pulls the plug in this second loses comfort alone.
"""

_NEW_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL
for _name in ("O_NOFOLLOW", "O_CLOEXEC", "O_BINARY"):
    # Not every system has each of them.
    _NEW_FLAGS |= getattr(os, _name, 0)


class StateFile(MutableMapping[str, str]):
    """A mapping kept in a JSON file. Give it to a `Node` as its ``state``.

    Names are remembered for comfort: a file that cannot be read or written is logged, and never an error. One
    that makes no sense is kept beside with ``.bad`` after its name.

    :param clock: a reactor: the file is written `WRITE_DELAY` after a change, and by `save`; without one, at
        each change.
    """

    _log = Logger()

    def __init__(self, path: str | Path, clock: IReactorTime | None = None) -> None:
        self._path = Path(path)
        self._clock = clock
        self._later: IDelayedCall | None = None
        self._told = ""
        self._writable = True
        self._entries: dict[str, str] = {}
        self._read()

    def _read(self) -> None:
        try:
            self._entries = _understood(read_regular(self._path, SIZE_LIMIT))
        except FileNotFoundError:
            pass
        except OSError as problem:
            # It is there, and is not ours: a device for example, which is not to be replaced by a file.
            self._writable = False
            self._tell(problem)
        except (ValueError, RecursionError) as problem:
            self._put_aside(problem)
        if self._writable:
            # Told now rather than at the first conflict, when nobody looks.
            self._try_writing()

    def _put_aside(self, problem: Exception) -> None:
        aside = self._beside(".bad")
        try:
            os.replace(self._path, aside)
        except OSError as refusal:
            self._writable = False
            self._tell(refusal)
            return
        self._log.warn(
            "{path} makes no sense ({cause}): kept as {aside}, starting without it",
            path=str(self._path),
            cause=brief(str(problem) or type(problem).__name__),
            aside=str(aside),
        )

    def _try_writing(self) -> None:
        try:
            with suppress(FileNotFoundError):
                self._beside(".new").unlink()
            os.close(os.open(self._beside(".new"), _NEW_FLAGS, 0o600))
            self._beside(".new").unlink()
        except OSError as problem:
            self._tell(problem)

    def save(self) -> None:
        """Write now what waits to be written."""
        if self._later is not None:
            self._later.cancel()
            self._write_now()

    def _write(self) -> None:
        if self._clock is None:
            self._write_now()
        elif self._later is None:
            self._later = self._clock.callLater(WRITE_DELAY, self._write_now)

    def _write_now(self) -> None:
        self._later = None
        if not self._writable:
            return
        # Written aside and renamed, so that a crash leaves the old file or the new one. What has that name, a
        # link somewhere else for example, is removed and never written to.
        aside = self._beside(".new")
        data = json.dumps(self._entries, ensure_ascii=False, indent=1).encode("utf-8")
        try:
            with suppress(FileNotFoundError):
                aside.unlink()
            with open(os.open(aside, _NEW_FLAGS, 0o600), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(aside, self._path)
            self._sync_folder()
            self._told = ""
        except OSError as problem:
            with suppress(OSError):
                aside.unlink()
            self._tell(problem)

    def _sync_folder(self) -> None:
        """Have the system keep the new name, too; not every system can."""
        with suppress(OSError):
            folder = os.open(self._path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def _beside(self, ending: str) -> Path:
        return self._path.with_name(self._path.name + ending)

    def _tell(self, problem: OSError) -> None:
        """Log, once for each cause, that nothing is remembered."""
        cause = problem.strerror or str(problem)
        if cause != self._told:
            self._told = cause
            self._log.warn(
                "{path}: {cause}; names taken after conflicts are not remembered until it can be written",
                path=str(self._path),
                cause=cause,
            )

    def __repr__(self) -> str:
        return f"StateFile({str(self._path)!r})"

    def __getitem__(self, key: str) -> str:
        return self._entries[key]

    def __setitem__(self, key: str, value: str) -> None:
        while len(self._entries) >= MAX_REMEMBERED and key not in self._entries:
            del self._entries[next(iter(self._entries))]
        self._entries[key] = value
        self._write()

    def __delitem__(self, key: str) -> None:
        del self._entries[key]
        self._write()

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


def _understood(data: bytes) -> dict[str, str]:
    """Return the entries of a file.

    :raises ValueError: it is none that we wrote.
    :raises RecursionError: as well.
    """
    if len(data) > SIZE_LIMIT:
        raise ValueError(f"larger than {SIZE_LIMIT} octets")
    found = json.loads(data)
    if not isinstance(found, dict):
        raise ValueError("no JSON object")
    if len(found) > MAX_REMEMBERED:
        raise ValueError(f"more than {MAX_REMEMBERED} names")
    for key, value in found.items():
        _check(key, value)
    return found


def _check(key: str, value: object) -> None:
    if len(key) > KEY_LIMIT or not isinstance(value, str):
        raise ValueError(f"no name: {brief(key)!r}")
    key.encode("utf-8")
    if key.startswith("host "):
        if checked_host_label(value) != value:
            raise ValueError(f"no label of a host: {value!r}")
    else:
        checked_instance(value)
