"""What sources send to groups, as `mcast listen --stats` shows it: rates, and streams with their losses."""

from __future__ import annotations

import shutil
from functools import lru_cache
from ipaddress import ip_address
from typing import Any, NamedTuple

from mcast.cli.command import Output
from mcast.streams import Stream, StreamFinder

MAX_FLOWS = 4096
"""Flows told apart. Our choice: more than a person reads; what comes beyond is added up."""

LINES_AROUND = 3
"""Lines of a terminal that the table leaves free: its heading, what says that there is more, the cursor."""


class Place(NamedTuple):
    """Who sends to whom, and where it arrives."""

    interface: str
    source: str
    port: int
    destination: str


OTHERS = Place("", "others", 0, "")
"""Where flows beyond `MAX_FLOWS` are counted."""


class Flow:
    """What one source sends to one group."""

    def __init__(self, finder: StreamFinder) -> None:
        self.packets = 0
        """In this period, as `octets`."""
        self.octets = 0
        self.all_packets = 0
        """Since the beginning, as `all_octets`."""
        self.all_octets = 0
        self._finder = finder

    @property
    def stream(self) -> Stream | None:
        """The stream in it, the largest one of several; None when it is none."""
        return self._finder.stream

    @property
    def streams(self) -> int:
        """How many streams are in it."""
        return self._finder.count

    def take(self, data: bytes, now: float) -> None:
        """Note a datagram."""
        self.packets += 1
        self.octets += len(data)
        self._finder.take(data, now)

    def turn(self) -> None:
        """Begin a new period."""
        self.all_packets += self.packets
        self.all_octets += self.octets
        self.packets = self.octets = 0


class Flows:
    """All flows.

    :param rtp: see `StreamFinder`, as for ``clock_rate``.
    """

    def __init__(self, *, rtp: bool = False, clock_rate: int | None = None) -> None:
        self._rtp = rtp
        self._clock_rate = clock_rate
        self._flows: dict[Place, Flow] = {}

    def take(self, place: Place, data: bytes, now: float) -> None:
        """Note a datagram."""
        flow = self._flows.get(place)
        if flow is None:
            # One of a flow that is not told apart belongs to no stream either.
            if len(self._flows) >= MAX_FLOWS:
                flow = self._flows.setdefault(OTHERS, Flow(_Nothing()))
            else:
                flow = Flow(StreamFinder(rtp=self._rtp, clock_rate=self._clock_rate))
                self._flows[place] = flow
        flow.take(data, now)

    def active(self) -> list[tuple[Place, Flow]]:
        """Return the flows of this period, in the order of interface, source and group."""
        return [(place, flow) for place, flow in self.all() if flow.packets]

    def all(self) -> list[tuple[Place, Flow]]:
        """Return every flow, in the same order; what was added up is the last."""
        return sorted(self._flows.items(), key=lambda item: _order(item[0]))

    def turn(self) -> None:
        """Begin a new period, and make room where there is none by forgetting the flows that were silent."""
        if len(self._flows) >= MAX_FLOWS:
            for place in [place for place, flow in self._flows.items() if not flow.packets]:
                del self._flows[place]
        for flow in self._flows.values():
            flow.turn()


def _order(place: Place) -> tuple[Any, ...]:
    source, group = _as_number(place.source), _as_number(place.destination)
    return place == OTHERS, place.interface, source, place.port, group


@lru_cache(maxsize=2 * MAX_FLOWS)
def _as_number(address: str) -> tuple[int, int, str]:
    """Return what puts an address where a person looks for it: 239.1.2.10 after 239.1.2.9."""
    host, _, zone = address.partition("%")
    try:
        number = ip_address(host)
    except ValueError:  # the system did not tell the group
        return 0, 0, address
    return number.version, int(number), zone


class _Nothing(StreamFinder):
    """Finds no stream."""

    def take(self, data: bytes, now: float) -> None:
        pass


def stream_fields(flow: Flow) -> dict[str, Any]:
    """Return what is told of the stream in a flow, for programs; nothing where there is none."""
    stream = flow.stream
    if stream is None:
        return {}
    return {
        "streams": flow.streams,
        "kind": stream.kind,
        "sender": stream.sender,
        "payload_type": stream.payload_type,
        "received": stream.received,
        "lost": stream.lost,
        "loss": round(100 * stream.loss, 3),
        "duplicates": stream.duplicates,
        "reordered": stream.reordered,
        "restarts": stream.restarts,
        "strays": stream.strays,
        "jitter_ms": None if stream.jitter is None else round(1000 * stream.jitter, 3),
    }


def show_period(flows: Flows, seconds: float, output: Output) -> None:
    """Print what arrived in a period: the whole table on a terminal, lines elsewhere, JSON for programs."""
    active = flows.active()
    for place, flow in active:
        output.event(
            event="stats",
            **place._asdict(),
            packets=flow.packets,
            octets=flow.octets,
            packets_per_second=round(flow.packets / seconds, 1),
            octets_per_second=round(flow.octets / seconds, 1),
            **stream_fields(flow),
        )
    if output.is_terminal and not output.json:
        _show_screen(flows, seconds, output)
    else:
        for place, flow in active:
            output.text(_line(place, flow, seconds))
        if not active:
            output.text("nothing arrived")
    flows.turn()


def show_summary(flows: Flows, output: Output) -> None:
    """Print what arrived from the beginning to the end."""
    rows = [[*_HEADINGS[:4], "packets", "octets", *_HEADINGS[6:]]]
    for place, flow in flows.all():
        output.event(
            event="summary",
            **place._asdict(),
            packets=flow.all_packets,
            octets=flow.all_octets,
            **stream_fields(flow),
        )
        rows.append(_cells(place, str(flow.all_packets), str(flow.all_octets), flow.stream))
    if len(rows) > 1:
        output.table(rows, lead=3, numbers=_NUMBERS)


def _line(place: Place, flow: Flow, seconds: float) -> str:
    line = (
        f"{place.interface} {place.source} port {place.port} > {place.destination}: "
        f"{flow.packets / seconds:.1f} packets/s, {flow.octets / seconds:.1f} octets/s"
        if place != OTHERS
        else f"others: {flow.packets / seconds:.1f} packets/s, {flow.octets / seconds:.1f} octets/s"
    )
    stream = flow.stream
    if stream is None:
        return line
    jitter = "" if stream.jitter is None else f", jitter {1000 * stream.jitter:.3f} ms"
    lost = f"{stream.lost} lost ({100 * stream.loss:.2f} %)"
    return (
        f"{line}; {_kind(stream)}: {stream.received} received, {lost}, "
        f"{stream.duplicates} duplicates, {stream.reordered} reordered{jitter}"
    )


_HEADINGS = [
    *("source", "group", "if", "stream", "packets/s", "octets/s"),
    *("received", "lost", "loss%", "dup", "reord", "jitter ms"),
]
_NUMBERS = range(4, 12)


def _show_screen(flows: Flows, seconds: float, output: Output) -> None:
    rows = [
        _cells(place, f"{flow.packets / seconds:.1f}", f"{flow.octets / seconds:.1f}", flow.stream)
        for place, flow in flows.all()
    ]
    room = max(shutil.get_terminal_size().lines - LINES_AROUND, 1)
    told = rows[:room]
    # A flow takes several lines where the terminal is narrow.
    while len(told) > 1 and output.height([_HEADINGS, *told], lead=3, numbers=_NUMBERS) > room + 1:
        told.pop()
    output.clear()
    output.table([_HEADINGS, *told], lead=3, numbers=_NUMBERS)
    if len(rows) > len(told):
        output.text(f"… and {len(rows) - len(told)} more")
    if not rows:
        output.text("nothing arrived")


def _cells(place: Place, packets: str, octets: str, stream: Stream | None) -> list[str]:
    source = f"[{place.source}]" if ":" in place.source else place.source
    cells = [f"{source}:{place.port}" if place != OTHERS else "others", place.destination, place.interface]
    if stream is None:
        return [*cells, "", packets, octets, "", "", "", "", "", ""]
    return [
        *cells,
        _kind(stream),
        packets,
        octets,
        str(stream.received),
        str(stream.lost),
        f"{100 * stream.loss:.2f}",
        str(stream.duplicates),
        str(stream.reordered),
        "?" if stream.jitter is None else f"{1000 * stream.jitter:.3f}",
    ]


def _kind(stream: Stream) -> str:
    if stream.kind == "RTP":
        return f"RTP {stream.sender:08x} type {stream.payload_type}"
    return f"numbered by {stream.sender}"
