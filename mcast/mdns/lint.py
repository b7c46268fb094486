"""Find breaches of RFC 6762 in the packets of one link, and the hosts that send them.

A `Linter` only looks: it is fed every multicast packet of a link with its time and source, and names the
breaches. Some of them take more than one packet to see (a record repeated too soon, a query without known
answers): for these it keeps a bounded memory.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mcast.dns.codes import Flag, RecordType
from mcast.dns.messages import Message, Question
from mcast.dns.names import Name
from mcast.dns.records import NextSecure, Record, show_type
from mcast.mdns.constants import (
    DEFENCE_INTERVAL,
    HOST_TTL,
    IPV4_OVERHEAD,
    IPV6_OVERHEAD,
    KNOWN_ANSWER_FRACTION,
    MAX_PACKET,
    MDNS_PORT,
    MULTICAST_INTERVAL,
    OTHER_TTL,
    PROBE_INTERVAL,
)

MAX_REMEMBERED = 20_000
"""Records, questions and probes remembered, each; the oldest go first.

Our choice: about ten times what a busy office link shows in an hour, and a few megabytes at most.
"""

SAMPLED_ANSWERS = 8
"""Answers remembered for one question. Our choice: one that is missing from the known answers is enough."""

TIME_TOLERANCE = 0.05
"""Seconds by which two packets may seem closer together than they were sent.

Our choice: delays in both hosts and the capture; a responder that is wrong by so little does no harm.
"""

ADDRESS_TYPES = frozenset({RecordType.A, RecordType.AAAA})

_HOST_TYPES = frozenset({RecordType.A, RecordType.AAAA, RecordType.HINFO, RecordType.SRV})
_REVERSE_DOMAINS = (Name.parse("in-addr.arpa."), Name.parse("ip6.arpa."))

RecordKey = tuple[str, tuple[bytes, int, int, bytes]]
QuestionKey = tuple[bytes, int, int]


@dataclass(frozen=True, slots=True)
class Breach:
    """One breach of the RFC, seen in one packet."""

    rule: str
    """A short name, the same for every breach of this kind, for example ``ttl-too-long``."""
    section: str
    """Where the rule is written, for example ``RFC 6762 §10``."""
    source: str
    """The address of the host that sent the packet."""
    detail: str
    """What was seen, in one line."""


@dataclass(frozen=True, slots=True)
class _Sent:
    at: float
    ttl: int


class Linter:
    """Looks at the packets of one link (one interface and family); sends nothing.

    :param ipv6: the family of the link, which decides how large a message may be.
    :param mtu: of the link, in octets.
    """

    def __init__(self, *, ipv6: bool = False, mtu: int = 1500) -> None:
        self._overhead = IPV6_OVERHEAD if ipv6 else IPV4_OVERHEAD
        self._mtu = mtu
        self._records: OrderedDict[RecordKey, _Sent] = OrderedDict()
        self._shared_answers: OrderedDict[QuestionKey, dict[str, _Sent]] = OrderedDict()
        self._questions: OrderedDict[tuple[str, QuestionKey], float] = OrderedDict()
        self._probed: OrderedDict[bytes, float] = OrderedDict()

    def examine(
        self,
        message: Message,
        size: int,
        source: str,
        port: int,
        now: float,
        hop_limit: int | None = None,
    ) -> list[Breach]:
        """Return the breaches in a message that was multicast to the group.

        :param size: of the message, in octets.
        :param source: address of the sender.
        :param port: source port; a query from another port than 5353 is a legacy query, and not examined.
        :param now: seconds, on any clock that does not jump.
        :param hop_limit: as received, None when unknown.
        """
        breaches = [
            Breach(rule, f"RFC 6762 §{section}", source, detail)
            for rule, section, detail in self._findings(message, size, source, port, now, hop_limit)
        ]
        self._forget()
        return breaches

    def _findings(
        self, message: Message, size: int, source: str, port: int, now: float, hop_limit: int | None
    ) -> Iterator[tuple[str, str, str]]:
        if not message.is_response and port != MDNS_PORT:
            return
        yield from _check_header(message, port)
        yield from self._check_size(message, size)
        if message.is_response:
            if hop_limit is not None and hop_limit != 255:
                yield "hop-limit", "11", f"a response with IP TTL {hop_limit} instead of 255"
            yield from _check_records(message)
            yield from self._check_repeats(message, source, now)
            self._remember_shared(message, source, now)
        else:
            yield from self._check_questions(message, source, now)

    def _check_size(self, message: Message, size: int) -> Iterator[tuple[str, str, str]]:
        total = size + self._overhead
        records = len(message.answers) + len(message.authorities) + len(message.additionals)
        if total > MAX_PACKET:
            yield "packet-too-large", "17", f"a packet of {total} octets; the most is {MAX_PACKET}"
        elif total > self._mtu and records > 1:
            yield "fragmented", "17", f"{records} records in a packet of {total} octets, MTU {self._mtu}"

    def _check_repeats(self, message: Message, source: str, now: float) -> Iterator[tuple[str, str, str]]:
        for record in _response_records(message):
            key = (source, record.identity)
            last = self._records.pop(key, None)
            self._records[key] = _Sent(now, record.ttl)
            if last is None or (record.ttl == 0) != (last.ttl == 0):
                continue
            # RFC 6762 §6: a probe is answered as soon as a quarter of a second has passed.
            probed_at = self._probed.get(record.name.key)
            defending = probed_at is not None and probed_at >= last.at - TIME_TOLERANCE
            least = DEFENCE_INTERVAL if defending else MULTICAST_INTERVAL
            if now - last.at < least - TIME_TOLERANCE:
                yield "repeated-too-soon", "6", f"{_show(record)} again after {now - last.at:.3f} s"

    def _remember_shared(self, message: Message, source: str, now: float) -> None:
        for record in _response_records(message):
            if record.cache_flush:
                continue
            question = (record.name.key, record.type, record.rclass)
            answers = self._shared_answers.setdefault(question, {})
            self._shared_answers.move_to_end(question)
            if record.ttl == 0:
                answers.pop(str(record.data), None)
            elif len(answers) < SAMPLED_ANSWERS:
                answers[str(record.data)] = _Sent(now, record.ttl)

    def _check_questions(self, message: Message, source: str, now: float) -> Iterator[tuple[str, str, str]]:
        proposed = {record.name.key for record in message.authorities}
        for question in message.questions:
            if question.name.key in proposed:
                self._probed[question.name.key] = now
                self._probed.move_to_end(question.name.key)
                if question.type != RecordType.ANY:
                    yield (
                        "probe-type",
                        "8.1",
                        f"a probe for {question.name} asks for {show_type(question.type)}",
                    )
                continue
            key = (source, question.key)
            last_at = self._questions.pop(key, None)
            self._questions[key] = now
            if last_at is None:
                continue
            interval = now - last_at
            if PROBE_INTERVAL / 2 < interval < 1.0 - TIME_TOLERANCE:
                yield "asked-too-soon", "5.2", f"{_show_question(question)} again after {interval:.3f} s"
            if not message.answers and not message.truncated:
                yield from self._check_known_answers(question, last_at, now)

    def _check_known_answers(
        self, question: Question, last_at: float, now: float
    ) -> Iterator[tuple[str, str, str]]:
        for data, sent in self._shared_answers.get(question.key, {}).items():
            heard_in_time = sent.at < now - TIME_TOLERANCE and sent.at > last_at - TIME_TOLERANCE
            if heard_in_time and sent.at + sent.ttl * (1 - KNOWN_ANSWER_FRACTION) > now:
                yield (
                    "no-known-answers",
                    "7.1",
                    f"{_show_question(question)} again, without its answer {data}",
                )
                return

    def _forget(self) -> None:
        for memory in (self._records, self._shared_answers, self._questions, self._probed):
            while len(memory) > MAX_REMEMBERED:
                memory.popitem(last=False)


def _check_header(message: Message, port: int) -> Iterator[tuple[str, str, str]]:
    if message.opcode:
        yield "opcode", "18.3", f"OPCODE {message.opcode}"
    if message.rcode:
        yield "rcode", "18.11", f"RCODE {message.rcode}"
    if message.id and message.is_response:
        yield "id", "18.1", f"a multicast response with ID {message.id}"
    if message.is_response:
        if port != MDNS_PORT:
            yield "source-port", "6", f"a response from port {port}"
        if not message.authoritative:
            yield "not-authoritative", "18.4", "a response without the AA bit"
        if message.truncated:
            yield "truncated-response", "18.5", "a multicast response with the TC bit"
        if message.questions:
            yield "question-in-response", "6", f"{len(message.questions)} questions in a response"
    for flag, section in _UNUSED_FLAGS:
        if message.flags & flag:
            yield "flags", section, f"the bit {flag.name} is set"
    if not message.is_response:
        for record in (*message.answers, *message.authorities):
            if record.cache_flush:
                yield "cache-flush-in-query", "10.2", f"{_show(record)} has the cache-flush bit in a query"
                return


_UNUSED_FLAGS = (
    (Flag.RECURSION_DESIRED, "18.6"),
    (Flag.RECURSION_AVAILABLE, "18.7"),
    (Flag.ZERO, "18.8"),
    (Flag.AUTHENTIC_DATA, "18.9"),
    (Flag.CHECKING_DISABLED, "18.10"),
)


def _check_records(message: Message) -> Iterator[tuple[str, str, str]]:
    types: dict[bytes, set[int]] = {}
    for record in _response_records(message):
        types.setdefault(record.name.key, set()).add(record.type)
        if record.cache_flush and _is_shared(record):
            yield "cache-flush-on-shared", "10.2", f"{_show(record)} is shared, but has the cache-flush bit"
        if record.ttl > OTHER_TTL:
            yield "ttl-too-long", "10", f"{_show(record)} has a TTL of {record.ttl} s"
        elif record.ttl and (right := _right_ttl(record)) and record.ttl != right:
            yield "wrong-ttl", "10", f"{_show(record)} has a TTL of {record.ttl} s, should be {right}"
        if record.type == RecordType.NSEC and isinstance(record.data, NextSecure):
            if RecordType.NSEC in record.data.types:
                yield "nsec-bit", "6.1", f"the NSEC of {record.name} lists NSEC itself"
            if record.data.next_name != record.name:
                yield "nsec-next", "6.1", f"the NSEC of {record.name} has another next name"
    for record in message.answers:
        if not (record.cache_flush and record.ttl and record.type in ADDRESS_TYPES):
            continue
        seen = types.pop(record.name.key, None)
        if seen is not None and not seen >= ADDRESS_TYPES and RecordType.NSEC not in seen:
            missing = next(iter(ADDRESS_TYPES - seen))
            yield (
                "missing-nsec",
                "6.2",
                f"addresses of {record.name} without {show_type(missing)} and without an NSEC that denies it",
            )


def _response_records(message: Message) -> Sequence[Record]:
    return (*message.answers, *message.authorities, *message.additionals)


def _is_reverse(name: Name) -> bool:
    return any(name.is_within(domain) for domain in _REVERSE_DOMAINS)


def _is_shared(record: Record) -> bool:
    """Whether a record is shared by its nature: the PTR records of DNS-SD (RFC 6763 §4.1, §7.1, §9)."""
    if record.type != RecordType.PTR or _is_reverse(record.name):
        return False
    labels = [label.lower() for label in record.name.labels]
    return b"_tcp" in labels or b"_udp" in labels


def _right_ttl(record: Record) -> int | None:
    """Return the recommended TTL (RFC 6762 §10), or None where it depends on what the record is for."""
    if record.type in _HOST_TYPES or (record.type == RecordType.PTR and _is_reverse(record.name)):
        return HOST_TTL
    return OTHER_TTL if record.type in (RecordType.PTR, RecordType.TXT) else None


def _show(record: Record) -> str:
    return f"{record.name} {show_type(record.type)}"


def _show_question(question: Question) -> str:
    return f"{question.name} {show_type(question.type)}"
