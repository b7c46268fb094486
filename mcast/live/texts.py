"""How what came from the network becomes the text of a snapshot."""

from __future__ import annotations

from mcast.dns.names import Name
from mcast.dnssd.text import Text
from mcast.live.limits import MAX_TEXT, MAX_TXT
from mcast.showing import shown


def cut(text: str) -> str:
    """Return text of at most `MAX_TEXT` characters."""
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


def text_of(text: str | bytes) -> str:
    """Return text from the network: no character of it acts (`mcast.showing`), and it is not too long."""
    return cut(shown(text))


def name_text(name: Name) -> str:
    """Return a name for people, without the last dot."""
    return cut(str(name).removesuffix("."))


def attributes(txt: Text) -> list[list[str | None]]:
    """Return the attributes of a service as pairs of key and value; None is a key without a value."""
    pairs: list[list[str | None]] = []
    for key, value in txt.items():
        if len(pairs) == MAX_TXT:
            break
        pairs.append([text_of(key), None if value is None else text_of(value)])
    return pairs


def service_type_of(name: Name) -> str | None:
    """Return the type in the name of a service or a type, ``_http._tcp``; None when there is none."""
    # By octets: this is asked for each packet, and most names have few labels.
    wire = name.key
    position = 0
    before = b""
    while length := wire[position]:
        label = wire[position + 1 : position + 1 + length]
        if label in (b"_tcp", b"_udp") and before[:1] == b"_":
            return text_of(before + b"." + label)
        before = label
        position += length + 1
    return None
