"""Which packets `mcast dump` shows: those of some hosts, names and types."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from mcast.dns.messages import Message, Question
from mcast.dns.names import LOCAL, Name
from mcast.dns.presentation import parse_type
from mcast.dns.records import Record, ServiceData

Word = IPv4Address | IPv6Address | Name | int
"""The address of a host that sends, a name, or the number of a type."""


def parse_word(text: str) -> Word:
    """Read what a person wants to see.

    A name to which "local" is to be added ends in no known way, such as ``kitchen`` and ``_http._tcp``.

    :raises ValueError: it is none of these.
    """
    try:
        return ip_address(text.partition("%")[0])
    except ValueError:
        pass
    if "." not in text:
        try:
            return parse_type(text)
        except ValueError:
            pass
    name = Name.parse(text)
    if len(name.labels) == 1 or name.labels[-1].startswith(b"_"):
        name = Name.from_labels((*name.labels, *LOCAL.labels))
    return name


@dataclass(frozen=True, slots=True)
class Wanted:
    """Hosts, names and types; of each kind one is enough, and a kind without any does not count."""

    hosts: frozenset[IPv4Address | IPv6Address] = frozenset()
    names: tuple[Name, ...] = ()
    types: frozenset[int] = frozenset()

    @classmethod
    def of(cls, words: Sequence[Word]) -> Wanted:
        """Divide what `parse_word` has read by its kind."""
        return cls(
            frozenset([word for word in words if isinstance(word, IPv4Address | IPv6Address)]),
            tuple([word for word in words if isinstance(word, Name)]),
            frozenset([word for word in words if isinstance(word, int)]),
        )

    def is_host(self, source: str) -> bool:
        """Tell whether a host that sends is wanted; its zone does not count."""
        return not self.hosts or ip_address(source.partition("%")[0]) in self.hosts

    @property
    def is_any_message(self) -> bool:
        """Whether neither names nor types count."""
        return not (self.names or self.types)

    def is_part(self, part: Question | Record) -> bool:
        """Tell whether a question or record is wanted: its name, or one it leads to, is one or in one."""
        if self.types and part.type not in self.types:
            return False
        return not self.names or any(
            name.is_within(wanted) for name in _names_of(part) for wanted in self.names
        )

    def is_message(self, message: Message) -> bool:
        """Tell whether there is something wanted in a message."""
        return self.is_any_message or any(map(self.is_part, _parts_of(message)))


EVERYTHING = Wanted()


def _parts_of(message: Message) -> Iterable[Question | Record]:
    yield from message.questions
    for section in (message.answers, message.authorities, message.additionals):
        yield from section


def _names_of(part: Question | Record) -> Iterable[Name]:
    yield part.name
    if isinstance(part, Record):
        data = part.data
        if isinstance(data, Name):
            yield data
        elif isinstance(data, ServiceData):
            yield data.target
