"""A host with several links on which services are followed."""

from __future__ import annotations

from collections.abc import Sequence

from mcast.dns.messages import Question
from mcast.dns.names import Name
from mcast.dns.records import Record, address, next_secure, pointer, service, text
from mcast.dnssd.following import Follower
from mcast.dnssd.found import Change, FoundService
from mcast.dnssd.link_id import LinkId
from mcast.dnssd.tracking import ServiceTracker
from mcast.dnssd.types import ServiceType
from mcast.mdns.context import LinkSettings
from mcast.mdns.events import Denied, RecordChange
from mcast.neighbours import SocketAddress
from tests.mdns.lab import A
from tests.mdns.querier.asking_lab import (
    AskingLab,
)

HTTP = ServiceType("http", "tcp")
LIST = HTTP.in_domain()
ETH0 = LinkId("eth0", 2, False)
ETH0_V6 = LinkId("eth0", 2, True)
WLAN0 = LinkId("wlan0", 3, False)


def instance(label: str, type_name: Name = LIST) -> Name:
    return type_name.prefixed(label)


def host(label: str) -> Name:
    return Name.from_labels([label, "local"])


def listing(label: str, ttl: int = 4500, *, under: Name = LIST) -> Record:
    """The PTR record that lists an instance."""
    return pointer(under, instance(label), ttl)


def located(label: str, port: int = 80, on: str = "far", *, ttl: int = 120) -> Record:
    return service(instance(label), 0, 0, port, host(on), ttl, cache_flush=True)


def described(label: str, *strings: bytes, ttl: int = 4500) -> Record:
    return text(instance(label), strings, ttl, cache_flush=True)


def at(number: int, on: str = "far", *, ttl: int = 120) -> Record:
    return address(host(on), f"192.168.1.{number}", ttl, cache_flush=True)


def at_v6(suffix: str, on: str = "far", *, ttl: int = 120) -> Record:
    return address(host(on), f"fe80::{suffix}", ttl, cache_flush=True)


def only(*types: int, on: str = "far") -> Record:
    """Says that a host has no addresses but these."""
    return next_secure(host(on), types, 120)


def whole(label: str = "One", port: int = 80, on: str = "far", number: int = 9) -> list[Record]:
    """All records of a service on a host with one IPv4 address."""
    return [
        listing(label),
        located(label, port, on),
        described(label, b"path=/"),
        at(number, on),
        only(A, on=on),
    ]


class FollowingLab:
    """Links with clocks that go together, and followers of what is heard on them."""

    def __init__(self, *links: LinkId, up_for: float = 10.0) -> None:
        self.labs = {
            link: AskingLab(LinkSettings(ipv6=link.ipv6), up_for=up_for) for link in links or (ETH0,)
        }
        self.now = up_for
        self.followers: list[Follower] = []
        self.changes: list[Change] = []

    def follow(self, follower: Follower) -> None:
        self.followers.append(follower)
        for link, lab in self.labs.items():
            follower.add_link(link, lab.querier, self.now)
        self._settle()

    def hear(self, *records: Record, link: LinkId | None = None, source: str = "") -> None:
        """Let another host send these records on a link, the first one by default.

        :param source: the address of that host.
        """
        link = link or next(iter(self.labs))
        address = source or ("fe80::9" if link.ipv6 else "192.168.1.9")
        host: SocketAddress = (address, 5353, 0, link.index) if link.ipv6 else (address, 5353)
        self.labs[link].hear(*records, source=host)
        self._settle()

    def run(self, until: float) -> None:
        while True:
            due = [lab.link.next_wakeup() for lab in self.labs.values()]
            due += [one.next_wakeup() for one in self.followers if isinstance(one, ServiceTracker)]
            waking = [time for time in due if time is not None and time <= until]
            if not waking:
                break
            self.now = max(self.now, min(waking))
            for lab in self.labs.values():
                lab.run(self.now)
            self._settle()
        self.now = until
        for lab in self.labs.values():
            lab.run(until)

    def pass_time(self, duration: float) -> None:
        self.run(self.now + duration)

    def down(self, link: LinkId) -> None:
        self.labs[link].link.link_down(self.now)
        self._settle()

    def up(self, link: LinkId) -> None:
        self.labs[link].link.link_up(self.now)
        self._settle()

    def _settle(self) -> None:
        """Pass events on until there are no more, and take what the followers have to tell."""
        for link, lab in self.labs.items():
            lab.now = self.now
            lab.collect()
            events, lab.events = lab.events, []
            for event in events:
                if isinstance(event, RecordChange | Denied):
                    for asker in event.askers:
                        if isinstance(asker, Follower):
                            asker.handle(link, event, self.now)
        for follower in self.followers:
            if isinstance(follower, ServiceTracker):
                self.changes += follower.changes(self.now)
                while follower.has_news:
                    self.changes += follower.changes(self.now)

    def told(self) -> list[tuple[str, str]]:
        """What was told since the last call: the kind of each change, and the instance."""
        told = [(type(change).__name__, change.service.name) for change in self.changes]
        self.changes.clear()
        return told

    def last(self) -> FoundService:
        """The service of the latest change."""
        return self.changes[-1].service

    def asked(self, link: LinkId | None = None) -> list[Question]:
        """The questions that left a link since the last call."""
        lab = self.labs[link or next(iter(self.labs))]
        questions = lab.sent.queries.questions
        lab.sent.clear()
        return questions


def shown(service: FoundService) -> list[str]:
    """The addresses of a service as text."""
    return [str(found.address) for found in service.addresses]


def keys(questions: Sequence[Question]) -> list[tuple[str, int]]:
    return [(str(question.name), question.type) for question in questions]
