"""Discovery: subtypes, the list of types, reverse names (RFC 6763 §7.1, §9, RFC 6762 §4)."""

from __future__ import annotations

from ipaddress import ip_address

from mcast.conform.bench import Bench
from mcast.conform.responder.catalogue import RESPONDER
from mcast.conform.responder.exchanges import NO_ANSWER, ask, service_of
from mcast.conform.verdicts import Judge, NotRunError, must, rule, should
from mcast.dns.codes import RecordType
from mcast.dns.messages import Question
from mcast.dns.names import Name

TYPES = Name.parse("_services._dns-sd._udp.local")

SUBTYPE = rule(
    "discovery.subtype",
    "S-7.1-2",
    "RFC 6763 §7.1",
    "A subtype has a PTR of its own, which leads to the unchanged name of the instance.",
    "A PTR to the instance for the name of the subtype.",
)
SUBTYPE_CASE = rule(
    "discovery.subtype-case",
    "S-7.1-4",
    "RFC 6763 §7.1",
    "Subtypes are compared without regard to the case of ASCII letters.",
    "The same for the name in another case.",
)
SUBTYPE_OTHER = must(
    "discovery.subtype-of-others",
    "M-6-4",
    "RFC 6763 §7.1",
    "An instance is not of a subtype that it does not name.",
    "No answer for a random subtype.",
)


@RESPONDER.scenario(
    "discovery/subtype",
    *(SUBTYPE, SUBTYPE_CASE, SUBTYPE_OTHER),
    sends="SUBTYPE type PTR, in two cases; a random subtype of TYPE.",
    seconds=6,
)
async def subtype(bench: Bench, judge: Judge) -> None:
    """Browse by a subtype."""
    service, kind = service_of(bench.names)
    name = bench.names.subtype_name
    if name is None:
        raise NotRunError("no subtype was named: --subtype tells it")
    await bench.up()
    turned = Name.from_labels(label.swapcase() for label in name.labels)
    for check, asked in ((SUBTYPE, name), (SUBTYPE_CASE, turned)):
        one = await ask(bench, Question(asked, RecordType.PTR))
        found = [] if one.answer is None else one.answer.answers_of(asked, RecordType.PTR)
        targets = [each.data for each in found]
        judge.decide(check, service in targets, f"{len(targets)} instances", one.packets)
    strange = bench.random_name("_sub", *(label.decode() for label in kind.labels[:-1]))
    one = await ask(
        bench, Question(strange, RecordType.PTR), wanted=lambda each: each.is_response, within=NO_ANSWER
    )
    said = "an answer" if one.answer is not None else "no answer"
    judge.decide(SUBTYPE_OTHER, one.answer is None, said, one.packets)


ENUMERATED = rule(
    "discovery.types",
    "S-9-1",
    "RFC 6763 §9",
    "A question for _services._dns-sd._udp is answered with the types of all services.",
    "A PTR to the type.",
)
BARE = rule(
    "discovery.types-without-instance",
    "S-9-1",
    "RFC 6763 §9",
    "Such a PTR names a type of two labels and a domain, and no instance.",
    "Two labels that begin with an underscore, before the domain.",
)


@RESPONDER.scenario(
    "discovery/types", *(ENUMERATED, BARE), sends="_services._dns-sd._udp.local type PTR.", seconds=4
)
async def types(bench: Bench, judge: Judge) -> None:
    """Ask for the list of types."""
    _, kind = service_of(bench.names)
    await bench.up()
    one = await ask(bench, Question(TYPES, RecordType.PTR))
    found = [] if one.answer is None else one.answer.answers_of(TYPES, RecordType.PTR)
    targets = [each.data for each in found]
    judge.decide(ENUMERATED, kind in targets, f"{len(targets)} types", one.packets)
    for target in targets:
        if isinstance(target, Name):
            labels = target.labels
            good = len(labels) == 3 and labels[0][:1] == labels[1][:1] == b"_"
            judge.decide(BARE, good, str(target), one.packets)


REVERSE = should(
    "discovery.reverse-target",
    "M-10-1",
    "RFC 6762 §4",
    "Where the reverse name of an address is published, it leads to the host name.",
    "A PTR to the host name.",
    "Not asked of a subject that publishes no reverse names.",
)
REVERSE_TTL = should(
    "discovery.reverse-ttl",
    "M-10-1",
    "RFC 6762 §10",
    "The reverse name of an address has a host name in its data, and lives for 120 seconds.",
    "A TTL of 120.",
    "Not asked of a subject that publishes no reverse names.",
)


@RESPONDER.scenario(
    "discovery/reverse",
    *(REVERSE, REVERSE_TTL),
    sends="The reverse name of the subject's address, type PTR.",
    seconds=4,
)
async def reverse(bench: Bench, judge: Judge) -> None:
    """Ask whose the address is."""
    await bench.up()
    name = Name.parse(ip_address(bench.subject_address).reverse_pointer)
    one = await ask(bench, Question(name, RecordType.PTR))
    found = [] if one.answer is None else one.answer.answers_of(name, RecordType.PTR)
    if not found:
        raise NotRunError("the subject publishes no reverse names")
    said = ", ".join(str(each.data) for each in found)
    judge.decide(REVERSE, [each.data for each in found] == [bench.names.host], said, one.packets)
    ttls = sorted({each.ttl for each in found})
    judge.decide(REVERSE_TTL, ttls == [120], f"TTL {', '.join(map(str, ttls))}", one.packets)
