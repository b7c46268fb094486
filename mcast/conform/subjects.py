"""The subject of a run: what it publishes, and what it can be made to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from mcast.conform.shown import Way
from mcast.dns.names import LOCAL, Name


class Action(Enum):
    """What a scenario needs the subject to do."""

    START = "start"
    """Begin, with the names that it was set up with."""
    STOP = "stop"
    """End in good order, as when it is switched off."""
    KILL = "kill"
    """End at once and say nothing, as when the power fails."""
    UNPLUG = "unplug"
    """Lose the link."""
    PLUG = "plug"
    """Have the link again."""
    ADDRESS = "address"
    """Take another IPv4 address beside, or in place of, the one it has."""
    RENAME = "rename"
    """Take another name for its service, or for itself where it has no service."""


@dataclass(frozen=True, slots=True)
class Names:
    """What the subject was set up to publish.

    :raises ValueError: from `parse`, when what a person wrote is no such name.
    """

    host: Name
    service: Name | None = None
    """The whole name of an instance."""
    subtype: str = ""
    """The first label of a subtype that the service is of: ``_printer``."""
    browses: bool = False
    """Whether it looks for services of the type, and has none itself."""
    is_told: bool = True
    """Whether a person told the host name; without it a querier is met by its first question."""

    @classmethod
    def parse(cls, host: str, service: str = "", subtype: str = "") -> Names:
        """Make it of ``printer.local`` and ``My Printer._ipp._tcp``."""
        named = Name.parse(host)
        if len(named.labels) == 1:
            named = Name.from_labels((*named.labels, *LOCAL.labels))
        if len(named.labels) != 2 or named.parent != LOCAL:
            raise ValueError(f"{host}: a host name is one label and local, such as printer.local")
        return cls(named, _instance(service) if service else None, subtype)

    @property
    def type(self) -> Name | None:
        """The type of the service: ``_ipp._tcp.local``."""
        return None if self.service is None else self.service.parent

    @property
    def subtype_name(self) -> Name | None:
        """The name that a subtype is browsed by: ``_printer._sub._ipp._tcp.local``."""
        of = self.type
        if of is None or not self.subtype:
            return None
        return Name.from_labels((self.subtype, "_sub", *of.labels))


def _instance(text: str) -> Name:
    """Read the name of an instance; dots before the type are part of its label."""
    plain = text.removesuffix(".").removesuffix(".local")
    instance, tcp, rest = plain.rpartition("._tcp")
    ending = "_tcp"
    if not tcp or rest:
        instance, udp, rest = plain.rpartition("._udp")
        ending = "_udp"
        if not udp or rest:
            raise ValueError(f"{text}: a service is written NAME._TYPE._tcp, such as My Printer._ipp._tcp")
    label, _, kind = instance.rpartition(".")
    if not label or not kind.startswith("_"):
        raise ValueError(f"{text}: a service is written NAME._TYPE._tcp, such as My Printer._ipp._tcp")
    return Name.from_labels((label.replace("\\.", "."), kind, ending, *LOCAL.labels))


class Subject(Protocol):
    """What can be made to act."""

    name: str
    """For people: ``avahi``, or the host name of a device."""

    @property
    def actions(self) -> frozenset[Action]:
        """What it can be made to do."""

    @property
    def is_running(self) -> bool:
        """Whether it is up, as far as is known."""

    @property
    def last_words(self) -> str:
        """What it wrote last, where that is known."""

    @property
    def lines(self) -> Sequence[str]:
        """What it has written since it was started, as far as that is known."""

    @property
    def way(self) -> Way | None:
        """How lines of a querier that show services are read; None where nobody knows."""

    async def act(self, action: Action, value: str = "") -> None:
        """Have it do something; returns when that is done, but not yet visible.

        :param value: the new name, of `Action.RENAME`.
        :raises NotRunError: it did not.
        """
