"""A server of one zone in memory, which does updates as RFC 2136 §3 says; for tests without a network."""

from __future__ import annotations

from mcast.dns.codes import Flag, RecordClass, RecordType
from mcast.dns.messages import Message, Question
from mcast.dns.names import Name
from mcast.dns.records import Record
from mcast.unicast.claims import Request
from mcast.unicast.registrar import Registrar, RegistrarEvent
from mcast.unicast.updates import Update, UpdateCode


class ZoneServer:
    """Holds records, each once."""

    def __init__(self, zone: str = "example.com") -> None:
        self.zone = Name.parse(zone)
        self.records: list[Record] = []
        self.refusing: UpdateCode | None = None
        self.log: list[Request] = []

    def answer(self, request: Request) -> Message:
        """Do a request."""
        self.log.append(request)
        flags = int(Flag.RESPONSE)
        if self.refusing is not None:
            return Message(flags=flags | self.refusing)
        if isinstance(request, Question):
            soa = Record(self.zone, RecordType.SOA, RecordClass.IN, 60, b"\0" * 22)
            if request.type == RecordType.SOA:
                return Message(flags=flags, authorities=[soa])
            return Message(flags=flags, answers=self.find(request.name, request.type))
        return Message(flags=flags | self._update(request))

    def find(self, name: Name, rtype: int = RecordType.ANY) -> list[Record]:
        """Return the records of a name, and of a type."""
        return [one for one in self.records if one.name == name and rtype in (one.type, RecordType.ANY)]

    def names(self) -> set[str]:
        """Return the names in use."""
        return {str(one.name) for one in self.records}

    def _update(self, update: Update) -> UpdateCode:
        expected: dict[tuple[Name, int], set[bytes]] = {}
        for one in update.prerequisites:
            found = self.find(one.name, one.type)
            if one.rclass == RecordClass.IN:
                expected.setdefault((one.name, one.type), set()).add(one.rdata)
            elif found:
                return UpdateCode.YXDOMAIN if one.type == RecordType.ANY else UpdateCode.YXRRSET
        for (name, rtype), rdata in expected.items():
            if {one.rdata for one in self.find(name, rtype)} != rdata:
                return UpdateCode.NXRRSET
        for one in update.changes:
            self._change(one)
        return UpdateCode.NOERROR

    def _change(self, change: Record) -> None:
        if change.rclass == RecordClass.ANY:
            gone = self.find(change.name, change.type)
        else:
            gone = [one for one in self.find(change.name, change.type) if one.rdata == change.rdata]
        self.records = [one for one in self.records if one not in gone]
        if change.rclass == RecordClass.IN:
            self.records.append(change)


def run(registrar: Registrar, server: ZoneServer, now: float) -> list[RegistrarEvent]:
    """Let a registrar do with a server all that is due now; return what happened."""
    for _ in range(1000):
        request = registrar.due(now)
        if request is None:
            return registrar.take_events()
        registrar.answered(server.answer(request), now)
    raise AssertionError("it never ends")
