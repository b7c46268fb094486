"""Network namespaces on Linux: made, entered for a moment, and deleted in any case."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from mcast.conform.programs import find_program, run_program
from mcast.conform.verdicts import NotRunError

PREFIX = "mcast-conform-"
"""What the names of our namespaces begin with; the process id follows."""

FOLDER = Path("/run/netns")
"""Where ``ip netns`` keeps its names."""

PRIORITY = -15
"""The niceness of a lab, and of its subjects, which inherit it. Our choice: before whatever else runs,
so that delays are those of the subject."""

AUTOGROUP = Path("/proc/self/autogroup")
"""What Linux tells of a session as a group of programs, and where its niceness is set (sched(7))."""

_CLONE_NEWNET = 0x40000000


def require_namespaces() -> None:
    """Do nothing where there can be network namespaces.

    :raises NotRunError: there can be none; in one line.
    """
    if sys.platform != "linux":
        raise NotRunError("the lab is made of network namespaces, which only Linux has")
    if os.geteuid() != 0:
        raise NotRunError("the lab is made of network namespaces, and these need root: run it with sudo")
    find_program("ip")
    find_program("setpriv")


@contextmanager
def going_first() -> Iterator[None]:
    """Run this program, and what it starts, before other programs for a while.

    Linux shares processors out between sessions first, where it has autogroups, and between the programs of a
    session by their niceness then: the session is given the priority too, and loses it in the end. It keeps
    what it had before: of several labs in a session, only the first has that to give back.
    """
    if sys.platform == "linux":
        with suppress(OSError):  # a container may not be allowed to
            os.setpriority(os.PRIO_PROCESS, 0, PRIORITY)
    before = session_niceness()
    set_session_niceness(PRIORITY)
    try:
        yield
    finally:
        if before is not None and before != PRIORITY:
            set_session_niceness(before)


def session_niceness() -> int | None:
    """Return the niceness of our session among others (sched(7)); None where there is no such thing."""
    with suppress(OSError, ValueError):
        return int(AUTOGROUP.read_text(encoding="ascii").rpartition("nice")[2])
    return None


def set_session_niceness(niceness: int) -> None:
    """Set the niceness of our session among others, where that can be done."""
    if AUTOGROUP.exists():
        with suppress(OSError):
            AUTOGROUP.write_text(str(niceness), encoding="ascii")


@contextmanager
def inside(namespace: str) -> Iterator[None]:
    """Be in a namespace for a while: sockets made meanwhile are its sockets, and stay so."""
    if sys.platform == "win32":
        raise NotImplementedError("network namespaces are Linux's")
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        there = os.open(FOLDER / namespace, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _enter(there)
        finally:
            os.close(there)
        try:
            yield
        finally:
            _enter(before)
    finally:
        os.close(before)


def _enter(descriptor: int) -> None:
    # os.setns came with Python 3.12.
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, _CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def processes_in(namespace: str) -> list[int]:
    """Return the ids of the processes of a namespace."""
    with suppress(OSError):
        there = (FOLDER / namespace).stat()
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with suppress(OSError):
                    its = (entry / "ns/net").stat()
                    if (its.st_dev, its.st_ino) == (there.st_dev, there.st_ino):
                        found.append(int(entry.name))
        return [pid for pid in found if pid != os.getpid()]
    return []


async def delete(reactor: Any, *namespaces: str) -> None:
    """Delete namespaces, as far as there are any."""
    for name in namespaces:
        if (FOLDER / name).exists():
            with suppress(NotRunError):
                await run_program(reactor, "ip", "netns", "del", name)


async def delete_leftovers(reactor: Any) -> None:
    """Delete the namespaces of runs that were killed."""
    if FOLDER.is_dir():
        for each in sorted(FOLDER.iterdir()):
            pid = each.name.removeprefix(PREFIX).partition("-")[0]
            if each.name.startswith(PREFIX) and pid.isdigit() and not Path("/proc", pid).exists():
                await delete(reactor, each.name)
