"""Questions and known answers into query messages (RFC 6762 §5.3, §7.1, §7.2)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final, NamedTuple

from mcast.dns.building import MessageBuilder
from mcast.dns.codes import QUERY_FLAGS
from mcast.dns.messages import Question
from mcast.dns.records import Record

_QUESTION_OVERHEAD: Final = 4
"""Octets of type and class (RFC 1035 §4.1.2)."""

RECORD_OVERHEAD: Final = 12
"""Octets of a record whose owner name is a pointer, without its rdata (RFC 1035 §4.1.3, §4.1.4)."""

_ALONE_OVERHEAD: Final = 22
"""Octets of a header (RFC 1035 §4.1.1), and of a record without its owner name and rdata."""


class Asked(NamedTuple):
    """A question and its known answers."""

    question: Question
    known: Iterable[Record] = ()
    """Taken one by one as the packets are filled, since there may be thousands."""
    size: int = 0
    """About how many octets they take (see `RECORD_OVERHEAD`); 0 when there are none."""


def query_packets(asked: Iterable[Asked], max_size: int) -> Iterator[bytes]:
    """Yield messages that ask the questions, as few as possible.

    Questions share packets. Known answers follow their question in the same packet and, when they do not
    fit, in further packets without questions; all of these but the last have the TC bit (RFC 6762 §7.2).
    Messages that belong together are next to each other.

    :param max_size: octets of a message (RFC 6762 §17).
    """
    listing: deque[Asked] = deque()
    plain: deque[Question] = deque()
    for one in asked:
        if one.size:
            listing.append(one)
        else:
            plain.append(one.question)
    while listing or plain:
        builder = MessageBuilder(max_size, flags=QUERY_FLAGS)
        lists: list[Asked] = []
        while listing and builder.add_question(listing[0].question):
            lists.append(listing.popleft())
        # Questions without known answers fill up the packet where the answers leave room, which is not
        # known before these are written, as questions come first; so their uncompressed size is counted.
        room = max_size - sum([one.size for one in lists])
        while plain:
            if lists and builder.size + len(plain[0].name.wire) + _QUESTION_OVERHEAD > room:
                break
            if not builder.add_question(plain[0]):
                break
            plain.popleft()
        for record in chain.from_iterable([one.known for one in lists]):
            if builder.add_answer(record):
                continue
            if _ALONE_OVERHEAD + len(record.name.wire) + len(record.rdata) > max_size:
                # It fits no packet, so it cannot be listed; the price is that it is answered again.
                continue
            yield builder.build(truncated=True)
            builder = MessageBuilder(max_size, flags=QUERY_FLAGS)
            builder.add_answer(record)
        if not builder.is_empty:
            yield builder.build()
        elif plain:
            # No question is longer than 260 octets, but somebody may set an MTU below that.
            plain.popleft()
        else:
            listing.popleft()
