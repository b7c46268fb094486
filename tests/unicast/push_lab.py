"""Hand-made octets of DNS Push Notifications (RFC 8765 §6), and sessions to feed them to."""

from __future__ import annotations

import struct

from mcast.dns.names import Name
from mcast.dns.records import Record, pointer, service, text
from mcast.unicast.push import Topic
from mcast.unicast.push_client import Changed, PushClient
from tests.unicast.dso_lab import PUSH, RECONFIRM, SUBSCRIBE, UNSUBSCRIBE, dso, ids, keepalive, tlv

A, PTR, TXT, AAAA, SRV, CNAME, ANY = 1, 12, 16, 28, 33, 5, 255
IN, CH = 1, 3
REMOVED = 0xFFFFFFFF
TOGETHER = 0xFFFFFFFE

ZONE = Name.parse("example.com")
HTTP = Name.parse("_http._tcp.example.com")
WEB = Name.parse(r"Web._http._tcp.example.com")
HOST = Name.parse("host.example.com")
TYPES = Topic(HTTP, PTR)

POINTER = pointer(HTTP, WEB, 4500)
SERVICE = service(WEB, 0, 0, 8080, HOST, 120)
TEXT = text(WEB, [b"path=/"], 4500)


def entry(
    name: Name | bytes, rtype: int, ttl: int, rdata: bytes = b"", rclass: int = IN, length: int = -1
) -> bytes:
    """Return a change notification, without compression (RFC 8765 §6.3.1)."""
    owner = name.wire if isinstance(name, Name) else name
    size = len(rdata) if length < 0 else length
    return owner + struct.pack("!HHIH", rtype, rclass, ttl, size) + rdata


def added(record: Record, ttl: int | None = None) -> bytes:
    """Return the notification that a record was added."""
    return entry(record.name, record.type, record.ttl if ttl is None else ttl, record.rdata, record.rclass)


def removed(record: Record) -> bytes:
    """Return the notification that a record was removed."""
    return added(record, REMOVED)


def push(*entries: bytes) -> bytes:
    """Return a PUSH message."""
    return dso(0, tlv(PUSH, b"".join(entries)))


def subscribe(identifier: int, name: Name | bytes = HTTP, rtype: int = PTR, rclass: int = IN) -> bytes:
    """Return a SUBSCRIBE request."""
    owner = name.wire if isinstance(name, Name) else name
    return dso(identifier, tlv(SUBSCRIBE, owner + struct.pack("!HH", rtype, rclass)))


def unsubscribe(identifier: int) -> bytes:
    """Return an UNSUBSCRIBE message."""
    return dso(0, tlv(UNSUBSCRIBE, struct.pack("!H", identifier)))


def reconfirm(record: Record) -> bytes:
    """Return a RECONFIRM message, without compression."""
    data = record.name.wire + struct.pack("!HH", record.type, record.rclass) + record.rdata
    return dso(0, tlv(RECONFIRM, data))


def client(now: float = 0.0, *, inactivity: float = 15, interval: float = 3600) -> PushClient:
    """Return a client with an established session."""
    session = PushClient(now)
    session.establish(now)
    (request,) = session.take_outgoing()
    session.receive(keepalive(ids([request])[0], inactivity, interval, response=True), now)
    session.take_events()
    return session


def subscribed(topic: Topic = TYPES, *more: Topic) -> tuple[PushClient, list[int]]:
    """Return a client, and the IDs of the subscriptions that a server accepted."""
    session = client()
    taken = [session.subscribe(each, 1.0) for each in (topic, *more)]
    for identifier in taken:
        session.receive(dso(identifier, response=True), 1.0)
    session.take_events()
    session.take_outgoing()
    return session, taken


def changes(session: PushClient) -> list[tuple[int, list[Record], list[Record]]]:
    """Return what changed: the id of each subscription, what was added and removed."""
    return [
        (event.id, list(event.added), list(event.removed))
        for event in session.take_events()
        if isinstance(event, Changed)
    ]
