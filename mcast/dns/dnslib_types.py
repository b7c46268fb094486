r"""Record types that Multicast DNS itself does not use, in the form that zone files give them, by dnslib.

dnslib reads more than is valid, and what it shows cannot always be read again. So each text is read back
before it is shown: when that gives other octets, the caller shows the octets in place of the text. Names in
it are plain ASCII: dnslib would write any other as Punycode, which Multicast DNS never does (RFC 6762 §16).

Imported when such a record is shown or read for the first time, never on the way of a packet.
"""

from __future__ import annotations

import re
from typing import Any, Final

import dnslib

from mcast.dns.codes import RecordType
from mcast.dns.names import Name
from mcast.dns.words import split_words, word_octets


class _Location(dnslib.LOC):  # type: ignore[misc,unused-ignore]
    """LOC as RFC 1876 has it: dnslib cuts fractions off, and sizes below a metre become 0."""

    def __init__(
        self, lat: float, lon: float, alt: float, siz: float = 1, hp: float = 10000, vp: float = 10
    ) -> None:
        self._lat = round(lat * 3_600_000) + (1 << 31)
        self._lon = round(lon * 3_600_000) + (1 << 31)
        self._alt = round((alt + 100_000) * 100)
        self._siz, self._hp, self._vp = map(_size_octet, (siz, hp, vp))

    @staticmethod
    def _reprcoord(value: int, direction: str) -> str:
        degrees, rest = divmod(abs(value - (1 << 31)), 3_600_000)
        minutes, thousandths = divmod(rest, 60_000)
        return f"{degrees} {minutes} {thousandths / 1000:.3f} {direction}"


def _size_octet(metres: float) -> int:
    """Return a size as one digit and a power of ten, in centimetres (RFC 1876 §2)."""
    digit, power = round(metres * 100), 0
    while digit >= 10:
        digit, power = round(digit / 10), power + 1
    return digit << 4 | power


_CLASSES: Final[dict[int, Any]] = {
    RecordType.LOC: _Location,
    RecordType.DS: dnslib.DS,
    RecordType.SSHFP: dnslib.SSHFP,
    RecordType.RRSIG: dnslib.RRSIG,
    RecordType.DNSKEY: dnslib.DNSKEY,
    RecordType.TLSA: dnslib.TLSA,
    RecordType.SMIMEA: dnslib.TLSA,
    RecordType.CDS: dnslib.DS,
    RecordType.CDNSKEY: dnslib.DNSKEY,
    RecordType.SVCB: dnslib.HTTPS,
    RecordType.HTTPS: dnslib.HTTPS,
    RecordType.CAA: dnslib.CAA,
}
"""Which class of dnslib knows a type; some types have the form of another one."""

_BASE64_AT: Final[dict[int, int]] = {RecordType.DNSKEY: 3, RecordType.CDNSKEY: 3, RecordType.RRSIG: 8}
"""The word at which Base64 begins."""

_ANGLE = r"\d{1,3}(?: \d{1,2}(?: \d{1,2}(?:\.\d{1,3})?)?)?"
_METRES = r"\d{1,8}(?:\.\d{1,2})?m"
_LOCATION = re.compile(rf"{_ANGLE} [NS] {_ANGLE} [EW] -?{_METRES}(?: {_METRES}){{0,3}}", re.ASCII)
_TEXT_OF_PARAMETER = re.compile(r'="([^"\\ ]*)"$')


def show(rtype: int, rdata: bytes) -> str | None:
    """Return rdata as text, or None when dnslib cannot show it so that it can be read again."""
    try:
        text = repr(_CLASSES[rtype].parse(dnslib.DNSBuffer(rdata), len(rdata))).rstrip()
        # RFC 9460 §14.3.2 has another name for this parameter than its drafts had.
        text = text.replace(" echconfig=", " ech=")
        return text if text.isprintable() and parse(rtype, split_words(text)) == rdata else None
    except Exception:
        # rdata is a stranger's, and dnslib has no common base for what it raises.
        return None


def parse(rtype: int, words: list[str]) -> bytes:
    """Return the rdata that the words describe.

    :param words: as `split_words` returns them.
    :raises ValueError: they do not have the form of the type.
    """
    try:
        return _rdata(rtype, words)
    except ValueError:
        raise
    except Exception as error:
        # dnslib raises whatever happens to it: DNSError, IndexError, struct.error, BimapError…
        raise ValueError(f"not the data of such a record ({error})") from None


def _rdata(rtype: int, words: list[str]) -> bytes:
    kind = _CLASSES[rtype]
    if kind is _Location:
        words = _location_words(words)
    elif kind is dnslib.CAA:
        flags, tag, value = (word_octets(word).decode("utf-8") for word in words)
        words = [flags, tag, value]
    elif kind is dnslib.HTTPS:
        parameters = (_TEXT_OF_PARAMETER.sub(r"=\1", word) for word in words[2:])
        words = [words[0], _plain_name(words[1]), *(re.sub("^ech=", "echconfig=", one) for one in parameters)]
    elif kind is dnslib.RRSIG:
        words = [*words[:7], _plain_name(words[7]), *words[8:]]
    data = kind.fromZone(words)
    if kind is dnslib.HTTPS:
        _order_parameters(data, words)
    buffer = dnslib.DNSBuffer()
    data.pack(buffer)
    base64_at = _BASE64_AT.get(rtype)
    if base64_at is not None and repr(data).split(" ")[base64_at] != "".join(words[base64_at:]):
        raise ValueError("the key or signature is no Base64")
    return bytes(buffer.data)


def _location_words(words: list[str]) -> list[str]:
    """Return the words of a LOC record with the "m" of each length, which may be left out (RFC 1876 §3)."""
    lengths_at = next((at + 1 for at, word in enumerate(words) if word.upper() in ("E", "W")), len(words))
    lengths = [word if word[-1] in "mM" else f"{word}m" for word in words[lengths_at:]]
    words = [*(word.upper() for word in words[:lengths_at]), *(word.lower() for word in lengths)]
    if not _LOCATION.fullmatch(" ".join(words)):
        raise ValueError("a location is written like 52 22 23.000 N 4 53 32.000 E -2.00m")
    return words


def _plain_name(word: str) -> str:
    """Return a name with its final dot.

    :raises ValueError: it has characters that dnslib would change.
    """
    name = str(Name.parse(word))
    if not name.isascii() or "\\" in name or " " in name:
        raise ValueError(f"{word}: only plain ASCII names are read in a record of this type")
    return name


def _order_parameters(data: Any, words: list[str]) -> None:
    """Put the parameters of an SVCB or HTTPS record in the order that RFC 9460 §2.2 asks for."""
    if any("\\" in word or '"' in word for word in words[2:] if word.startswith("key")):
        raise ValueError("the value of a parameter without a name is read without quotes and backslashes")
    data.params.sort(key=lambda parameter: parameter[0])
    keys = [key for key, _ in data.params]
    if len(set(keys)) != len(keys):
        raise ValueError("a parameter occurs twice")
