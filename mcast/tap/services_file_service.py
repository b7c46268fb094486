"""A file of services that is published, and followed as it changes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from twisted.application.service import Service as TwistedService
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from mcast.dns.names import Name
from mcast.dnssd.files.contents import ServicesFile
from mcast.dnssd.files.read import read_services
from mcast.dnssd.service import Service
from mcast.dnssd.types import ServiceType
from mcast.errors import ServicesFileError
from mcast.node.node import Node
from mcast.node.registrations import SERVICE_DETAILS, ServiceRegistration

POLL_INTERVAL = 2.0
"""Seconds between two looks at a file. Our choice: a person who saves a file sees the effect at once."""

Key = tuple[str | None, ServiceType, Name, int]
Stamp = tuple[int, int, int]


class ServicesFollower(TwistedService):
    """Publishes what a file says while it runs.

    :param hostname: the host's label, for ``%h`` in the file.
    :raises OSError: the file cannot be read.
    :raises ServicesFileError: naming file, line and fault.
    """

    _log = Logger()

    def __init__(self, reactor: Any, node: Node, path: str, hostname: str) -> None:
        self._reactor = reactor
        self._node = node
        self._path = Path(path)
        self._hostname = hostname
        self._stamp = self._look()
        self._contents = read_services(path, hostname)
        self._published: dict[Key, ServiceRegistration] = {}
        self._timer: IDelayedCall | None = None

    def startService(self) -> None:
        """Publish what the file says, and begin to follow it."""
        super().startService()
        self._apply(self._contents)
        self._timer = self._reactor.callLater(POLL_INTERVAL, self._poll)

    def stopService(self) -> None:
        """Follow the file no more; what is published is the node's to withdraw."""
        super().stopService()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def read_again(self) -> None:
        """Read the file, and make what is published what it says; with a fault in it all stays as it is."""
        self._stamp = self._look()
        try:
            contents = read_services(self._path, self._hostname)
        except ServicesFileError as problem:
            self._log.error("{problem}; what it said before stays published", problem=str(problem))
            return
        except OSError as problem:
            self._log.error(
                "{path}: {cause}; what it said before stays published",
                path=str(self._path),
                cause=problem.strerror,
            )
            return
        if contents.hostname != self._contents.hostname:
            self._log.warn("{path}: another host name is taken at the next start", path=str(self._path))
        self._contents = contents
        self._log.info("read {path} again", path=str(self._path))
        self._apply(contents)

    def _poll(self) -> None:
        self._timer = self._reactor.callLater(POLL_INTERVAL, self._poll)
        if self._look() != self._stamp:
            self.read_again()

    def _look(self) -> Stamp | None:
        try:
            found = os.stat(self._path)
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _apply(self, contents: ServicesFile) -> None:
        for note in contents.notes:
            self._log.warn("{note}", note=str(note))
        wanted: dict[Key, Service] = {}
        for service in contents.services:
            key: Key = (service.name, service.type, service.domain, 0)
            while key in wanted:
                key = (*key[:3], key[3] + 1)
            wanted[key] = service
        for gone in self._published.keys() - wanted.keys():
            self._published.pop(gone).withdraw()
        for key, service in wanted.items():
            try:
                if key not in self._published:
                    self._published[key] = self._node.publish(service)
                else:
                    # The same name: an update, without probing and without a goodbye (RFC 6762 §8.4).
                    self._update(self._published[key], service)
            except ValueError as problem:
                self._log.error(
                    "{service} is not published as {path} says: {problem}",
                    service=service.name,
                    path=str(self._path),
                    problem=str(problem),
                )

    def _update(self, registration: ServiceRegistration, service: Service) -> None:
        details = {name: getattr(service, name) for name in SERVICE_DETAILS}
        if details != {name: getattr(registration.service, name) for name in SERVICE_DETAILS}:
            registration.update(**details).addErrback(self._not_updated)

    def _not_updated(self, reason: Failure) -> None:
        self._log.failure("{path}: an update failed", failure=reason, path=str(self._path))
