"""Streams of numbered datagrams: what of one was lost, doubled, out of order, and how evenly it arrived.

A stream is RTP (RFC 3550), or one line of text that `mcast send --sequence` and mcjoin send.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import Any

MAX_DROPOUT = 3000
"""Datagrams that may be missing in a row before the sender is taken to have begun anew (RFC 3550 §A.1)."""

MAX_MISORDER = 100
"""How far behind the newest a datagram may be and still belong to the stream (RFC 3550 §A.1)."""

WINDOW = 128
"""Numbers behind the newest that are remembered, to know duplicates. Our choice: more than `MAX_MISORDER`."""

MAX_STREAMS = 16
"""Streams told apart in what one source sends to one group from one port. Our choice: a mixer has fewer."""

RTP_HEADER_SIZE = 12
"""Octets of the fixed header (RFC 3550 §5.1)."""

RTP_MODULUS = 1 << 16
"""RTP counts with 16 bits (RFC 3550 §5.1)."""

TIMESTAMP_MODULUS = 1 << 32
"""RTP timestamps have 32 bits (RFC 3550 §5.1)."""

RTCP_TYPES = range(64, 96)
"""Payload types that are not used, since with the marker bit they look like packets of RTCP (RFC 5761 §4)."""

CLOCK_RATES = (
    dict.fromkeys((0, 3, 4, 5, 7, 8, 9, 12, 13, 15, 18), 8000)
    | {6: 16_000, 10: 44_100, 11: 44_100, 14: 90_000, 16: 11_025, 17: 22_050}
    | dict.fromkeys((25, 26, 28, 31, 32, 33, 34), 90_000)
)
"""Timestamp units a second of the payload types that have a fixed rate (RFC 3551 §6)."""

JITTER_GAIN = 16
"""What part of each new difference enters the jitter: one sixteenth (RFC 3550 §6.4.1)."""

TEXT_CLOCK_RATE = 1000
"""A numbered line of text counts milliseconds."""

MAX_TEXT = 256
"""Octets of a datagram in which a numbered line is looked for. Our choice: twice the longest that is sent."""

_RTP = struct.Struct("!BBHII")
# As mcjoin, which looks for these two keys alone; not every version tells the interval.
_TEXT = re.compile(
    rb"Sender PID (\d{1,10})(?!\d)[^\0]*?\bcount: (\d{1,18})(?!\d)(?:[^\0]*?\bfreq: (\d{1,10})(?!\d))?"
)


@dataclass(frozen=True, slots=True)
class Mark:
    """The number that a datagram carries."""

    kind: str
    """``RTP`` or ``text``."""
    sender: int
    """The SSRC, or the process that sends: a number that tells the streams of one host apart."""
    number: int
    modulus: int
    """The number begins at 0 again when it reaches this; 0 when it never does."""
    ticks: int | None
    """When it was sent, on the sender's clock; None when it does not tell."""
    clock_rate: int | None
    """Ticks a second; None when only the sender knows."""
    payload_type: int | None = None
    """Of RTP."""


def read_rtp(data: bytes, clock_rate: int | None = None) -> Mark | None:
    """Return the number of an RTP packet, or None for what cannot be one (RFC 3550 §A.1).

    :param clock_rate: that of a payload type without a fixed one.
    """
    if len(data) < RTP_HEADER_SIZE or data[0] >> 6 != 2:
        return None
    first, second, number, ticks, sender = _RTP.unpack_from(data)
    payload_type = second & 0x7F
    size = RTP_HEADER_SIZE + 4 * (first & 0x0F)
    if first & 0x10:
        if len(data) < size + 4:
            return None
        size += 4 + 4 * int.from_bytes(data[size + 2 : size + 4], "big")
    padding = data[-1] if first & 0x20 else 0
    if payload_type in RTCP_TYPES or len(data) < size + padding or (first & 0x20 and not padding):
        return None
    rate = CLOCK_RATES.get(payload_type, clock_rate)
    return Mark("RTP", sender, number, RTP_MODULUS, ticks, rate, payload_type)


def read_text(data: bytes) -> Mark | None:
    """Return the number of a line that mcjoin or `numbered_text` wrote, or None."""
    found = _TEXT.search(data, 0, MAX_TEXT)
    if found is None:
        return None
    sender, number, interval = found.groups()
    ticks = None if not interval or not int(interval) else int(number) * int(interval)
    return Mark("text", int(sender), int(number), 0, ticks, TEXT_CLOCK_RATE)


def numbered_text(sender: int, group: str, number: int, rate: float | None, size: int | None = None) -> bytes:
    """Return a numbered datagram, in the form that mcjoin sends.

    :param group: its address, without the port.
    :param rate: datagrams a second; None when they are sent without a pace.
    :param size: octets to fill it up to with zeros; it is never cut.
    """
    interval = 0 if rate is None else round(TEXT_CLOCK_RATE / rate)
    text = f"Sender PID {sender}, MC group {group} ... count: {number}, freq: {interval}\0".encode()
    return text.ljust(size or 0, b"\0")


class Stream:
    """One stream as it arrives. Instants are seconds on the caller's clock."""

    def __init__(self, mark: Mark) -> None:
        self.kind = mark.kind
        self.sender = mark.sender
        self.payload_type = mark.payload_type
        self.received = 0
        """Datagrams, each number once."""
        self.duplicates = 0
        self.reordered = 0
        """Datagrams that came after one with a later number."""
        self.restarts = 0
        """Times that the sender began to count anew, or was away for long."""
        self.strays = 0
        """Datagrams whose numbers are far from all others."""
        self._modulus = mark.modulus
        self._past_lost = 0
        self._jitter = 0.0
        self._jitter_known = False
        self._transit: float | None = None
        self._ticks: tuple[int, int] | None = None  # the last timestamp, as it was and without wrapping
        self._resync_at: int | None = None
        self._begin(mark.number)

    def _begin(self, number: int) -> None:
        self._base = self._newest = number
        self._unique = 0
        self._seen = 0
        self._transit = None

    @property
    def lost(self) -> int:
        """Numbers between the first and the newest that did not arrive (RFC 3550 §A.3)."""
        return self._past_lost + max(0, self._newest - self._base + 1 - self._unique)

    @property
    def loss(self) -> float:
        """The same as a part of what was expected, 0-1."""
        expected = self.received + self.lost
        return self.lost / expected if expected else 0.0

    @property
    def jitter(self) -> float | None:
        """Interarrival jitter in seconds (RFC 3550 §6.4.1); None when the sender's clock is not known."""
        return self._jitter if self._jitter_known else None

    def take(self, mark: Mark, now: float) -> None:
        """Note a datagram of this stream."""
        number = self._unwrapped(mark.number)
        distance = number - self._newest
        # A number that never wraps may jump ahead: what lies between is lost, however much it is.
        too_far = distance >= MAX_DROPOUT if self._modulus else False
        if too_far or distance < -MAX_MISORDER:
            # As RFC 3550 §A.1: two in a row there show that the sender goes on from there.
            if self._resync_at != mark.number:
                self.strays += 1
                self._resync_at = mark.number + 1 if not self._modulus else (mark.number + 1) % self._modulus
                return
            self._past_lost = self.lost
            self.restarts += 1
            self._begin(number)
        self._resync_at = None
        if not self._note(number):
            self.duplicates += 1
            return
        self.received += 1
        self._unique += 1
        self._time(mark, now)

    def _unwrapped(self, number: int) -> int:
        """Return the number without wrapping: the one closest to the newest."""
        if not self._modulus:
            return number
        half = self._modulus // 2
        return self._newest + (number - self._newest + half) % self._modulus - half

    def _note(self, number: int) -> bool:
        """Remember a number; False when it was there already."""
        ahead = number - self._newest
        if ahead > 0:
            self._seen = (self._seen << ahead if ahead < WINDOW else 0) & ((1 << WINDOW) - 1) | 1
            self._newest = number
            return True
        bit = 1 << -ahead
        if self._seen & bit:
            return False
        self._seen |= bit
        if ahead:
            self.reordered += 1
            if number < self._base:
                self._base = number
        return True

    def _time(self, mark: Mark, now: float) -> None:
        if mark.ticks is None or not mark.clock_rate:
            return
        transit = now - self._whole_ticks(mark.ticks) / mark.clock_rate
        if self._transit is not None:
            # J(i) = J(i-1) + (|D(i-1,i)| - J(i-1)) / 16, here in seconds.
            self._jitter += (abs(transit - self._transit) - self._jitter) / JITTER_GAIN
            self._jitter_known = True
        self._transit = transit

    def _whole_ticks(self, ticks: int) -> int:
        if not self._modulus:
            return ticks
        last, whole = self._ticks or (ticks, ticks)
        half = TIMESTAMP_MODULUS // 2
        whole += (ticks - last + half) % TIMESTAMP_MODULUS - half
        self._ticks = (ticks, whole)
        return whole


class StreamFinder:
    """Tells the streams in what one source sends to one group: RTP is seen by itself.

    :param rtp: whatever can be RTP is; otherwise two packets in a row have to show it (RFC 3550 §A.1).
    :param clock_rate: that of RTP payload types without a fixed one.
    """

    def __init__(self, *, rtp: bool = False, clock_rate: int | None = None) -> None:
        self._streams: dict[tuple[str, int], Stream] = {}
        self._rtp = rtp
        self._clock_rate = clock_rate
        self._candidates: dict[int, tuple[Mark, float]] = {}

    @property
    def stream(self) -> Stream | None:
        """The stream with the most datagrams; None when there is none."""
        return max(self._streams.values(), key=lambda stream: stream.received, default=None)

    @property
    def count(self) -> int:
        """How many streams there are."""
        return len(self._streams)

    def take(self, data: bytes, now: float) -> None:
        """Note a datagram; what belongs to no stream changes nothing."""
        mark = read_text(data) or read_rtp(data, self._clock_rate)
        if mark is None:
            return
        stream = self._streams.get((mark.kind, mark.sender))
        if stream is not None:
            stream.take(mark, now)
            return
        first = (mark, now)
        if mark.kind == "RTP" and not self._rtp:
            # So that what happens to begin as RTP does is not taken for it; nor a new SSRC.
            before = self._candidates.pop(mark.sender, None)
            if before is None or not _follows(mark, before[0]):
                _make_room(self._candidates)
                self._candidates[mark.sender] = first
                return
            first = before
        _make_room(self._streams)
        self._streams[mark.kind, mark.sender] = stream = Stream(first[0])
        stream.take(*first)
        if first[0] is not mark:
            stream.take(mark, now)


def _make_room(table: dict[Any, Any]) -> None:
    """Forget the oldest entry of a table that is full."""
    if len(table) >= MAX_STREAMS:
        del table[next(iter(table))]


def _follows(mark: Mark, before: Mark) -> bool:
    return mark.sender == before.sender and mark.number == (before.number + 1) % RTP_MODULUS
