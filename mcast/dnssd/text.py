"""The attributes in a TXT record (RFC 6763 §6)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from mcast.errors import InvalidService

STRING_LIMIT = 255
"""Octets in one string of a TXT record (RFC 6763 §6.1)."""

TEXT_LIMIT = 65535
"""Octets of rdata in any record (RFC 6763 §6.1)."""

MULTICAST_TEXT_LIMIT = 8900
"""Octets of TXT rdata that fit a multicast packet of 9000 octets with its headers (RFC 6763 §6.1)."""

TYPICAL_SIZE = 200
"""Octets: "the total size of a typical DNS-SD TXT record is intended to be small" (RFC 6763 §6.2)."""

MESSAGE_SIZE = 400
"""Octets up to which a TXT record fits in a DNS message of 512 octets (RFC 6763 §6.2)."""

PACKET_SIZE = 1300
"""Octets up to which a TXT record fits an Ethernet packet; more is NOT RECOMMENDED (RFC 6763 §6.2)."""

KEY_LENGTH = 9
"""Characters that a key SHOULD not exceed (RFC 6763 §6.4)."""

PRESCRIBED_KEYS = frozenset(
    {
        # Bonjour Printing, with the keys that CUPS and AirPrint add to it.
        *(b"papercustom", b"transparent", b"printer-state", b"printer-type", b"print_wfds"),
        *(b"mopria-certified", b"mopria_certified"),
        # Scanners by eSCL, as AirPrint has them.
        *(b"representation", b"mopria-certified-scan"),
    }
)
"""Longer keys that a protocol prescribes, in lower case: whoever publishes it has no choice."""

TextValue: TypeAlias = str | bytes | bool | None
"""Text is sent as UTF-8, octets as they are; None and True make an attribute without a value."""


class Presence(Enum):
    """The four results of looking for a key (RFC 6763 §6.4)."""

    ABSENT = "absent"
    NO_VALUE = "present, with no value"
    EMPTY = "present, with an empty value"
    VALUE = "present, with a value"


@dataclass(frozen=True, slots=True)
class Note:
    """Something about a TXT record that is allowed and not advised."""

    message: str
    warning: bool = False
    """Whether the RFC recommends against it, rather than only telling what to aim for."""

    def __str__(self) -> str:
        return self.message


class Text(Mapping[str, "bytes | None"]):
    """The attributes of one TXT record: a mapping of keys to octets, or to None where there is no value.

    Immutable. Keys are found without regard to ASCII case, and come in the order and spelling of the record.
    `strings` has the record as it is, repeated keys included, so that reading and sending change nothing.

    Equal to another `Text` with the same strings, and to any mapping with the same items.
    """

    __slots__ = ("_index", "strings")

    strings: tuple[bytes, ...]
    """The strings of the record; one empty string when there are no attributes (RFC 6763 §6.1)."""

    def __init__(self, strings: Iterable[bytes] = ()) -> None:
        """Read the strings of a received record.

        Nothing is refused here: a string without a key, or with a key that cannot be one, is ignored, and so
        is a key that was there before (RFC 6763 §6.4). `for_publishing` makes the attributes to send.
        """
        self.strings = tuple(strings) or (b"",)
        self._index: dict[str, tuple[str, bytes | None]] | None = None

    @property
    def _found(self) -> dict[str, tuple[str, bytes | None]]:
        """Keys with their spelling and value, by the key in lower case; read when somebody looks."""
        found = self._index
        if found is None:
            found = self._index = {}
            for one in self.strings:
                key, equals, value = one.partition(b"=")
                if is_key(key):
                    name = key.decode("ascii")
                    found.setdefault(name.lower(), (name, value if equals else None))
        return found

    @classmethod
    def from_rdata(cls, rdata: bytes) -> Text:
        """Read rdata; none at all is the same as a single empty string (RFC 6763 §6.1).

        :raises ValueError: when a length octet runs past the end.
        """
        strings = []
        offset = 0
        while offset < len(rdata):
            end = offset + 1 + rdata[offset]
            if end > len(rdata):
                raise ValueError(f"the TXT string at octet {offset} runs past the end of its record")
            strings.append(rdata[offset + 1 : end])
            offset = end
        return cls(strings)

    @classmethod
    def for_publishing(cls, attributes: TextInput) -> Text:
        """Make a record to send from a mapping, or from pairs; their order is kept (RFC 6763 §6.7).

        :raises InvalidService: naming the key that is wrong, that occurs twice (case is ignored), or whose
            value is.
        """
        if isinstance(attributes, Text):
            attributes.check()
            return attributes
        pairs = attributes.items() if isinstance(attributes, Mapping) else attributes or ()
        if not isinstance(pairs, Iterable):
            raise TypeError(f"TXT {attributes!r}: attributes are a mapping, or pairs of key and value")
        made: list[bytes] = []
        seen: set[str] = set()
        for pair in pairs:
            try:
                key, value = pair
            except (TypeError, ValueError):
                raise InvalidService("TXT", f"{pair!r} is no pair of key and value") from None
            made.append(_string(key, value))
            if key.lower() in seen:
                raise InvalidService(f"TXT key {key!r}", "it occurs twice; case makes no difference")
            seen.add(key.lower())
        text = cls(made)
        text.check()
        return text

    def check(self) -> None:
        """Check what RFC 6763 §6 says MUST hold of a record that is sent; `notes` tells the rest.

        :raises InvalidService: naming the key or limit.
        """
        for one in self.strings:
            key, equals, _ = one.partition(b"=")
            if len(one) > STRING_LIMIT:
                raise InvalidService(
                    f"TXT key {_shown(key)}",
                    f'{len(one)} octets with "=" and value; at most {STRING_LIMIT} are allowed',
                )
            if not is_key(key) and (key or equals):
                raise InvalidService(
                    f"TXT key {_shown(key)}",
                    'a key is at least one of the ASCII characters 0x20 to 0x7E, without "="',
                )
        if self.size > TEXT_LIMIT:
            raise InvalidService("TXT", f"{self.size} octets; at most {TEXT_LIMIT} are allowed")

    def notes(self) -> tuple[Note, ...]:
        """Return what is allowed in the record and not advised, in the order of the record, size last."""
        notes = []
        seen: set[bytes] = set()
        for one in self.strings:
            key = one.partition(b"=")[0]
            if not is_key(key):
                continue
            if len(key) > KEY_LENGTH and key.lower() not in PRESCRIBED_KEYS:
                notes.append(
                    Note(f"TXT key {_shown(key)} is longer than {KEY_LENGTH} characters", warning=True)
                )
            if key.lower() in seen:
                notes.append(
                    Note(f"TXT key {_shown(key)} occurs again; readers take the first only", warning=True)
                )
            seen.add(key.lower())
        size = self.size
        if size > PACKET_SIZE:
            advice = f"more than {PACKET_SIZE} are not recommended"
        elif size > MESSAGE_SIZE:
            advice = f"more than {MESSAGE_SIZE} do not fit in a plain DNS message"
        elif size > TYPICAL_SIZE:
            advice = f"{TYPICAL_SIZE} or less is usual, and some sleep proxies handle no more than 256"
        else:
            return tuple(notes)
        return (*notes, Note(f"the TXT record has {size} octets; {advice}", warning=size > PACKET_SIZE))

    @property
    def size(self) -> int:
        """Octets of rdata, length octets included."""
        return sum(1 + len(one) for one in self.strings)

    @property
    def rdata(self) -> bytes:
        """The record's data as it is sent; never empty (RFC 6763 §6.1)."""
        return b"".join(bytes((len(one),)) + one for one in self.strings)

    def lookup(self, key: str) -> Presence:
        """Tell which of the four kinds of result ``key`` has (RFC 6763 §6.4)."""
        try:
            value = self[key]
        except KeyError:
            return Presence.ABSENT
        if value is None:
            return Presence.NO_VALUE
        return Presence.VALUE if value else Presence.EMPTY

    def string(self, key: str, default: str | None = None) -> str | None:
        """Return a value as UTF-8 text, what is not UTF-8 escaped; ``default`` when there is no value."""
        value = self.get(key)
        return default if value is None else value.decode("utf-8", "backslashreplace")

    def for_versions(self, versions: Collection[str]) -> Text:
        """Return this record, or one without attributes when its ``txtvers`` is none of ``versions``.

        "Clients SHOULD ignore TXT records with a txtvers number higher (or lower) than the version(s) they
        know how to interpret" (RFC 6763 §6.7). A record without the tag is taken.
        """
        tag = self.string("txtvers")
        return self if tag is None or tag in versions else Text()

    def __getitem__(self, key: str) -> bytes | None:
        return self._found[key.lower()][1]

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self._found.values())

    def __len__(self) -> int:
        return len(self._found)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Text):
            return self.strings == other.strings
        if isinstance(other, Mapping):
            return dict(self.items()) == dict(other.items())
        return NotImplemented

    def __hash__(self) -> int:
        return hash(self.strings)

    def __repr__(self) -> str:
        return f"Text({list(self.strings)!r})"


TextInput: TypeAlias = Text | Mapping[str, TextValue] | Iterable[tuple[str, TextValue]] | None
"""What a caller may give where attributes are wanted."""


def is_key(key: bytes) -> bool:
    """Tell whether octets can be the key of an attribute."""
    # "The characters of a key MUST be printable US-ASCII values (0x20-0x7E), excluding '='" (RFC 6763 §6.4).
    return bool(key) and all(0x20 <= octet <= 0x7E for octet in key)


def _shown(key: bytes) -> str:
    return repr(key.decode("utf-8", "backslashreplace"))


def _string(key: object, value: object) -> bytes:
    if not isinstance(key, str):
        raise InvalidService(f"TXT key {key!r}", "a key is a str")
    if not key.isascii() or "=" in key or not is_key(key.encode("ascii")):
        raise InvalidService(
            f"TXT key {key!r}", 'a key is at least one of the ASCII characters 0x20 to 0x7E, without "="'
        )
    if value is None or value is True:
        return key.encode("ascii")
    if isinstance(value, str):
        # Not normalised: a value is opaque (RFC 6763 §6.5), and a path or a password would become another
        # one.
        try:
            value = value.encode("utf-8")
        except UnicodeEncodeError:
            raise InvalidService(f"TXT key {key!r}", f"its value {value!r} is not Unicode text") from None
    if not isinstance(value, bytes):
        raise InvalidService(
            f"TXT key {key!r}",
            f"its value {value!r} is none of str, bytes, None and True; leave a key out to say no",
        )
    return key.encode("ascii") + b"=" + value
