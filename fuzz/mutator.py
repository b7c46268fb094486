"""A mutator that knows what a DNS message is, so that most of what it makes gets past the first checks.

It decodes, changes one or a few things that mean something (a name, a type, a time to live, a section, a
flag), and encodes again. What cannot be decoded, and one input in four anyway, is changed octet by octet.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random

from fuzz.links import MAX_STEPS, TIMES, Step, read_steps, write_steps
from mcast.dns import records
from mcast.dns.codes import RecordType
from mcast.dns.messages import Message, Question, decode, encode
from mcast.dns.names import Name
from mcast.dns.records import Record
from mcast.errors import McastError

NAMES = [
    Name.parse(text)
    for text in (
        "kitchen.local",
        "KITCHEN.local",
        "kitchen-2.local",
        "_http._tcp.local",
        "My Web._http._tcp.local",
        r"My\.Web._http._tcp.local",
        "_printer._sub._http._tcp.local",
        "_services._dns-sd._udp.local",
        "2.1.168.192.in-addr.arpa",
        "local",
        "example.com",
        ".",
    )
] + [
    Name.from_labels(labels)
    for labels in (
        [b"x" * 63, b"local"],
        [b"x" * 63] * 3 + [b"y" * 55, b"local"],
        ["\u202eevil".encode(), b"_http", b"_tcp", b"local"],
        [b"\xff\x00\x1b[2J", b"local"],
    )
]
TYPES = [1, 2, 5, 6, 12, 13, 15, 16, 28, 29, 33, 35, 41, 43, 47, 64, 65, 250, 255, 999]
TIMES_TO_LIVE = [0, 1, 2, 10, 120, 4500, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]
FLAGS = [0, 0x0200, 0x8000, 0x8400, 0x8600, 0x8403, 0x2800, 0x0100]

Mutate = Callable[[bytes, Random, int], bytes]


def octets(data: bytes, rng: Random, size: int) -> bytes:
    """Change, cut out or put in some octets, or point somewhere."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(changed) + 1)
        choice = rng.randrange(6)
        if choice == 0:
            changed[at : at + 1] = bytes([rng.randrange(256)])
        elif choice == 1:
            del changed[at : at + rng.randint(1, 8)]
        elif choice == 2:
            changed[at:at] = rng.randbytes(rng.randint(1, 8))
        elif choice == 3:
            changed[at : at + 2] = struct.pack("!H", 0xC000 | rng.randrange(max(1, len(changed))))
        elif choice == 4:
            changed[at : at + 2] = struct.pack("!H", rng.choice([0, 1, 0x7FFF, 0x8001, 0xFFFF]))
        else:
            start = rng.randrange(len(changed) + 1)
            changed[at:at] = changed[start : start + rng.randint(1, 40)]
    return bytes(changed[:size])


def packet(data: bytes, rng: Random, size: int) -> bytes:
    """Change something that means something in a message."""
    if rng.random() < 0.25:
        return octets(data, rng, size)
    try:
        message = decode(data)
        for _ in range(rng.randint(1, 3)):
            message = _changed(message, rng)
        made = encode(message, legacy=rng.random() < 0.1)
    except (McastError, ValueError, struct.error):
        return octets(data, rng, size)
    return made if len(made) <= size else octets(data, rng, size)


def _changed(message: Message, rng: Random) -> Message:
    questions = list(message.questions)
    sections = [list(message.answers), list(message.authorities), list(message.additionals)]
    filled = [section for section in sections if section]
    choice = rng.randrange(9)
    flags = message.flags
    if choice == 0:
        flags = rng.choice(FLAGS)
    elif choice == 1 or (choice == 2 and not questions):
        questions.insert(
            rng.randrange(len(questions) + 1),
            Question(rng.choice(NAMES), rng.choice(TYPES), rng.choice([1, 1, 255]), rng.random() < 0.4),
        )
    elif choice == 2:
        questions.pop(rng.randrange(len(questions)))
    elif choice == 3 or not filled:
        rng.choice(sections).append(_made(rng))
    else:
        section = rng.choice(filled)
        at = rng.randrange(len(section))
        if choice == 4:
            rng.choice(sections).append(section.pop(at))
        elif choice == 5:
            section.extend([section[at]] * rng.randint(1, 5))
        else:
            section[at] = _other(section[at], rng)
    return Message(rng.choice([0, message.id]), flags, questions, sections[0], sections[1], sections[2])


def _other(record: Record, rng: Random) -> Record:
    choice = rng.randrange(5)
    if choice == 0:
        return record.with_ttl(rng.choice(TIMES_TO_LIVE))
    if choice == 1:
        return record.with_cache_flush(not record.cache_flush)
    if choice == 2:
        return _renamed(record, rng.choice(NAMES))
    if choice == 3:
        return _renamed(record, record.name.prefixed(rng.choice(["a", "_sub", "x" * 20])))
    return Record(record.name, record.type, record.rclass, record.ttl, octets(record.rdata, rng, 1000))


def _renamed(record: Record, name: Name) -> Record:
    return Record(name, record.type, record.rclass, record.ttl, record.rdata, record.cache_flush)


def _made(rng: Random) -> Record:
    name, ttl, flush = rng.choice(NAMES), rng.choice(TIMES_TO_LIVE), rng.random() < 0.5
    choice = rng.randrange(6)
    if choice == 0:
        return records.address(name, f"192.168.1.{rng.randrange(256)}", ttl, flush)
    if choice == 1:
        return records.pointer(name, rng.choice(NAMES), ttl, flush)
    if choice == 2:
        return records.service(name, 0, 0, rng.randrange(65536), rng.choice(NAMES), ttl, flush)
    if choice == 3:
        return records.text(name, [rng.randbytes(rng.randrange(12))], ttl, flush)
    if choice == 4:
        return records.next_secure(name, [rng.choice([RecordType.A, RecordType.AAAA, RecordType.SRV])], ttl)
    return records.raw(name, rng.choice([999, 65280]), rng.randbytes(rng.randrange(1, 20)), ttl)


def steps(data: bytes, rng: Random, size: int) -> bytes:
    """Change one step of the input of `fuzz.links`, or the order of the steps."""
    found = list(read_steps(data))
    if not found or rng.random() < 0.1:
        return octets(data, rng, size)
    at = rng.randrange(len(found))
    choice = rng.randrange(6)
    if choice == 0 and len(found) < MAX_STEPS:
        found.insert(at, Step(rng.randrange(256), rng.randrange(len(TIMES)), found[at].packet))
    elif choice == 1 and len(found) > 1:
        del found[at]
    elif choice == 2:
        found.append(found.pop(at))
    elif choice == 3:
        found[at] = replace(found[at], kind=rng.randrange(256), time=rng.randrange(len(TIMES)))
    else:
        found[at] = replace(found[at], packet=packet(found[at].packet, rng, 9000))
    return write_steps(found)[:size]


def pick(names: Sequence[str]) -> dict[str, Mutate]:
    """Return how the inputs of some targets are changed."""
    of_messages = ("decoder", "dnslib", "dnspython", "dump", "proxy-query", "update-reply")
    ways: dict[str, Mutate] = dict.fromkeys(of_messages, packet)
    ways["links"] = ways["push-session"] = steps
    return {name: ways.get(name, octets) for name in names}
