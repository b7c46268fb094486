"""Tie-breaks: two hosts that probe for one name at once compare what they propose (RFC 6762 §8.2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from mcast.conform.bench import Bench
from mcast.conform.packets import Packet
from mcast.conform.responder.catalogue import RESPONDER
from mcast.conform.responder.exchanges import in_ms, listed
from mcast.conform.subjects import Action
from mcast.conform.verdicts import Judge, NotRunError, rule
from mcast.dns.codes import RecordType
from mcast.dns.records import Record, service, text

WATCH = 4.0
"""Seconds that are watched after our probe: the second that a loser waits, three probes, an announcement."""

DEFERRED = 0.9
"""Seconds that a loser waits at least. One second (RFC 6762 §8.2) less a tenth, as its probe may be late."""

WON = rule(
    "tie-breaks.won",
    "M-8.2-3 M-8.2-4",
    "RFC 6762 §8.2",
    "Who has the later data ignores the probe of the other.",
    "The subject goes on probing at its pace, and announces the name.",
    "Up to 900 ms between probes.",
    timed=True,
)
LOST = rule(
    "tie-breaks.lost",
    "M-8.2-5 M-8.2-8",
    "RFC 6762 §8.2",
    "Who has the earlier data waits one second, and probes for the same name again. Octets are compared as "
    "unsigned numbers: 200 is later than 10.",
    "No probe and no announcement of the name for one second after our probe.",
    "100 ms less; a probe that was on its way within 20 ms after ours does not count.",
    timed=True,
)
RETRIED = rule(
    "tie-breaks.lost-tries-again",
    "M-8.2-5",
    "RFC 6762 §8.2",
    "Since the other probe may be a stale packet, the loser tries the same name again after one second.",
    "A further probe for the same name.",
    timed=True,
)
EQUAL = rule(
    "tie-breaks.equal",
    "M-8.2.1-3",
    "RFC 6762 §8.2.1",
    "Who proposes the very same records is no rival: that is done for fault tolerance.",
    "The subject goes on probing at its pace, and announces the name.",
    "Up to 900 ms between probes.",
    timed=True,
)
LONGER = rule(
    "tie-breaks.longer-list",
    "M-8.2.1-1 M-8.2.1-2",
    "RFC 6762 §8.2.1",
    "When one list of records ends before a difference is found, the list with records left wins.",
    "The subject waits one second after our probe with its own records and a further one.",
    "100 ms less; a probe that was on its way within 20 ms after ours does not count.",
    timed=True,
)
BY_TYPE = rule(
    "tie-breaks.type-first",
    "M-8.2-6 M-8.2.1-1",
    "RFC 6762 §8.2",
    "The numbers of the types are compared before the data.",
    "The subject waits one second after our probe with a record of a later type and early data.",
    "100 ms less; a probe that was on its way within 20 ms after ours does not count.",
    timed=True,
)

Rival = Callable[[Sequence[Record]], Sequence[Record]]


@dataclass(frozen=True, slots=True)
class Contest:
    """What came of two probes at once."""

    ours: Packet
    probes: list[Packet]
    """Those of the subject for the name, from its first."""
    after: list[Packet]
    """Those that count as sent after it has read ours."""
    announced: Packet | None
    instead: list[str]
    """Other host names that it probed for afterwards."""

    @property
    def packets(self) -> list[Packet | None]:
        return [*self.probes, self.ours, self.announced]

    @property
    def goes_on(self) -> bool:
        """Whether the subject went on as if nothing had been."""
        gaps = [after.at - before.at for before, after in pairwise(self.probes)]
        return self.announced is not None and all(gap < DEFERRED for gap in gaps)

    @property
    def waited(self) -> float:
        """Seconds from our probe to the next probe or announcement; a great number for none."""
        times = [each.at for each in (*self.after, *filter(None, [self.announced]))]
        return min(times, default=self.ours.at + 999.0) - self.ours.at

    @property
    def said(self) -> str:
        gaps = [after.at - before.at for before, after in pairwise(self.probes)]
        what = "announced" if self.announced is not None else "not announced"
        wait = "no further probe" if self.waited > 900 else f"went on {in_ms(self.waited)} after ours"
        probes = f"{len(self.probes)} probes at intervals of {listed(gaps)}" if gaps else "a single probe"
        return f"{wait}; {probes}; {what}"


async def contest(bench: Bench, rival: Rival) -> Contest:
    """Start the subject, and answer its first probe for the host name by one of ours."""
    host = bench.names.host
    mark = await bench.start()
    bench.is_renamed = True
    first = await bench.awaited(lambda each: each.is_probe and each.asks_for(host), mark)
    if first is None or first.message is None:
        raise NotRunError("the subject does not probe for its host name")
    proposed = [record for record in first.message.authorities if record.name == host]
    if not proposed:
        raise NotRunError("the subject proposes no record for its host name")
    sent = bench.probe(host, *rival(proposed), host=min(1, len(bench.link.hosts) - 1))
    await bench.sent_at(sent)
    ours = bench.sent(sent)
    await bench.sleep(WATCH)
    seen = bench.theirs(mark)
    probes = [each for each in seen if each.is_probe and each.asks_for(host)]
    announced = next(
        (each for each in seen if each.is_multicast and each.answers_of(host) and each.at > ours.at),
        None,
    )
    after = [each for each in probes if each.at > ours.at + 0.02]
    asked = [
        each.name for packet in seen if packet.is_probe and packet.at > ours.at for each in packet.questions
    ]
    # Of two labels, unlike those of services and reverse names.
    others = dict.fromkeys(str(name) for name in asked if len(name.labels) == 2 and name != host)
    return Contest(ours, probes, after, announced, list(others))


def _order(record: Record) -> tuple[int, int, bytes]:
    return (record.rclass, record.type, record.rdata)


def _changed(proposed: Sequence[Record], first_octet: int) -> list[Record]:
    """Return the first of the records with data that begin with an octet."""
    first = min(proposed, key=_order)
    rdata = bytes((first_octet,)) + first.rdata[1:-1] + b"\x09"
    return [Record(first.name, first.type, first.rclass, first.ttl, rdata)]


def earlier(proposed: Sequence[Record]) -> list[Record]:
    """Return data that lose."""
    return _changed(proposed, 1)


def later(proposed: Sequence[Record]) -> list[Record]:
    """Return data that win, and would lose where octets are compared as signed numbers."""
    return _changed(proposed, 200 if min(proposed, key=_order).rdata[:1] < b"\x80" else 255)


def longer(proposed: Sequence[Record]) -> list[Record]:
    """Return the same records and one of a type that sorts behind those of a host: SRV."""
    name = proposed[0].name
    return [*proposed, service(name, 0, 0, 9, name, 120)]


def later_type(proposed: Sequence[Record]) -> list[Record]:
    """Return a record of a later type than the first one, with data that sort early."""
    first = min(proposed, key=_order)
    if first.type < RecordType.TXT:
        return [text(first.name, [b""], 120)]
    if first.type < RecordType.SRV:
        return [service(first.name, 0, 0, 0, first.name, 120)]
    raise NotRunError("the subject proposes no address")


_STARTS = "The subject is started; its first probe for HOST is answered at once by a probe of ours with "


@RESPONDER.scenario("tie-breaks/won", WON, sends=_STARTS + "earlier data.", seconds=7, needs=[Action.START])
async def won(bench: Bench, judge: Judge) -> None:
    """Lose against the subject."""
    found = await contest(bench, earlier)
    judge.decide(WON, found.goes_on, found.said, found.packets)


@RESPONDER.scenario(
    "tie-breaks/lost", LOST, RETRIED, sends=_STARTS + "later data; twice.", seconds=13, needs=[Action.START]
)
async def lost(bench: Bench, judge: Judge) -> None:
    """Win against the subject, and be gone; twice, since a random time may be long by chance."""
    found = await contest(bench, later)
    if judge.decide(LOST, found.waited >= DEFERRED, found.said, found.packets):
        found = await contest(bench, later)
        judge.decide(LOST, found.waited >= DEFERRED, found.said, found.packets)
    again = [each for each in found.after if each.at > found.ours.at + DEFERRED]
    said = f"{len(again)} probes for the same name after a second"
    if found.instead:
        said += f"; probed for {', '.join(found.instead)} instead"
    judge.decide(RETRIED, bool(again), said, found.packets)


@RESPONDER.scenario(
    "tie-breaks/equal", EQUAL, sends=_STARTS + "the same records.", seconds=7, needs=[Action.START]
)
async def equal(bench: Bench, judge: Judge) -> None:
    """Propose the same."""
    found = await contest(bench, lambda proposed: proposed)
    judge.decide(EQUAL, found.goes_on, found.said, found.packets)


@RESPONDER.scenario(
    "tie-breaks/longer",
    LONGER,
    sends=_STARTS + "the same records and a further one.",
    seconds=7,
    needs=[Action.START],
)
async def longer_list(bench: Bench, judge: Judge) -> None:
    """Win by a record more."""
    found = await contest(bench, longer)
    judge.decide(LONGER, found.waited >= DEFERRED, found.said, found.packets)


@RESPONDER.scenario(
    "tie-breaks/type",
    BY_TYPE,
    sends=_STARTS + "a TXT record, or over IPv6 an SRV record.",
    seconds=7,
    needs=[Action.START],
)
async def by_type(bench: Bench, judge: Judge) -> None:
    """Win by the type."""
    found = await contest(bench, later_type)
    judge.decide(BY_TYPE, found.waited >= DEFERRED, found.said, found.packets)
