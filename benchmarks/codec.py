"""Microseconds to decode and encode three typical messages, beside other DNS libraries.

Run as ``python benchmarks/codec.py``; it takes less than a minute. The others are taken as far as they are
installed: python-zeroconf with its compiled parts, dnspython, dnslib, and twisted.names. All decode the same
octets, each to the records themselves, not only to an index of them; and each encodes, with compression, what
it decoded or what stands for it. The measurements of a row are interleaved, so that a busy moment of the
machine falls on all, and the median of many rounds is told.
"""

from __future__ import annotations

import importlib
import platform
import statistics
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from time import perf_counter
from typing import Any

from mcast.dns.codes import RESPONSE_FLAGS, RecordType
from mcast.dns.messages import Message, Question, decode, encode
from mcast.dns.names import Name
from mcast.dns.records import address, pointer, service, text

Call = Callable[[], object]

ROUND = 0.002
"""Seconds that one measurement lasts."""

ROUNDS = 150
"""Measurements of each cell."""

TYPE = Name.parse("_http._tcp.local.")
HOST = Name.parse("kitchen.local.")


def messages() -> dict[str, bytes]:
    """Return the octets of each message that is measured."""
    instance = TYPE.prefixed("My Web")
    answer = Message(
        flags=RESPONSE_FLAGS,
        answers=[pointer(TYPE, instance, 4500)],
        additionals=[
            service(instance, 0, 0, 8080, HOST, 120, True),
            text(instance, [b"path=/", b"ver=1"], 4500, True),
            address(HOST, "192.0.2.1", 120, True),
            address(HOST, "fe80::1", 120, True),
        ],
    )
    question = Question(TYPE, RecordType.PTR)
    known = [pointer(TYPE, TYPE.prefixed(f"Instance number {number}"), 4500) for number in range(60)]
    return {
        "query": encode(Message(questions=[question])),
        "PTR answer, 4 additionals": encode(answer),
        "query, 60 known answers": encode(Message(questions=[question], answers=known)),
    }


def ours(octets: bytes) -> tuple[Call, Call]:
    """Return what decodes ``octets``, and what encodes the message again."""
    message = decode(octets)
    return lambda: decode(octets), lambda: encode(message)


def zeroconf(octets: bytes) -> tuple[Call, Call]:
    # The module does not declare what it exports.
    library: Any = importlib.import_module("zeroconf")
    incoming = library.DNSIncoming(octets)
    answers = incoming.answers()

    def read() -> object:
        return library.DNSIncoming(octets).answers()

    def write() -> object:
        outgoing = library.DNSOutgoing(incoming.flags, True)
        for question in incoming.questions:
            outgoing.add_question(question)
        for record in answers[: incoming.num_answers]:
            outgoing.add_answer_at_time(record, 0)
        for record in answers[incoming.num_answers :]:
            outgoing.add_additional_answer(record)
        return outgoing.packets()

    return read, write


def dnspython(octets: bytes) -> tuple[Call, Call]:
    import dns.message

    message = dns.message.from_wire(octets)
    return lambda: dns.message.from_wire(octets), lambda: message.to_wire(max_size=9000)


def dnslib(octets: bytes) -> tuple[Call, Call]:
    from dnslib import DNSRecord

    message = DNSRecord.parse(octets)
    return lambda: DNSRecord.parse(octets), message.pack


def twisted_names(octets: bytes) -> tuple[Call, Call]:
    from twisted.names.dns import Message as TwistedMessage

    def read() -> TwistedMessage:
        message = TwistedMessage()
        message.fromStr(octets)
        return message

    return read, read().toStr


LIBRARIES: dict[str, tuple[str, str, Callable[[bytes], tuple[Call, Call]]]] = {
    "mcast": ("mcast", "txmcast", ours),
    "zeroconf": ("zeroconf", "zeroconf", zeroconf),
    "dnspython": ("dns.message", "dnspython", dnspython),
    "twisted.names": ("twisted.names.dns", "twisted", twisted_names),
    "dnslib": ("dnslib", "dnslib", dnslib),
}
"""By column: the module, the distribution, and what makes the two calls."""


def available() -> list[str]:
    """Return the columns whose library is installed."""
    found = []
    for column, (module, _, _) in LIBRARIES.items():
        try:
            importlib.import_module(module)
        except ImportError:
            print(f"{column} is not installed")
            continue
        found.append(column)
    return found


def repetitions(call: Call) -> int:
    """Return how often ``call`` runs in one measurement."""
    call()
    started = perf_counter()
    for _ in range(5):
        call()
    return max(1, int(ROUND * 5 / (perf_counter() - started)))


def measure(calls: dict[str, Call]) -> dict[str, float]:
    """Return the median of the microseconds that each of ``calls`` takes, measured in turn."""
    counts = {column: repetitions(call) for column, call in calls.items()}
    taken: dict[str, list[float]] = {column: [] for column in calls}
    for _ in range(ROUNDS):
        for column, call in calls.items():
            count = range(counts[column])
            started = perf_counter()
            for _ in count:
                call()
            taken[column].append((perf_counter() - started) / len(count) * 1e6)
    return {column: statistics.median(times) for column, times in taken.items()}


def installed(distribution: str) -> str:
    """Return the version of a distribution, or nothing when it was never installed as one."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""


def main() -> None:
    """Print the table, and the times beside those of python-zeroconf."""
    columns = available()
    print(
        f"Python {platform.python_version()} on {sys.platform} ({platform.machine()}), microseconds, median"
    )
    print(", ".join(f"{column} {installed(LIBRARIES[column][1])}".strip() for column in columns))
    print(f"{'':36}" + "".join(f"{column:>15}" for column in columns) + f"{'mcast/zeroconf':>16}")
    for title, octets in messages().items():
        pairs = {column: LIBRARIES[column][2](octets) for column in columns}
        for verb, which in (("decode", 0), ("encode", 1)):
            times = measure({column: pair[which] for column, pair in pairs.items()})
            row = "".join(f"{times[column]:15.2f}" for column in columns)
            ratio = f"{times['mcast'] / times['zeroconf']:16.2f}" if "zeroconf" in times else ""
            print(f"{verb} {title:29}{row}{ratio}", flush=True)


if __name__ == "__main__":
    main()
