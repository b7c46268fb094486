"""What scenarios of the querier role do: have the subject browse, answer it, see what it believes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mcast.conform.bench import START_TIMEOUT, Bench
from mcast.conform.packets import Packet
from mcast.conform.shown import Service, Shown
from mcast.conform.verdicts import Check, Judge, NotRunError
from mcast.dns.codes import RecordType
from mcast.dns.names import Name
from mcast.dns.records import Record, address, pointer, service, text

EARLY = 0.005
"""Seconds that a timer may be early: clocks of milliseconds, and two stamps of the kernel."""

BUSY = 0.15
"""Seconds that a subject may be late, on a machine that others use too. Our choice."""

TTL = 4500
"""Seconds that a PTR record lives by default (RFC 6762 §10)."""

LONG = 4500
"""Seconds that the other records of a service live. Our choice: they are to be no matter in a scenario."""

TOGETHER = 0.15
"""Seconds in which the packets of one list of known answers come. Our choice: "immediately" (RFC 6762 §7.2),
on a busy machine."""

NEXT_QUERY = 10.0
"""Seconds in which a query of a series comes, of the first four. Our choice: the third interval is at least
four seconds, and queriers vary."""


@dataclass(slots=True)
class Browse:
    """A subject that browses for a type.

    :param kind: the whole name of the type.
    :param mark: from before it was started.
    :param first: its first query for the type.
    """

    bench: Bench
    kind: Name
    mark: int
    first: Packet

    def asks(self, packet: Packet) -> bool:
        """Tell whether a packet asks for the services of the type."""
        return asks_for(packet, self.kind)

    def queries(self, mark: int | None = None) -> list[Packet]:
        """Return the queries for the type, all or those since a mark."""
        since = self.mark if mark is None else mark
        return [each for each in self.bench.theirs(since) if self.asks(each)]

    async def query(self, mark: int, within: float = NEXT_QUERY) -> Packet | None:
        """Return the first query since a mark, and wait for it."""
        return await self.bench.next(self.asks, within, mark)

    async def asked(self, name: Name, rtype: int, mark: int, within: float) -> Packet | None:
        """Return the first query for a record since a mark, and wait for it."""
        return await self.bench.next(lambda each: asks(each, name, rtype), within, mark)

    async def second(self) -> Packet:
        """Return the second query of the series.

        :raises NotRunError: there is none.
        """
        found = await self.nth(2)
        if found is None:
            raise NotRunError("the subject asks only once")
        return found

    async def nth(self, number: int, within: float = NEXT_QUERY) -> Packet | None:
        """Return one of the queries since the start, the first being 1; None where it does not come."""
        end = self.bench.now + within
        while len(self.queries()) < number:
            left = end - self.bench.now
            if left <= 0 or await self.query(self.bench.view.mark, left) is None:
                break
        return next(iter(self.queries()[number - 1 :]), None)

    def named(self, label: str = "") -> Name:
        """Return the name of an instance of the type, a random one by default."""
        first = label or self.bench.random_name().labels[0]
        return Name.from_labels((first, *self.kind.labels))

    def pointer(self, instance: Name, ttl: int = TTL) -> Record:
        """Return the record that tells of an instance."""
        return pointer(self.kind, instance, ttl)

    def tell(self, *instances: Name, ttl: int = TTL) -> int:
        """Tell of instances with all that there is to resolve them, so that they can be shown; see `send`."""
        host = self.bench.random_name()
        here = "fd77::1" if self.bench.ipv6 else "10.77.0.1"
        if not self.bench.is_lab:
            here = self.bench.address()
        additionals = [address(host, here, LONG, True)]
        for instance in instances:
            additionals.append(service(instance, 0, 0, 4711, host, LONG, True))
            additionals.append(text(instance, [b"a=b"], LONG, True))
        pointers = (self.pointer(each, ttl) for each in instances)
        return self.bench.respond(*pointers, additionals=additionals)

    # What it believes

    def list_of(self, query: Packet) -> list[Packet]:
        """Return a query and what follows it of its list of known answers."""
        return [
            each
            for each in self.bench.theirs(self.mark)
            if each is query or (each.is_query and 0 <= each.at - query.at <= TOGETHER and self._lists(each))
        ]

    def _lists(self, packet: Packet) -> bool:
        return any(each.name == self.kind and each.type == RecordType.PTR for each in packet.answers)

    def known(self, query: Packet) -> list[Record]:
        """Return the PTR records of the type that a query and its continuation list."""
        return [
            record
            for packet in self.list_of(query)
            for record in packet.answers
            if record.name == self.kind and record.type == RecordType.PTR
        ]

    def shown(self) -> Shown | None:
        """Return what the subject shows; None where nobody knows how to read it."""
        way = self.bench.subject.way
        return None if way is None else way.read(self.bench.subject.lines, self.bench.ipv6)

    def shows(self, instance: Name) -> Service | None:
        """Return what the subject shows of an instance."""
        return (self.shown() or {}).get(label_of(instance))

    async def until(self, holds: Callable[[], bool], within: float) -> bool:
        """Wait until something holds; False when it does not in time."""
        end = self.bench.now + within
        while not holds():
            if self.bench.now >= end:
                return False
            await self.bench.sleep(0.05)
        return True

    async def beliefs(self, mark: int, control: Name | None = None) -> Beliefs:
        """Return what the subject believes, by the next query since a mark and by what it shows.

        :param control: an instance that any querier believes, told since the mark. The query after the next
            one counts, too: a subject that stood still may ask before it reads what it was told.
        :raises NotRunError: there is neither, or the control is not believed, so that nothing can be said of
            the rest.
        """
        found = await self._beliefs(mark)
        if control is None or found.hold(control):
            return found
        found = await self._beliefs(self.bench.view.mark)
        if not found.hold(control):
            raise NotRunError("the subject neither lists as known nor shows what it was told")
        return found

    async def _beliefs(self, mark: int) -> Beliefs:
        query = await self.query(mark)
        if query is not None:
            await self.bench.sleep(2 * TOGETHER)
        shown = self.shown()
        if query is None and shown is None:
            raise NotRunError("the subject does not ask again, so that what it believes is not seen")
        known = {record.rdata for record in self.known(query)} if query is not None else set()
        packets = self.list_of(query) if query is not None else []
        return Beliefs(self, known, set(shown or ()), tuple(packets))


@dataclass(slots=True)
class Beliefs:
    """What a subject lists as known, and what it shows."""

    browse: Browse
    known: set[bytes]
    """The data of the PTR records that it lists."""
    labels: set[str]
    """Of the instances that it shows."""
    packets: tuple[Packet, ...]

    def hold(self, instance: Name) -> bool:
        """Tell whether an instance is believed to be there."""
        return instance.wire in self.known or label_of(instance) in self.labels

    def decide(
        self, judge: Judge, check: Check, instance: Name, wanted: bool, also: Iterable[Packet] = ()
    ) -> None:
        """Take down whether an instance is believed where it should be, or not."""
        holds = self.hold(instance)
        ways = ["listed as known"] * (instance.wire in self.known)
        ways += ["shown"] * (label_of(instance) in self.labels)
        said = f"{instance} is {' and '.join(ways) or 'neither listed as known nor shown'}"
        judge.decide(check, holds is wanted, said, (*also, *self.packets))


def label_of(instance: Name) -> str:
    """Return the first label of a name as text."""
    return instance.labels[0].decode(errors="replace")


def asks(packet: Packet, name: Name, rtype: int) -> bool:
    """Tell whether a packet asks for the records of a name."""
    return packet.is_query and any(
        each.name == name and each.type in (rtype, RecordType.ANY) for each in packet.questions
    )


def asks_for(packet: Packet, kind: Name) -> bool:
    """Tell whether a packet asks for the services of a type."""
    return asks(packet, kind, RecordType.PTR)


async def browse(bench: Bench) -> Browse:
    """Start the subject anew and return once it has asked for the type.

    :raises NotRunError: it does not.
    """
    kind = bench.names.type
    if kind is None:
        raise NotRunError("no type was named: --type tells it")
    mark = await bench.start()
    end = bench.now + START_TIMEOUT
    while bench.now < end:
        first = await bench.next(lambda each: asks_for(each, kind), 1.0, mark)
        if first is not None:
            bench.meet(first)
            return Browse(bench, kind, mark, first)
        bench.require_running()
    raise NotRunError(f"the subject does not ask for {kind} within {START_TIMEOUT:.0f} s")
