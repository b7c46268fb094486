"""Octets of memory for each cached record, ours and python-zeroconf's.

Both take in the same datagrams, each what one host with one service announces, and what stays allocated
afterwards is counted by `tracemalloc`: the records, their names, and the tables that hold them.
"""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable, Iterable
from ipaddress import IPv4Interface
from random import Random
from typing import Any

from mcast.dns.codes import RESPONSE_FLAGS, RecordType
from mcast.dns.messages import Message, Question, encode
from mcast.dns.names import Name
from mcast.dns.records import Record, address, next_secure, pointer, service, text
from mcast.mdns.link import Link, LinkSettings

TYPE = Name.parse("_bench._tcp.local.")


def announcement(number: int, service_type: Name = TYPE) -> list[Record]:
    """Return the records of one host with one service."""
    instance = service_type.prefixed(f"Instance {number:05}")
    host = Name.parse(f"host-{number:05}.local.")
    return [
        pointer(service_type, instance, 4500),
        service(instance, 0, 0, 1024, host, 120, True),
        text(instance, [b"path=/", b"ver=1"], 4500, True),
        address(host, f"10.78.{number >> 8}.{number & 255}", 120, True),
        next_secure(host, [RecordType.A], 120),
    ]


def fill_ours(datagrams: Iterable[bytes]) -> tuple[Any, int]:
    link = Link(LinkSettings(ipv6=False), [IPv4Interface("192.0.2.1/24")], rng=Random(1), now=0.0)
    # Asked for, so that the cache keeps them as it does for somebody who browses.
    link.querier.ask(Question(TYPE, RecordType.PTR), 0.0, "somebody")
    for datagram in datagrams:
        link.receive(datagram, ("192.0.2.2", 5353), True, 1.0)
        link.events()
    link.transmissions()
    return link, len(link.querier.cache)


def fill_zeroconf(datagrams: Iterable[bytes]) -> tuple[Any, int]:
    from zeroconf import DNSCache, DNSIncoming  # type: ignore[attr-defined]  # as in codec.py

    cache = DNSCache()
    for datagram in datagrams:
        cache.async_add_records(DNSIncoming(datagram).answers())
    return cache, sum(len(cache.entries_with_name(name)) for name in cache.names())


def octets_per_record(fill: Callable[[Iterable[bytes]], tuple[Any, int]], count: int) -> tuple[float, int]:
    """Return the octets that a record takes, and how many there are after so many announcements."""
    datagrams = [encode(Message(flags=RESPONSE_FLAGS, answers=announcement(one))) for one in range(count)]
    fill(datagrams[:1])
    gc.collect()
    tracemalloc.start()
    # A copy of each datagram, which dies with it: it is not the cache's.
    filled, records = fill(bytes(bytearray(one)) for one in datagrams)
    gc.collect()
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del filled
    return kept / records, records
