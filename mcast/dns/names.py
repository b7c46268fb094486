"""Domain names as sequences of labels.

A label is 1 to 63 octets of any value, so a name is not a string cut at dots. Text becomes precomposed UTF-8,
never Punycode (RFC 6762 §16), and two names are equal when they differ at most in the case of ASCII letters.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from typing import Final

from mcast.showing import shown_in_zone_form

MAX_LABEL: Final = 63
"""Octets in a label (RFC 1035 §2.3.4)."""

MAX_NAME: Final = 256
"""Octets of a name on the wire: 255 and the terminating zero octet (RFC 6762 Appendix C)."""

MAX_LABELS: Final = 127
"""Labels in a name: 127 labels of one octet, each with its length octet, take 254 octets."""

MAX_INTERNED: Final = 4096
"""Names in `interned`.

Our choice: the names of about a thousand services, at most 3 MB when all have the greatest length. The table
is emptied when it is full: a stranger who fills it has more work than we have.
"""

interned: Final[dict[bytes, Name]] = {}
"""Names by wire form, so that each is checked, folded and kept once; only `intern_wire` adds to them."""


class Name:
    """A domain name: an immutable value, equal to another name when `key` is equal.

    Make one with `from_labels`, `from_wire` or `parse`; the constructor trusts its argument.

    :param wire: a valid name in wire form without compression, with the terminating zero octet.
    """

    __slots__ = ("key", "wire")

    def __init__(self, wire: bytes) -> None:
        # RFC 6762 §16: only ASCII letters are folded. bytes.lower() does that and no more, and it leaves the
        # length octets alone, since they are below "A".
        key = wire.lower()
        self.wire: Final = wire
        self.key: Final = wire if key == wire else key

    @classmethod
    def from_labels(cls, labels: Iterable[bytes | str]) -> Name:
        """Make a name of labels, the first one leftmost.

        :param labels: `bytes` are taken as they are; `str` is normalised to NFC and encoded as UTF-8
            (RFC 6762 §16, RFC 5198 §2).
        :raises ValueError: a label is empty, longer than 63 octets, or text with control characters or lone
            surrogates; or the name is longer than 255 octets and the terminating zero.
        """
        parts = bytearray()
        for label in labels:
            octets = _encode_text(label) if isinstance(label, str) else label
            if not 0 < len(octets) <= MAX_LABEL:
                which = f": {label!r}" if octets else ": no text, two dots in a row, or a dot at the start"
                raise ValueError(f"a label has 1 to {MAX_LABEL} octets, not {len(octets)}{which}")
            parts.append(len(octets))
            parts += octets
        parts.append(0)
        if len(parts) > MAX_NAME:
            raise ValueError(f"a name has at most {MAX_NAME} octets on the wire, not {len(parts)}")
        return intern_wire(bytes(parts))

    @classmethod
    def from_wire(cls, wire: bytes) -> Name:
        """Make a name of its uncompressed wire form, with the terminating zero octet and nothing after it.

        :raises ValueError: it is not a name in this form; compression pointers are refused too.
        """
        known = interned.get(wire)
        if known is not None:
            return known
        if len(wire) > MAX_NAME:
            raise ValueError(f"a name has at most {MAX_NAME} octets on the wire, not {len(wire)}")
        if end_of_wire(wire, 0) != len(wire):
            raise ValueError("octets after the end of a name")
        return intern_wire(bytes(wire))

    @classmethod
    def parse(cls, text: str, *, normalize: bool = True) -> Name:
        r"""Make a name of text like ``a\.b._http._tcp.local.``; the final dot may be left out.

        ``\.`` is a dot within a label, ``\\`` a backslash, ``\DDD`` the octet with that decimal value, and a
        backslash before anything else stands for that character (RFC 1035 §5.1, RFC 6763 §4.3). The inverse
        of ``str(name)``. The root is ``.``.

        :param normalize: whether to bring the text to NFC, as every name should be (RFC 6762 §16).
        :raises ValueError: an escape is unfinished or above 255, or the labels break a rule of `from_labels`.
        """
        if not isinstance(text, str):
            raise TypeError(f"a name is read from str, not {text!r}")
        if text == ".":
            return ROOT
        labels: list[bytes] = []
        label = bytearray()
        plain: list[str] = []
        characters = iter(unicodedata.normalize("NFC", text) if normalize else text)
        for character in characters:
            if character == ".":
                label += _encode_text("".join(plain), normalize)
                labels.append(bytes(label))
                plain.clear()
                label.clear()
                continue
            if character != "\\":
                plain.append(character)
                continue
            following = next(characters, "")
            if following in _DIGITS:
                digits = following + next(characters, "") + next(characters, "")
                if len(digits) != 3 or not set(digits) <= _DIGITS or int(digits) > 0xFF:
                    raise ValueError(f"not an escape of three digits up to 255: \\{digits}")
                label += _encode_text("".join(plain), normalize)
                plain.clear()
                label.append(int(digits))
            elif following:
                plain.append(following)
            else:
                raise ValueError(f"a backslash ends the name: {text!r}")
        if label or plain or not labels:
            label += _encode_text("".join(plain), normalize)
            labels.append(bytes(label))
        return cls.from_labels(labels)

    @property
    def labels(self) -> tuple[bytes, ...]:
        """The labels in their original case, the leftmost first, without the empty one of the root."""
        wire = self.wire
        labels = []
        position = 0
        while length := wire[position]:
            position += 1
            labels.append(wire[position : position + length])
            position += length
        return tuple(labels)

    @property
    def parent(self) -> Name:
        """The name without its first label.

        :raises ValueError: this is the root.
        """
        if len(self.wire) == 1:
            raise ValueError("the root has no parent")
        return intern_wire(self.wire[self.wire[0] + 1 :])

    def prefixed(self, label: bytes | str) -> Name:
        """Return this name with one more label in front.

        :raises ValueError: as `from_labels`.
        """
        return Name.from_labels((label, *self.labels))

    def is_within(self, domain: Name) -> bool:
        """Whether this name is ``domain`` or below it; case does not matter."""
        key = self.key
        at = len(key) - len(domain.key)
        if not key.endswith(domain.key):
            return False
        # The octets of a label may look like the end of another name: only a label's start counts.
        position = 0
        while position < at:
            position += key[position] + 1
        return position == at

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return self.key == other.key if isinstance(other, Name) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.key)

    def __str__(self) -> str:
        return "".join([_show_label(label) + "." for label in self.labels]) or "."

    def __repr__(self) -> str:
        return f"Name({str(self)!r})"


def intern_wire(wire: bytes) -> Name:
    """Return the name of ``wire``, which must be valid: the same object while it is remembered."""
    name = interned.get(wire)
    if name is None:
        if len(interned) >= MAX_INTERNED:
            interned.clear()
        name = interned[wire] = Name(wire)
    return name


def end_of_wire(octets: bytes, start: int) -> int:
    """Return where the uncompressed name that starts at ``start`` ends, after its zero octet.

    :raises ValueError: it is cut short, too long or compressed.
    """
    position = start
    limit = min(len(octets), start + MAX_NAME)
    while position < limit:
        length = octets[position]
        position += 1 + length
        if not length:
            return position
        if length > MAX_LABEL:
            raise ValueError(f"octet {length:#04x} is no label length")
    raise ValueError("a name is cut short or too long")


_DIGITS = frozenset("0123456789")


def _encode_text(text: str, normalize: bool = True) -> bytes:
    """Return text as a label holds it: NFC, UTF-8, without control characters (RFC 5198 §2)."""
    if text.isascii() and text.isprintable():
        return text.encode("ascii")
    if normalize:
        text = unicodedata.normalize("NFC", text)
    for character in text:
        if unicodedata.category(character) == "Cc":
            raise ValueError(f"a control character in a label: {text!r}")
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError(f"a lone surrogate in a label: {text!r}") from None


def _show_label(label: bytes) -> str:
    """Return a label as text that `Name.parse` turns back into the same octets."""
    try:
        text = label.decode("utf-8")
    except UnicodeDecodeError:
        text = None
    if text is not None and text.isascii() and text.isprintable():
        return text.replace("\\", "\\\\").replace(".", "\\.")
    # parse() normalises what it reads, so a label that came in another form is shown by its octets.
    if text is None or not unicodedata.is_normalized("NFC", text):
        return "".join([_show_octet(octet) for octet in label])
    return "".join([_show_character(character) for character in text])


def _show_octet(octet: int) -> str:
    return _show_character(chr(octet)) if octet < 0x80 else f"\\{octet:03d}"


def _show_character(character: str) -> str:
    if character in ".\\":
        return "\\" + character
    return shown_in_zone_form(character)


ROOT: Final = Name(b"\0")
"""The root of all names."""

LOCAL: Final = Name(b"\x05local\0")
"""The domain of Multicast DNS, ``local.`` (RFC 6762 §3)."""

IS_COMPILED: Final = not hasattr(Name.__init__, "__code__")
"""Whether this is compiled code (setup.py), which has no functions of Python.

Loops, calls and two octets as a number are cheap there; what is C in both forms, as `struct` and
`bytes.find`, is dear, as each number is made an object for it. We ask for this where that is more than a
tenth of the time.
"""
