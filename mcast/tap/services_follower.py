"""Files of services, and folders of them, that are followed as they change."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from twisted.application.service import Service
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from mcast.clock import clock_of
from mcast.errors import ServicesFileError
from mcast.node.node import Node
from mcast.tap.followed_file import FollowedFile
from mcast.tap.slices import Slices

POLL_INTERVAL = 2.0
"""Seconds between two looks at a file. Our choice: a person who saves a file sees the effect at once."""

ENDINGS = (".service", ".toml")
"""Of the files that count in a folder; Avahi reads those that end in ``.service``."""

MAX_FILES = 1024
"""Files of a folder. Our choice: more than any host has services; others are passed over, which is logged."""


class ServicesFollower(Service):
    """Publishes what a file says while it runs, or what the files of a folder say.

    :param followed: the file or folder, as `read_followed` returned it.
    """

    def __init__(self, reactor: Any, node: Node, followed: FollowedFile | FollowedFolder) -> None:
        self._clock = clock_of(reactor)
        self._timer: IDelayedCall | None = None
        self._node = node
        self._slices = Slices(self._clock)
        self._followed = followed

    def startService(self) -> None:
        """Publish what the file says, and begin to follow it."""
        super().startService()
        self._followed.publish(self._node, self._slices)
        self._slices.work()
        self._timer = self._clock.callLater(POLL_INTERVAL, self._poll)

    def stopService(self) -> None:
        """Follow the file no more; the node withdraws what is published."""
        super().stopService()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._slices.pause()

    def read_again(self) -> None:
        """Read the file, and publish what it says now; while it has a fault, all stays as it is."""
        self._followed.read_again(self._node, self._slices)
        self._slices.work()

    def _poll(self) -> None:
        self._timer = self._clock.callLater(POLL_INTERVAL, self._poll)
        self._followed.look(self._node, self._slices)
        self._slices.work()


class FollowedFolder:
    """What the files of a folder say, published by a node.

    As with Avahi, a file with a fault keeps no other from being published, and what a removed file said is
    withdrawn.

    :param hostname: the host's label, for ``%h`` in the files.
    """

    _log = Logger()

    def __init__(self, path: Path, hostname: str) -> None:
        self._path = path
        self._hostname = hostname
        self._files: dict[str, FollowedFile] = {}
        self._told = ""

    @property
    def hostname(self) -> str | None:
        """The label that the host is to have, as the first file says that names one."""
        named = (file.hostname for file in self._files.values())
        return next((hostname for hostname in named if hostname is not None), None)

    def load(self) -> None:
        """Read all files for the first time; log what faults they have.

        :raises OSError: the folder cannot be read.
        """
        for name in self._names():
            self._add(name)

    def publish(self, node: Node, slices: Slices) -> None:
        """Publish what the files say."""
        for file in self._files.values():
            file.publish(node, slices)

    def look(self, node: Node, slices: Slices) -> None:
        """Follow what has come, changed or gone."""
        for file in self._follow(node, slices):
            file.look(node, slices)

    def read_again(self, node: Node, slices: Slices) -> None:
        """Read all files, whether they look changed or not."""
        for file in self._follow(node, slices):
            file.read_again(node, slices)

    def _follow(self, node: Node, slices: Slices) -> tuple[FollowedFile, ...]:
        """Publish what new files say, withdraw what removed ones said, and return those that stay."""
        try:
            names = self._names()
        except OSError as problem:
            self._tell(f"{self._path}: {problem.strerror}; what its files said stays published")
            return ()
        for name in self._files.keys() - set(names):
            self._log.info("{path} is gone, and withdrawn", path=str(self._path / name))
            self._files.pop(name).withdraw(node, slices)
        staying = tuple(self._files.values())
        for name in names:
            if name not in self._files:
                self._log.info("{path} is new", path=str(self._path / name))
                self._add(name).publish(node, slices)
        return staying

    def _add(self, name: str) -> FollowedFile:
        file = self._files[name] = FollowedFile(self._path / name, self._hostname)
        try:
            file.load()
        except ServicesFileError as problem:
            self._log.error("{problem}; nothing of it is published", problem=str(problem))
        except OSError as problem:
            self._log.error(
                "{path}: {cause}; nothing of it is published",
                path=str(self._path / name),
                cause=problem.strerror,
            )
        return file

    def _names(self) -> list[str]:
        """Return the names of the files that count, sorted.

        :raises OSError: the folder cannot be read.
        """
        names = _service_files(self._path)
        if len(names) > MAX_FILES:
            self._tell(f"{self._path}: {len(names)} files; those after the first {MAX_FILES} are passed over")
            return names[:MAX_FILES]
        self._told = ""
        return names

    def _tell(self, problem: str) -> None:
        """Log a problem, once while it lasts."""
        if problem != self._told:
            self._told = problem
            self._log.error("{problem}", problem=problem)


def read_followed(path: str, hostname: str) -> FollowedFile | FollowedFolder:
    """Read a file, which must be without a fault now, or the files of a folder, to follow them.

    :param hostname: the host's label, for ``%h`` in the files.
    :raises OSError: the file or folder cannot be read.
    :raises ServicesFileError: naming file, line and fault.
    """
    kind = FollowedFolder if os.path.isdir(path) else FollowedFile
    followed = kind(Path(path), hostname)
    followed.load()
    return followed


def _service_files(folder: Path) -> list[str]:
    """Return the names of the files in a folder that are read, sorted.

    :raises OSError: the folder cannot be read.
    """
    return sorted(
        [name for name in os.listdir(folder) if name.endswith(ENDINGS) and not name.startswith(".")]
    )
