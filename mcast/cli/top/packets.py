"""Packets as `mcast top` keeps them: the octets as they came, decoded when somebody looks at them."""

from __future__ import annotations

import base64
from typing import Any

from mcast.dns.messages import Message, decode
from mcast.dns.presentation import show_data
from mcast.dns.records import show_type
from mcast.errors import MalformedMessage
from mcast.mdns.constants import MDNS_PORT
from mcast.showing import shown

MAX_LINES = 200
"""Lines of a packet that are shown. Our choice: more records than a person reads."""

MAX_WHAT = 200
"""Characters of the line that sums a packet up. Our choice: wider than terminals."""

MAX_PAYLOAD = 9000
"""Octets of a packet that are taken from a recording. Our choice: a message has no more (RFC 6762 §17)."""


class Packet(dict[str, Any]):
    """A packet as an entry of a table; what only its octets tell is found out when it is first asked for."""

    def __init__(self, number: int, at: float, link: str, source: str, port: int, payload: bytes) -> None:
        super().__init__(number=number, at=at, link=link, source=source, size=len(payload))
        self._payload = payload
        self._port = port

    def __missing__(self, key: str) -> Any:
        if key not in ("kind", "what", "lines"):
            raise KeyError(key)
        self.update(_described(self._payload, self._port))
        return self[key]

    def get(self, key: str, default: Any = None) -> Any:
        """Return a field, decoding the packet when it is one of those."""
        try:
            return self[key]
        except KeyError:
            return default

    def as_json(self) -> list[Any]:
        """Return what a recording has of it."""
        payload = base64.b64encode(self._payload).decode("ascii")
        return [round(self["at"], 6), self["link"], self["source"], self._port, payload]

    @classmethod
    def from_json(cls, number: int, fields: list[Any]) -> Packet:
        """Read what a recording has.

        :raises ValueError: it is none.
        """
        try:
            at, link, source, port, text = fields
            payload = base64.b64decode(text, validate=True)
            return cls(
                number, float(at), shown(str(link)), shown(str(source)), int(port), payload[:MAX_PAYLOAD]
            )
        except (TypeError, ValueError, OverflowError):
            raise ValueError("a packet is not in the format of a recording") from None


def _described(payload: bytes, port: int) -> dict[str, Any]:
    try:
        message = decode(payload)
    except MalformedMessage as error:
        return {"kind": "malformed", "what": str(error), "lines": [str(error), f"{len(payload)} octets"]}
    lines = _lines(message)
    kind = "response" if message.is_response else "query" if port == MDNS_PORT else "legacy"
    if not message.is_response and message.authorities:
        kind = "probe"
    more = f"  +{len(lines) - 1}" if len(lines) > 1 else ""
    first = lines[0][3:] if lines else "empty"
    if len(lines) > MAX_LINES:
        lines = [*lines[:MAX_LINES], f"and {len(lines) - MAX_LINES} more"]
    return {"kind": kind, "what": f"{first[:MAX_WHAT]}{more}", "lines": lines}


def _lines(message: Message) -> list[str]:
    lines = [
        f"qu {question.name} {show_type(question.type)}{' QU' if question.unicast else ''}"
        for question in message.questions
    ]
    for section, records in (
        ("an", message.answers),
        ("au", message.authorities),
        ("ad", message.additionals),
    ):
        for record in records:
            flush = " flush" if record.cache_flush else ""
            goodbye = " (goodbye)" if record.ttl == 0 else ""
            what = f"{record.name} {show_type(record.type)} {record.ttl}{flush}{goodbye}"
            lines.append(f"{section} {what} {show_data(record)}")
    return [shown(each) for each in lines]
