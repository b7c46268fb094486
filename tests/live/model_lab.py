"""A model on a clock that tests set, and the packets and events that it is fed with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns import records as make
from mcast.dns.codes import QUERY_FLAGS, RESPONSE_FLAGS, RecordType
from mcast.dns.messages import Message, Question, encode
from mcast.dns.names import Name
from mcast.dns.records import Record
from mcast.dnssd.found import Added, FoundAddress, FoundService, Removed, Updated
from mcast.dnssd.link_id import LinkId
from mcast.dnssd.text import Text
from mcast.live.documents import apply_delta
from mcast.live.hearing import Hearing
from mcast.live.model import Model

ETH0 = LinkId("eth0", 2, False)
ETH0_6 = LinkId("eth0", 2, True)
ETH1 = LinkId("eth1", 3, False)


def found(name: str = "Web", host: str = "kitchen", port: int = 80, **more: Any) -> FoundService:
    """Return a service as a browser tells it."""
    full_name = more.get("full_name") or Name.from_labels((name, "_http", "_tcp", "local"))
    target = Name.from_labels((host, "local"))
    address = more.get("address", "10.0.1.2")
    return FoundService(
        full_name,
        make.service(full_name, 0, 0, port, target, 120).rdata,
        Text.for_publishing(more.get("txt", {"path": "/"})).rdata,
        (FoundAddress(ip_address(address), "eth0"),),
        (ETH0,),
    )


def host_record(host: str = "kitchen", address: str = "10.0.1.2", ttl: int = 120) -> Record:
    """Return an address record, as a host announces it."""
    return make.address(Name.from_labels((host, "local")), address, ttl, cache_flush=True)


def response(*records: Record) -> bytes:
    """Return a response in wire form."""
    return encode(Message(0, RESPONSE_FLAGS, (), records))


def query(name: str = "_http._tcp.local", proposed: Sequence[Record] = ()) -> bytes:
    """Return a query in wire form; a probe with the records proposed."""
    asked = Question(Name.parse(name), RecordType.ANY if proposed else RecordType.PTR)
    return encode(Message(0, QUERY_FLAGS, (asked,), (), tuple(proposed)))


class ModelTestCase(SynchronousTestCase):
    """A model, and the snapshot that its deltas lead to."""

    def setUp(self) -> None:
        self.model = Model()
        self.hearing = Hearing(self.model)
        self.now = 100.0
        self.state: dict[str, Any] = json.loads(json.dumps(self.model.snapshot))
        self.deltas: list[dict[str, Any]] = []
        self.addCleanup(self._deltas_lead_to_the_snapshot)

    def _deltas_lead_to_the_snapshot(self) -> None:
        self.assertEqual(self.state, json.loads(json.dumps(self.model.snapshot)))

    def commit(self, after: float = 0.0) -> dict[str, Any]:
        """Let time pass, commit, and return the snapshot, made by the delta as it went through JSON."""
        self.now += after
        delta = self.model.commit(self.now, 1.7e9 + self.now)
        if delta is not None:
            self.deltas.append(json.loads(json.dumps(delta)))
            apply_delta(self.state, json.loads(json.dumps(delta)))
        return self.state

    def hear(self, payload: bytes, source: str = "10.0.1.2", link: LinkId = ETH0) -> None:
        """Let a packet come."""
        self.hearing.datagram(payload, (source, 5353), link, self.now)

    def add(self, service: FoundService) -> None:
        self.model.service(Added(service), self.now)

    def update(self, service: FoundService, previous: FoundService) -> None:
        self.model.service(Updated(service, previous), self.now)

    def remove(self, service: FoundService) -> None:
        self.model.service(Removed(service), self.now)

    def only(self, collection: str) -> dict[str, Any]:
        """Commit, and return the one entry of a collection."""
        entries = self.commit()[collection]
        self.assertEqual(len(entries), 1, entries)
        entry: dict[str, Any] = next(iter(entries.values()))
        return entry

    def events(self, *kinds: str) -> list[tuple[str, str, str]]:
        """Commit, and return what was logged: kind, of what, its name."""
        events = self.commit()["events"]
        return [(each["kind"], each["what"], each["name"]) for each in events if each["kind"] in kinds]
