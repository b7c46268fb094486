"""The bench that a scenario stands at: the link, the subject, and our own hosts beside it."""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from mcast.conform.packets import GROUP_IPV4, GROUP_IPV6, MDNS_PORT, Packet, Sender
from mcast.conform.subjects import Action, Names, Subject
from mcast.conform.verdicts import NotRunError
from mcast.conform.view import View
from mcast.dns.codes import QUERY_FLAGS, RESPONSE_FLAGS, RecordType
from mcast.dns.messages import Message, Question, encode
from mcast.dns.names import LOCAL, Name
from mcast.dns.records import Record
from mcast.sockets.frames import Datagram

START_TIMEOUT = 45.0
"""Seconds that a subject is given to start and claim its names. Our choice: a loaded machine, Python, and
names that take a second each."""

ANNOUNCED = 4.0
"""Seconds after the first announcement in which the rest of a start is expected. Our choice: names that are
claimed one after the other take a second each."""

ASK_INTERVAL = 1.5
"""Seconds between questions whether the subject is up. Our choice: more than the second between two answers
(RFC 6762 §6)."""

REST = 1.2
"""Seconds without a packet of the subject before a scenario asks: it may multicast every record again
after one second (RFC 6762 §6), and a machine under load is late."""

ANSWER_TIMEOUT = 2.0
"""Seconds that an answer is waited for. Our choice: four times the longest delay (RFC 6762 §6), for a loaded
machine."""

OFF_LINK_IPV4 = "203.0.113.77"
OFF_LINK_IPV6 = "2001:db8:ffff::77"
"""Addresses of documentation (RFC 5737, RFC 3849), which are on no link."""


@dataclass(frozen=True, slots=True)
class OurHost:
    """An address of ours on the link."""

    ipv4: str
    ipv6: str
    mac: bytes


class Link(Protocol):
    """What a bench needs of a link."""

    reactor: Any

    def within(self) -> AbstractContextManager[None]:
        """Be where the link is, to open sockets that are there."""

    @property
    def hosts(self) -> Sequence[OurHost]:
        """Our own hosts, of one machine or of several."""

    def send(self, datagram: Datagram) -> None:
        """Send a datagram."""

    @property
    def lost(self) -> int:
        """Packets that we meant to send and did not, or did not see whole."""

    @property
    def trouble(self) -> str:
        """Why nothing can be sent or seen now; empty when all is well."""

    def hold_port(self, address: str, port: int) -> None:
        """Have a port of ours be open, so that what comes to it is not answered by an ICMP error."""


class Bench:
    """What scenarios do and see.

    :param dice: draws names and ports.
    """

    def __init__(self, view: View, link: Link, subject: Subject, names: Names, dice: random.Random) -> None:
        self.view = view
        self.link = link
        self.subject = subject
        self.names = names
        self.dice = dice
        self.ipv6 = False
        """Whether the subject is judged over IPv6."""
        self.is_lab = False
        """Whether we see all that the subject sends, wherever it goes."""
        self.is_renamed = False
        """Whether we have taken names from the subject, so that the next scenario needs a new start."""
        self.subject_mac = b""
        """Learned from the first packet of the subject; empty before."""
        self.subject_address = ""
        """Where it sends from, in the family that it is judged by."""

    # Time and packets

    @property
    def clock(self) -> Any:
        return self.view.clock

    @property
    def now(self) -> float:
        return float(self.clock.seconds())

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await self.view.sleep(seconds)

    def is_theirs(self, packet: Packet) -> bool:
        """Tell whether the subject sent a packet, in the family that it is judged by."""
        return packet.sender is Sender.SUBJECT and packet.is_ipv6 == self.ipv6

    def theirs(self, mark: int) -> list[Packet]:
        """Return what the subject has sent since a mark."""
        return [packet for packet in self.view.since(mark) if self.is_theirs(packet)]

    def ours(self, mark: int) -> list[Packet]:
        """Return what we have sent since a mark, with the times at which it went out."""
        return [
            packet
            for packet in self.view.since(mark)
            if packet.sender is Sender.JUDGE and packet.is_ipv6 == self.ipv6
        ]

    async def next(self, wanted: Callable[[Packet], bool], within: float, since: int) -> Packet | None:
        """Return the first packet of the subject since a mark that is wanted; None if there is none."""
        return await self.view.first(lambda each: self.is_theirs(each) and wanted(each), within, since)

    async def rest(self) -> None:
        """Wait until the subject may say everything again."""
        await self.view.quiet(REST)

    # Sending

    @property
    def group(self) -> str:
        return GROUP_IPV6 if self.ipv6 else GROUP_IPV4

    @property
    def address_type(self) -> RecordType:
        """The type of addresses of the family that the subject is judged by.

        It need not say the others there: Avahi does not, unless it is told to.
        """
        return RecordType.AAAA if self.ipv6 else RecordType.A

    def address(self, host: int = 0) -> str:
        """Return the address of one of our hosts.

        :raises NotRunError: there are not so many, or it has none of this family.
        """
        if host >= len(self.link.hosts):
            raise NotRunError("needs a second host of ours on the link, which only the lab has")
        ours = self.link.hosts[host]
        address = ours.ipv6 if self.ipv6 else ours.ipv4
        if not address:
            raise NotRunError("our interface has no link-local IPv6 address")
        return address

    def send(
        self,
        message: Message | bytes,
        *,
        host: int = 0,
        port: int = MDNS_PORT,
        to: str = "",
        source: str = "",
        hop_limit: int = 255,
    ) -> int:
        """Send a message, or octets that need not be one, and return the mark from before.

        :param host: which of our hosts sends.
        :param to: a unicast address of the subject; the group by default.
        :param source: an address to forge.
        """
        mark = self.view.mark
        address = source or self.address(host)
        if port != MDNS_PORT and not source:
            self.link.hold_port(address, port)
        mac = self.link.hosts[min(host, len(self.link.hosts) - 1)].mac
        data = message if isinstance(message, bytes) else encode(message)
        target = self.subject_mac if to else b""
        self.link.send(
            Datagram(mac, address, port, to or self.group, MDNS_PORT, data, hop_limit, destination_mac=target)
        )
        return mark

    def ask(
        self,
        *questions: Question,
        known: Iterable[Record] = (),
        truncated: bool = False,
        **where: Any,
    ) -> int:
        """Send a query; see `send`."""
        flags = QUERY_FLAGS | (0x0200 if truncated else 0)
        # RFC 6762 §10.2: the bit is never set in a list of known answers.
        listed = tuple(record.with_cache_flush(False) for record in known)
        return self.send(Message(flags=flags, questions=questions, answers=listed), **where)

    def respond(self, *records: Record, additionals: Iterable[Record] = (), **where: Any) -> int:
        """Send a response; see `send`."""
        return self.send(
            Message(flags=RESPONSE_FLAGS, answers=records, additionals=tuple(additionals)), **where
        )

    def probe(self, name: Name, *records: Record, unicast: bool = True, **where: Any) -> int:
        """Send a probe for a name; see `send`."""
        question = Question(name, RecordType.ANY, unicast=unicast)
        return self.send(Message(questions=(question,), authorities=records), **where)

    def sent(self, mark: int) -> Packet:
        """Return the last packet that we have sent since a mark, as it went out.

        :raises NotRunError: it was not seen to leave.
        """
        ours = self.ours(mark)
        if not ours:
            raise NotRunError("our own packet was not seen on the link")
        return ours[-1]

    async def sent_at(self, mark: int) -> float:
        """Return when our first packet since a mark went out."""
        packet = await self.view.first(lambda each: each.sender is Sender.JUDGE, 1.0, mark)
        if packet is None:
            raise NotRunError("our own packet was not seen on the link")
        return packet.at

    def random_name(self, *ending: str) -> Name:
        """Return a name that nobody else has."""
        word = "".join(self.dice.choices(string.ascii_lowercase + string.digits, k=12))
        return Name.from_labels((f"mcast-{word}", *(ending or ()), *LOCAL.labels))

    def random_port(self) -> int:
        """Return a port that is not the one of Multicast DNS."""
        return self.dice.randrange(40_000, 60_000)

    # The subject

    def can(self, *actions: Action) -> bool:
        """Tell whether the subject can be made to do all of these."""
        return set(actions) <= self.subject.actions

    async def start(self) -> int:
        """Start the subject anew, with no memory of what was, and return the mark from before."""
        if self.subject.is_running:
            await self.subject.act(Action.KILL)
        mark = self.view.mark
        await self.subject.act(Action.START)
        self.is_renamed = False
        return mark

    async def awaited(self, wanted: Callable[[Packet], bool], mark: int) -> Packet | None:
        """Return the first packet that is wanted of a subject that was just started, and meet it.

        Once the subject has announced something it is waited for some seconds only.

        :raises NotRunError: the subject has ended.
        """
        end = self.now + START_TIMEOUT
        found = None
        while found is None and self.now < end:
            found = await self.next(wanted, min(1.0, end - self.now), mark)
            if found is None:
                self.require_running()
                responses = [each.at for each in self.theirs(mark) if each.is_response and each.answers]
                if responses:
                    end = min(end, responses[0] + ANNOUNCED)
        if found is not None:
            self.meet(found)
        return found

    def require_running(self) -> None:
        """Do nothing while the subject runs.

        :raises NotRunError: it has ended, with its last words; or nobody could see that it runs.
        """
        if self.link.trouble:
            raise NotRunError(self.link.trouble)
        if not self.subject.is_running:
            words = self.subject.last_words
            raise NotRunError("the subject has ended by itself" + (f": {words}" if words else ""))

    async def until_up(self) -> None:
        """Return once the subject answers for its names and has announced them.

        :raises NotRunError: it never does.
        """
        end = self.now + START_TIMEOUT
        name = self.names.service or self.names.host
        rtype = RecordType.SRV if self.names.service else self.address_type
        while self.now < end:
            mark = self.ask(Question(name, rtype))
            found = await self.view.first(
                lambda each: (
                    each.sender is not Sender.JUDGE
                    and each.is_ipv6 == self.ipv6
                    and bool(each.answers_of(name, rtype))
                ),
                ASK_INTERVAL,
                mark,
            )
            if found is not None:
                self.meet(found)
                await self.view.quiet(REST + 1.0)
                return
            self.require_running()
        raise NotRunError(f"nobody answers for {name} within {START_TIMEOUT:.0f} s")

    def meet(self, packet: Packet) -> None:
        """Learn who the subject is from a packet that it has sent."""
        self.subject_mac = packet.datagram.source_mac
        self.subject_address = packet.datagram.source

    async def up(self) -> None:
        """Have a subject that is up, at rest and has its own names; starts it where it is not so."""
        if self.is_renamed and self.can(Action.START, Action.KILL):
            await self.start()
            await self.until_up()
        elif not self.subject.is_running:
            if not self.can(Action.START):
                raise NotRunError("the subject does not run")
            await self.start()
            await self.until_up()
        elif not self.subject_mac or not self.subject_address:
            await self.until_up()
        else:
            await self.rest()

    async def records(self, name: Name, rtype: int) -> list[Record]:
        """Ask the subject for records, and return those of its answer; it is at rest before and after.

        :raises NotRunError: it does not answer.
        """

        def answers(packet: Packet) -> list[Record]:
            # A late answer to another question may have the same beside its answers.
            found = packet.answers_of(name, rtype)
            return [record for record in packet.answers if record in found]

        await self.rest()
        mark = self.ask(Question(name, rtype))
        found = await self.next(lambda each: bool(answers(each)), ANSWER_TIMEOUT, mark)
        if found is None:
            raise NotRunError(f"the subject does not answer for {name}")
        await self.rest()
        return answers(found)
