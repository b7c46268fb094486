"""What a Discovery Proxy says of its link, when, and for how long (RFC 8766 §5)."""

from __future__ import annotations

from dataclasses import dataclass

from twisted.internet.defer import Deferred, gatherResults

from mcast.conform.bench import Bench
from mcast.conform.proxy.catalogue import PROXY
from mcast.conform.proxy.clients import (
    AT_ONCE,
    Answer,
    LinkDevice,
    ask,
    asked_on_link,
    connect,
    in_host_zone,
    in_zone,
    on_link,
    proxy_up,
)
from mcast.conform.verdicts import Judge, must, rule, should
from mcast.dns.codes import RecordType
from mcast.dns.names import Name
from mcast.dns.records import Record, address, next_secure, pointer, service, text

MOST_TTL = 10
"""Seconds that an answer lives at most elsewhere (RFC 8766 §5.5.1)."""

WAIT = (5.8, 7.5)
"""Seconds until there is nothing: six (RFC 8766 §5.6), and some for a busy machine."""

CLIENTS = 5
"""Clients that ask the same at once. Our choice."""

HOST_TTL, OTHER_TTL = 120, 4500


@dataclass(frozen=True, slots=True)
class Thing:
    """A service that a device of ours has, under names that nobody has asked for before."""

    kind: str
    instance: str
    host: str
    records: tuple[Record, ...]

    @property
    def type_on_link(self) -> Name:
        return on_link(self.kind, "_tcp")

    @property
    def type_in_zone(self) -> Name:
        return in_zone(self.kind, "_tcp")

    @property
    def in_zone(self) -> Name:
        return in_zone(self.instance, self.kind, "_tcp")


def thing(bench: Bench, at: str = "10.77.0.99") -> Thing:
    """Make up a service and its host."""
    word = "".join(bench.dice.choices("abcdefghijklmnopqrstuvwxyz", k=8))
    kind, instance, host = f"_c{word}", f"Thing {word}", f"thing-{word}"
    name, owner = on_link(instance, kind, "_tcp"), on_link(host)
    records = (
        pointer(on_link(kind, "_tcp"), name, OTHER_TTL),
        service(name, 0, 0, 631, owner, HOST_TTL, True),
        text(name, [b"note=conform"], OTHER_TTL, True),
        address(owner, at, HOST_TTL, True),
    )
    return Thing(kind, instance, host, records)


TRANSLATED = rule(
    "proxy-answers.translated",
    "P-5.1-1 P-5.5-2 P-5.5-6",
    "RFC 8766 §5.5",
    "What a client asks in the zone is asked in local on the link, and answered in the zone.",
    "A question for the type in local on the link; a PTR from the type to the instance, both in the zone.",
)
HOST_NAMES = rule(
    "proxy-answers.host-names",
    "P-5.3-4 P-5.5-5",
    "RFC 8766 §5.5",
    "Services are in the zone of services, and their hosts in the zone of hosts.",
    "An SRV record whose target is in the zone of hosts, and an address for it there.",
)
BY_TCP = rule(
    "proxy-answers.tcp",
    "P-5.1-2",
    "RFC 8766 §5.1",
    "The same is answered by TCP.",
    "The same PTR record by TCP.",
)
TTL = must(
    "proxy-answers.ttl",
    "P-5.5.1-1 P-5.6-5 P-5.6-7",
    "RFC 8766 §5.5.1",
    "Caches elsewhere hear no goodbyes, so that nothing lives there for more than ten seconds.",
    "No TTL above 10, of what was asked on the link, and of what was known already.",
)
KNOWN = rule(
    "proxy-answers.known",
    "P-5.6-6",
    "RFC 8766 §5.6",
    "What is known is not asked for again.",
    "The answer within 2.5 seconds, and no question on the link.",
)


@PROXY.scenario(
    "proxy-answers/service",
    *(TRANSLATED, HOST_NAMES, BY_TCP, TTL, KNOWN),
    sends="A device on the link has a service: PTR of its type, by UDP and then by TCP; its SRV, and the A "
    "of the target.",
    seconds=8,
)
async def a_service(bench: Bench, judge: Judge) -> None:
    """Find a service, and ask again."""
    await proxy_up(bench)
    one = thing(bench)
    device = LinkDevice(bench, one.records)
    mark = bench.view.mark
    first = await ask(bench, one.type_in_zone, RecordType.PTR)
    asked = asked_on_link(bench, one.type_on_link, mark)
    targets = [each.data for each in first.records(RecordType.PTR) if each.name == one.type_in_zone]
    said = f"{len(asked)} questions on the link; {', '.join(map(str, targets)) or first.said}"
    judge.decide(TRANSLATED, bool(asked) and targets == [one.in_zone], said, (*first.packets, *asked))
    stream = await connect(bench)
    mark = bench.view.mark
    again = await ask(bench, one.type_in_zone, RecordType.PTR, stream)
    stream.close()
    same = [each.data for each in again.records(RecordType.PTR)]
    judge.decide(BY_TCP, bool(same) and same == targets, again.said, again.packets)
    repeated = asked_on_link(bench, one.type_on_link, mark)
    if same:
        holds = not repeated and again.delay < AT_ONCE
        judge.decide(KNOWN, holds, f"{again.said}; {len(repeated)} questions", (*again.packets, *repeated))
    srv = await ask(bench, one.in_zone, RecordType.SRV)
    owner = in_host_zone(one.host)
    found = [getattr(each.data, "target", None) for each in srv.records(RecordType.SRV)]
    where = await ask(bench, owner, RecordType.A)
    device.close()
    said = f"SRV to {', '.join(map(str, found)) or 'nothing'}; {owner}: {where.said}"
    holds = found == [owner] and bool(where.records(RecordType.A))
    judge.decide(HOST_NAMES, holds, said, (*srv.packets, *where.packets))
    for answer in (first, again, srv, where):
        ttls = [each.ttl for each in answer.message.answers]
        if ttls:
            judge.decide(TTL, max(ttls) <= MOST_TTL, f"TTLs up to {max(ttls)}", answer.packets)


FIRST = rule(
    "proxy-answers.first-at-once",
    "P-5.6-2",
    "RFC 8766 §5.6",
    "The first answer of the link is passed on at once; nobody waits for more.",
    "The answer within 500 ms after that of a device that takes 400 ms.",
    timed=True,
)
DENIED = rule(
    "proxy-answers.denied-at-once",
    "P-5.6-3",
    "RFC 8766 §5.6",
    "When a device says by NSEC that it has no such record, there is nothing to wait for.",
    "An empty NOERROR response within 500 ms after the NSEC record.",
    timed=True,
)

SLOW = 0.4
"""Seconds that a device of ours takes, so that an answer before it would be seen."""

PASSED_ON = 0.5
"""Seconds within which an answer is passed on. Our choice: a busy machine."""


@PROXY.scenario(
    "proxy-answers/first",
    *(FIRST, DENIED),
    sends="A of a host whose device answers after 400 ms; AAAA of one that denies it by NSEC.",
    seconds=4,
)
async def first_answer(bench: Bench, judge: Judge) -> None:
    """Have a device that takes its time."""
    await proxy_up(bench)
    one = thing(bench)
    device = LinkDevice(bench, one.records, after=SLOW)
    found = await ask(bench, in_host_zone(one.host), RecordType.A)
    device.close()
    holds = bool(found.records(RecordType.A)) and found.delay < SLOW + PASSED_ON
    judge.decide(FIRST, holds, found.said, found.packets)
    one = thing(bench)
    owner = on_link(one.host)
    nsec = next_secure(owner, [RecordType.A], HOST_TTL)
    denying = LinkDevice(bench, [nsec], after=SLOW, denies={RecordType.AAAA})
    found = await ask(bench, in_host_zone(one.host), RecordType.AAAA)
    denying.close()
    holds = found.is_negative and found.delay < SLOW + PASSED_ON
    judge.decide(DENIED, holds, found.said, found.packets)


SIX = rule(
    "proxy-answers.six-seconds",
    "P-5.6-4",
    "RFC 8766 §5.6",
    "Devices may sleep or be slow: only after six seconds of silence is there nothing.",
    "A response after 5.8 to 7.5 seconds.",
    "1.5 s more, for a busy machine.",
    timed=True,
)
NOERROR = rule(
    "proxy-answers.noerror",
    "P-5.6-11",
    "RFC 8766 §5.6",
    "A name that nobody answers for may have other types, so that it is never denied as a whole.",
    "NOERROR without answers, not NXDOMAIN.",
)
NEGATIVE_TTL = rule(
    "proxy-answers.negative-ttl",
    "P-5.5.1-2",
    "RFC 8766 §5.5.1",
    "That there is nothing is not remembered for more than ten seconds.",
    "An SOA record in the Authority Section with a TTL of at most 10.",
)
REPEATED = rule(
    "proxy-answers.repeated",
    "P-5.6-1 P-5.6-4",
    "RFC 8766 §5.6",
    "While it waits the proxy asks by the usual schedule, and then no more.",
    "Two to four questions on the link, and none after the response.",
)
TOGETHER = rule(
    "proxy-answers.one-question",
    "P-5.1-3",
    "RFC 8766 §5.1",
    "Clients that ask the same share a question on the link.",
    "Five clients at once cause no more questions than one does: four in six seconds.",
)


@PROXY.scenario(
    "proxy-answers/none",
    *(SIX, NOERROR, NEGATIVE_TTL, REPEATED, TOGETHER),
    sends="Five clients ask at once for a type that nobody has.",
    seconds=10,
)
async def nothing(bench: Bench, judge: Judge) -> None:
    """Ask for what is not there."""
    await proxy_up(bench)
    one = thing(bench)
    mark = bench.view.mark
    answers: list[Answer] = await gatherResults(
        [Deferred.fromCoroutine(ask(bench, one.type_in_zone, RecordType.PTR)) for _ in range(CLIENTS)]
    )
    await bench.sleep(2)
    asked = asked_on_link(bench, one.type_on_link, mark)
    first = answers[0]
    low, high = WAIT
    judge.decide(SIX, low <= first.delay <= high, first.said, first.packets)
    judge.decide(NOERROR, first.is_negative, first.said, first.packets)
    ttls = [each.ttl for each in first.message.authorities if each.type == RecordType.SOA]
    said = f"SOA with TTL {', '.join(map(str, ttls)) or '-'}"
    judge.decide(NEGATIVE_TTL, bool(ttls) and max(ttls) <= MOST_TTL, said, first.packets)
    last = max((each.at for each in asked), default=0.0)
    end = max((each.reply.at for each in answers if each.reply is not None), default=0.0)
    said = f"{len(asked)} questions on the link, the last one {end - last:.1f} s before the response"
    judge.decide(REPEATED, 2 <= len(asked) <= 4 and last <= end, said, (*first.packets, *asked))
    judge.decide(TOGETHER, len(asked) <= 4, f"{len(asked)} questions for {CLIENTS} clients", asked)


LINK_LOCAL = should(
    "proxy-answers.link-local",
    "P-5.5.2-2",
    "RFC 8766 §5.5.2",
    "Addresses that mean nothing elsewhere are not told.",
    "No address of 169.254/16 in the answer.",
)
NO_USE = rule(
    "proxy-answers.of-no-use",
    "P-5.5.2-5",
    "RFC 8766 §5.5.2",
    "A service that cannot be reached from elsewhere is not told.",
    "No PTR to a service whose host has link-local addresses alone.",
)


@PROXY.scenario(
    "proxy-answers/suppressed",
    *(LINK_LOCAL, NO_USE),
    sends="A device has a link-local address alone: the A of its host, and the PTR of its type.",
    seconds=16,
)
async def suppressed(bench: Bench, judge: Judge) -> None:
    """Have a device that nobody elsewhere can reach."""
    await proxy_up(bench)
    one = thing(bench, "169.254.7.7")
    # That it has no other address has to be known.
    denial = next_secure(on_link(one.host), [RecordType.A], HOST_TTL)
    device = LinkDevice(bench, [*one.records, denial], denies=[RecordType.AAAA])
    found = await ask(bench, in_host_zone(one.host), RecordType.A)
    judge.decide(LINK_LOCAL, not found.records(RecordType.A), found.said, found.packets)
    found = await ask(bench, one.type_in_zone, RecordType.PTR)
    device.close()
    judge.decide(NO_USE, not found.records(RecordType.PTR), found.said, found.packets)
