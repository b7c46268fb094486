"""A file of services that is published, and read again when it changes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from twisted.logger import Logger
from twisted.python.failure import Failure

from mcast.dns.names import Name
from mcast.dnssd.files.contents import RecordEntry, ServicesFile
from mcast.dnssd.files.read import read_services
from mcast.dnssd.service import Service
from mcast.dnssd.types import ServiceType
from mcast.errors import NameTaken, ServicesFileError
from mcast.node.node import Node
from mcast.node.registrations import SERVICE_DETAILS, RecordRegistration, ServiceRegistration
from mcast.tap.alike import AlikeNumbers
from mcast.tap.slices import Slices

MAX_NOTES = 50
"""Notes of a file that are logged one by one. Our choice: more than a person mends at a time."""

ServiceKey = tuple[tuple[str | None, ServiceType, Name], int]
RecordKey = tuple[tuple[Name, int, bool], int]
"""What stays when an entry of the file is changed, and a number for entries that are alike in it."""

Stamp = tuple[int, int, int]
"""Time of change, size and inode of the file."""


class FollowedFile:
    """What a file says, published by a node.

    The file is read before there is a node, since it may name the host. It may have thousands of services, so
    what it says is published in slices.

    :param hostname: the host's label, for ``%h`` in the file.
    """

    _log = Logger()

    def __init__(self, path: Path, hostname: str) -> None:
        self._path = path
        self._hostname = hostname
        self._stamp: Stamp | None = None
        self._contents: ServicesFile | None = None
        self._services: dict[ServiceKey, ServiceRegistration] = {}
        self._records: dict[RecordKey, RecordRegistration] = {}
        self._is_waiting = False
        """Whether the contents are going to be published by a job that has not begun."""

    @property
    def hostname(self) -> str | None:
        """The label that the host is to have, when the file says so."""
        return None if self._contents is None else self._contents.hostname

    def load(self) -> None:
        """Read the file for the first time.

        :raises OSError: it cannot be read.
        :raises ServicesFileError: naming file, line and fault.
        """
        self._stamp = self._look()
        self._contents = read_services(self._path, self._hostname)

    def publish(self, node: Node, slices: Slices) -> None:
        """Publish what the file says; nothing when it could not be read."""
        if self._contents is not None:
            self._begin(node, slices)

    def withdraw(self, node: Node, slices: Slices) -> None:
        """Take back all that was published."""
        self._contents = None
        self._begin(node, slices)

    def look(self, node: Node, slices: Slices) -> None:
        """Read the file again when it has changed."""
        if self._look() != self._stamp:
            self.read_again(node, slices)

    def read_again(self, node: Node, slices: Slices) -> None:
        """Read the file, and publish what it says now; while it has a fault, all stays as it is."""
        before = self._contents
        try:
            self.load()
        except ServicesFileError as problem:
            self._tell(str(problem))
            return
        except OSError as problem:
            self._tell(f"{self._path}: {problem.strerror}")
            return
        assert self._contents is not None
        if before is not None and self._contents.hostname != before.hostname:
            self._log.warn("{path}: another host name is taken at the next start", path=str(self._path))
        self._log.info("read {path} again", path=str(self._path))
        self._begin(node, slices)

    def _begin(self, node: Node, slices: Slices) -> None:
        """Have the latest contents published, however often they change until their turn comes."""
        if not self._is_waiting:
            self._is_waiting = True
            slices.add(self._apply(node))

    def _tell(self, problem: str) -> None:
        kept = "nothing of it" if self._contents is None else "what it said before"
        self._log.error("{problem}; {kept} stays published", problem=problem, kept=kept)

    def _look(self) -> Stamp | None:
        try:
            found = os.stat(self._path)
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _apply(self, node: Node) -> Iterator[None]:
        self._is_waiting = False
        contents = ServicesFile(()) if self._contents is None else self._contents
        for note in contents.notes[:MAX_NOTES]:
            self._log.warn("{note}", note=str(note))
        if len(contents.notes) > MAX_NOTES:
            more = len(contents.notes) - MAX_NOTES
            self._log.warn("{path}: {more} more notes like these", path=str(self._path), more=more)
        services: dict[ServiceKey, Service] = {}
        numbers = AlikeNumbers(services)
        for service in contents.services:
            services[numbers.free((service.name, service.type, service.domain))] = service
        for key in self._services.keys() - services.keys():
            self._services.pop(key).withdraw()
            yield
        for key, service in services.items():
            with self._telling(service.name or service.type):
                self._apply_service(node, key, service)
            yield
        yield from self._apply_records(node, contents.records)

    def _apply_service(self, node: Node, key: ServiceKey, service: Service) -> None:
        if key not in self._services:
            self._services[key] = node.publish(service)
            return
        # The same name: an update, without probing and without a goodbye (RFC 6762 §8.4).
        registration = self._services[key]
        details = {name: getattr(service, name) for name in SERVICE_DETAILS}
        if details != {name: getattr(registration.service, name) for name in SERVICE_DETAILS}:
            registration.update(**details).addErrback(self._not_updated)

    def _apply_records(self, node: Node, entries: Iterable[RecordEntry]) -> Iterator[None]:
        # An unchanged record keeps its registration, whichever others of its set are gone: an update to the
        # data of another one could cross the goodbye of that one.
        unchanged = {(known.record, key[0][2]): key for key, known in self._records.items()}
        wanted: dict[RecordKey, RecordEntry] = {}
        changed = []
        for entry in entries:
            kept = unchanged.pop((entry.record, entry.shared), None)
            if kept is None:
                changed.append(entry)
            else:
                wanted[kept] = entry
        numbers = AlikeNumbers(wanted)
        for entry in changed:
            wanted[numbers.free((entry.record.name, entry.record.type, entry.shared))] = entry
        for key in self._records.keys() - wanted.keys():
            self._records.pop(key).withdraw()
            yield
        for key, entry in wanted.items():
            with self._telling(entry.record.name):
                self._apply_record(node, key, entry)
            yield

    def _apply_record(self, node: Node, key: RecordKey, entry: RecordEntry) -> None:
        if key not in self._records:
            self._records[key] = node.publish(entry.record, shared=entry.shared)
        elif entry.record != self._records[key].record:
            self._records[key].update(record=entry.record).addErrback(self._not_updated)

    @contextmanager
    def _telling(self, what: object) -> Iterator[None]:
        """Log what keeps one entry of the file from being published; the others are."""
        try:
            yield
        except ValueError as problem:
            self._log.error(
                "{name} is not published as {path} says: {problem}",
                name=str(what),
                path=str(self._path),
                problem=str(problem),
            )

    def _not_updated(self, reason: Failure) -> None:
        if reason.check(NameTaken):
            self._log.error("{path}: {problem}", path=str(self._path), problem=str(reason.value))
            return
        self._log.failure("{path}: an update failed", failure=reason, path=str(self._path))
