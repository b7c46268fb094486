"""Unicast: questions that ask for it, and queries that come by it (RFC 6762 §5.4, §5.5, §11)."""

from __future__ import annotations

from mcast.conform.bench import ANSWER_TIMEOUT, OFF_LINK_IPV4, OFF_LINK_IPV6, Bench
from mcast.conform.packets import MDNS_PORT, Packet
from mcast.conform.responder.catalogue import RESPONDER
from mcast.conform.responder.exchanges import NO_ANSWER, answers_to, ask, require_answer
from mcast.conform.verdicts import Judge, NotRunError, must, rule, should
from mcast.dns.messages import Question

QUARTER = 33.0
"""Seconds after which a record with a TTL of 120 was not multicast within the last quarter of it."""

QU = should(
    "unicast.question",
    "M-5.4-6",
    "RFC 6762 §5.4",
    "A question with the unicast-response bit is answered by unicast, where the record was multicast lately.",
    "A response to our own address and port 5353.",
)
QU_FLUSH = rule(
    "unicast.cache-flush",
    "M-5.4-9",
    "RFC 6762 §5.4",
    "A unicast response follows all rules of multicast ones, the cache-flush bit included.",
    "The bit on the address record.",
)
QU_PORT = must(
    "unicast.source-port",
    "M-6-14",
    "RFC 6762 §6",
    "Every response comes from UDP port 5353.",
    "Source port 5353.",
)
STALE = should(
    "unicast.stale",
    "M-5.4-7",
    "RFC 6762 §5.4",
    "Where the record was not multicast within the last quarter of its TTL, the answer is multicast "
    "instead, so "
    "that caches stay fresh.",
    "A multicast response, 33 seconds after the last one.",
)


@RESPONDER.scenario(
    "unicast/question",
    *(QU, QU_FLUSH, QU_PORT, STALE),
    sends="HOST type A; 1.2 seconds after the answer the same with the QU bit; the same after 33 seconds.",
    seconds=42,
)
async def question(bench: Bench, judge: Judge) -> None:
    """Ask for a unicast response."""
    await bench.up()
    await require_answer(bench, Question(bench.names.host, bench.address_type))
    asked = Question(bench.names.host, bench.address_type, unicast=True)
    one = await ask(bench, asked)
    if one.answer is None:
        judge.decide(QU, False, "no answer", one.packets)
        return
    datagram = one.answer.datagram
    to_us = datagram.destination == bench.address() and datagram.destination_port == MDNS_PORT
    said = f"a response to {datagram.destination} port {datagram.destination_port}"
    judge.decide(QU, to_us, said, one.packets)
    judge.decide(QU_PORT, datagram.source_port == MDNS_PORT, f"from {datagram.source_port}", one.packets)
    if to_us:
        flushes = [each.cache_flush for each in answers_to(one.answer, asked)]
        judge.decide(QU_FLUSH, all(flushes), f"{sum(flushes)} of {len(flushes)} with the bit", one.packets)
    record = answers_to(one.answer, asked)[0]
    if record.ttl > 4 * QUARTER:
        judge.skip(STALE, f"the TTL is {record.ttl} seconds, and a quarter of it takes too long")
        return
    await bench.sleep(QUARTER)
    one = await ask(bench, asked, wanted=lambda each: each.is_multicast and bool(answers_to(each, asked)))
    judge.decide(STALE, one.answer is not None, _said(one.answer), one.packets)


def _said(answer: Packet | None) -> str:
    return "no multicast answer" if answer is None else f"an answer to {answer.datagram.destination}"


DIRECT = should(
    "unicast.direct",
    "M-5.5-1",
    "RFC 6762 §5.5",
    "A query that is sent to the subject's own address is answered like a QU question.",
    "An answer.",
)
DIRECT_OFF_LINK = should(
    "unicast.direct-off-link",
    "M-5.5-2",
    "RFC 6762 §5.5",
    "A query that is sent to the subject's own address from elsewhere than its link is ignored.",
    "No answer at all to a query from 203.0.113.77 (2001:db8:ffff::77).",
)
GROUP_OFF_LINK = should(
    "unicast.off-link-source",
    "M-11-7",
    "RFC 6762 §11",
    "A query to the group from an address that seems to be of another subnet is answered by "
    "multicast, though it "
    "asks for unicast: a unicast response would be ignored.",
    "A multicast answer.",
)


@RESPONDER.scenario(
    "unicast/direct",
    *(DIRECT, DIRECT_OFF_LINK, GROUP_OFF_LINK),
    sends="HOST type A to the subject's own address, from us and from 203.0.113.77; to the group "
    "with the QU bit "
    "from 203.0.113.77.",
    seconds=10,
)
async def direct(bench: Bench, judge: Judge) -> None:
    """Send queries by unicast."""
    await bench.up()
    await require_answer(bench, Question(bench.names.host, bench.address_type))
    asked = Question(bench.names.host, bench.address_type)
    one = await ask(bench, asked, to=bench.subject_address)
    judge.decide(DIRECT, one.answer is not None, _answer(one.answer), one.packets)
    far = OFF_LINK_IPV6 if bench.ipv6 else OFF_LINK_IPV4
    unicast = Question(bench.names.host, bench.address_type, unicast=True)
    one = await ask(bench, unicast, source=far, within=ANSWER_TIMEOUT)
    holds = one.answer is not None and one.answer.is_multicast
    judge.decide(GROUP_OFF_LINK, holds, _answer(one.answer), one.packets)
    if not bench.is_lab:
        judge.skip(
            DIRECT_OFF_LINK, "an answer would go to the router of the device, and we see no such packet"
        )
        raise NotRunError("only the lab sees it")
    one = await ask(bench, asked, to=bench.subject_address, source=far, within=NO_ANSWER)
    judge.decide(DIRECT_OFF_LINK, one.answer is None, _answer(one.answer), one.packets)


def _answer(answer: Packet | None) -> str:
    return "no answer" if answer is None else f"an answer to {answer.datagram.destination}"
