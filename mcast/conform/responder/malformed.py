"""Malformed input: it is dropped, and the subject goes on (RFC 6762 §18, RFC 1035 §4.1)."""

from __future__ import annotations

import struct

from mcast.conform.bench import Bench
from mcast.conform.responder.catalogue import RESPONDER
from mcast.conform.responder.exchanges import NO_ANSWER, ask, require_answer
from mcast.conform.verdicts import Judge, must
from mcast.dns.codes import RecordType
from mcast.dns.messages import Question
from mcast.dns.names import Name

SURVIVES = must(
    "malformed.survives",
    "M-6-3",
    "RFC 6762 §6",
    "Whatever came before, a question is answered.",
    "An answer to HOST type A after each of the messages.",
)
SILENT = must(
    "malformed.no-response",
    "M-6-4 M-6-6",
    "RFC 6762 §6",
    "A response is sent only where there is something to say; there are no error responses.",
    "No response to any of the messages.",
    "Those that hold a whole question for the host before the fault may be answered.",
)


def _header(questions: int = 0, answers: int = 0, flags: int = 0, additionals: int = 0) -> bytes:
    return struct.pack("!6H", 0, flags, questions, answers, 0, additionals)


def _question(name: bytes) -> bytes:
    return name + struct.pack("!HH", RecordType.A, 1)


def _record(name: bytes, rtype: int, rdata: bytes, length: int | None = None) -> bytes:
    size = len(rdata) if length is None else length
    return name + struct.pack("!HHIH", rtype, 0x8001, 120, size) + rdata


def messages(host: Name) -> dict[str, bytes]:
    """Return messages that are broken, by what is wrong with them."""
    name, response = host.wire, 0x8400
    long_label = b"\x3f" + b"a" * 63
    return {
        "an empty datagram": b"",
        "half a header": _header()[:7],
        "a header that promises 65535 questions": _header(0xFFFF),
        "a name that is cut short": _header(1) + name[:4],
        "a question without type and class": _header(1) + name,
        "a pointer to itself": _header(1) + _question(b"\xc0\x0c"),
        "two pointers in a circle": _header(1) + _question(b"\xc0\x0e\xc0\x0c"),
        "a pointer forward": _header(1) + _question(b"\xc0\x20") + name,
        "a pointer beyond the end": _header(1) + _question(b"\xff\xff"),
        "a label of a reserved kind": _header(1) + _question(b"\x80abc\0"),
        "an extended label": _header(1) + _question(b"\x41abc\0"),
        "a name of 300 octets": _header(1) + _question(long_label * 5 + b"\0"),
        "a record whose data run over the end": _header(0, 1, response) + _record(name, 1, b"\1\2", 4000),
        "an address of three octets": _header(0, 1, response) + _record(name, 1, b"\1\2\3"),
        "an SRV record without a target": _header(0, 1, response) + _record(name, 33, b"\0\0\0\0\0\1"),
        "a TXT record of no octets": _header(0, 1, response) + _record(b"\1x\5local\0", 16, b""),
        "a TXT string over its end": _header(0, 1, response) + _record(b"\1x\5local\0", 16, b"\x40abc"),
        "an NSEC bitmap of 200 octets": _header(0, 1, response)
        + _record(b"\1x\5local\0", 47, b"\1x\5local\0\0\xc8" + b"\xff" * 200),
        "an NSEC bitmap over its end": _header(0, 1, response)
        + _record(b"\1x\5local\0", 47, b"\1x\5local\0\0\x20\xff"),
        "an OPT record that is cut short": _header(0, 0, 0, 1) + b"\0\0\x29\xff",
        "1400 octets of nothing": bytes(1400),
        "1400 octets of 0xff": b"\xff" * 1400,
        "700 questions": _header(700) + b"".join([_question(b"\1x\0")] * 190),
    }


@RESPONDER.scenario(
    "malformed/messages",
    *(SURVIVES, SILENT),
    sends="More than twenty messages that are broken each in its own way, and HOST type A after each.",
    seconds=60,
)
async def malformed(bench: Bench, judge: Judge) -> None:
    """Send what makes no sense."""
    await bench.up()
    question = Question(bench.names.host, bench.address_type)
    await require_answer(bench, question)
    for wrong, octets in messages(bench.names.host).items():
        await bench.rest()
        mark = bench.send(octets)
        await bench.sent_at(mark)
        found = await bench.next(lambda each: each.is_response, NO_ANSWER / 2, mark)
        said = f"after {wrong}: {'a response' if found else 'none'}"
        judge.decide(SILENT, found is None, said, (bench.sent(mark), found))
        one = await ask(bench, question)
        said = f"after {wrong}: {'no answer' if one.answer is None else 'an answer'}"
        if not judge.decide(SURVIVES, one.answer is not None, said, (bench.ours(mark)[0], *one.packets)):
            return
