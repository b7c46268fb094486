"""Hand-made octets of DNS Stateful Operations, and sessions to feed them to.

Nothing here uses the encoder under test: each message is put together by `struct` as RFC 8490 §5.4 draws it.
"""

from __future__ import annotations

import struct

from mcast.unicast.dso_client import ClientSession
from mcast.unicast.dso_server import ServerSession
from mcast.unicast.dso_session import Ended, Event, How, Session

NOERROR, FORMERR, SERVFAIL, NOTIMP, REFUSED, NOTAUTH, DSOTYPENI = 0, 1, 2, 4, 5, 9, 11
KEEPALIVE, RETRY_DELAY, PADDING = 1, 2, 3
SUBSCRIBE, PUSH, UNSUBSCRIBE, RECONFIRM = 0x40, 0x41, 0x42, 0x43
UNKNOWN = 0xF800
"""A type for experiments (RFC 8490 §10.3), which nobody knows."""


def tlv(kind: int, data: bytes = b"") -> bytes:
    """Return a TLV (RFC 8490 §5.4.4)."""
    return struct.pack("!HH", kind, len(data)) + data


def dso(identifier: int, *items: bytes, response: bool = False, rcode: int = 0, z: int = 0) -> bytes:
    """Return a DSO message (RFC 8490 §5.4)."""
    flags = (0x8000 if response else 0) | 6 << 11 | z << 4 | rcode
    return struct.pack("!HHHHHH", identifier, flags, 0, 0, 0, 0) + b"".join(items)


def keepalive(identifier: int, inactivity: float = 15, interval: float = 15, **header: bool) -> bytes:
    """Return a Keepalive message with two timeouts in seconds."""
    return dso(identifier, keepalive_tlv(inactivity, interval), **header)


def keepalive_tlv(inactivity: float = 15, interval: float = 15) -> bytes:
    """Return a Keepalive TLV with two timeouts in seconds."""
    return tlv(KEEPALIVE, struct.pack("!II", round(inactivity * 1000), round(interval * 1000)))


def retry_delay(seconds: float, rcode: int = 0) -> bytes:
    """Return a Retry Delay message."""
    return dso(0, retry_delay_tlv(seconds), rcode=rcode)


def retry_delay_tlv(seconds: float) -> bytes:
    """Return a Retry Delay TLV."""
    return tlv(RETRY_DELAY, struct.pack("!I", round(seconds * 1000)))


def query(identifier: int = 7, *, option: int | None = None) -> bytes:
    """Return a query for the A record of ``a.``, with an EDNS(0) option when one is given."""
    message = struct.pack("!HHHHHH", identifier, 0x0100, 1, 0, 0, option is not None)
    message += b"\x01a\0" + struct.pack("!HH", 1, 1)
    if option is not None:
        message += b"\0" + struct.pack("!HHIHHH", 41, 1232, 0, 4, option, 0)
    return message


def answer(identifier: int = 7) -> bytes:
    """Return a response without records to `query`."""
    return struct.pack("!HHHHHH", identifier, 0x8180, 1, 0, 0, 0) + b"\x01a\0" + struct.pack("!HH", 1, 1)


def ids(messages: list[bytes]) -> list[int]:
    """Return the MESSAGE ID of each message."""
    return [int.from_bytes(message[:2], "big") for message in messages]


def rcodes(messages: list[bytes]) -> list[int]:
    """Return the RCODE of each message."""
    return [message[3] & 15 for message in messages]


def types(message: bytes) -> list[int]:
    """Return the types of the TLVs of a message."""
    found = []
    position = 12
    while position < len(message):
        kind, length = struct.unpack_from("!HH", message, position)
        found.append(kind)
        position += 4 + length
    return found


def aborted(session: Session) -> bool:
    """Tell whether a session is to be forcibly aborted, with nothing sent before."""
    return session.ended is not None and session.ended.how is How.FORCIBLY and not session.outbox


def closed(session: Session) -> bool:
    """Tell whether a session is to be closed gracefully."""
    return session.ended is not None and session.ended.how is How.GRACEFULLY


def ending(session: Session) -> Ended:
    """Return how a session ended."""
    assert session.ended is not None
    return session.ended


def events(session: Session, kind: type[Event]) -> list[Event]:
    """Return the events of a kind that happened since somebody looked."""
    return [event for event in session.take_events() if isinstance(event, kind)]


def served(now: float = 0.0, *, inactivity: float = 15, interval: float = 15) -> ServerSession:
    """Return a server's session that a client established with these timeouts."""
    session = ServerSession(now)
    session.receive(keepalive(1, inactivity, interval), now)
    session.take_outgoing()
    session.take_events()
    return session


def connected(now: float = 0.0, *, inactivity: float = 15, interval: float = 15) -> ClientSession:
    """Return a client's session to which a server granted these timeouts."""
    session = ClientSession(now)
    session.establish(now)
    (request,) = session.take_outgoing()
    session.receive(keepalive(ids([request])[0], inactivity, interval, response=True), now)
    session.take_events()
    return session
