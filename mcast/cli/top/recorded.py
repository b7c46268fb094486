"""Recordings of `mcast top`: the stream of the model (`mcast.live.recording`), packets and echoes.

A line that has ``aside`` is none of the model: ``packets`` are as `Packet.as_json` has them, ``groups`` the
entries of the view. Readers of the model alone pass over them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count
from typing import Any, BinaryIO, TextIO

from mcast.cli.top.data import Data
from mcast.cli.top.looking import Playing
from mcast.cli.top.packets import Packet
from mcast.live.documents import VERSION, Document
from mcast.live.recording import LINE_LIMIT, Recording, encode_line

MAX_RECORDING = 2 * 1024**3
"""Characters of a recording. Our choice: a day of a busy link; then no more is written, and that is told."""

MAX_WAIT = 5.0
"""Seconds of a replay between two steps. Our choice: a recording of a quiet network is not waited for."""


class Recorder:
    """Writes what is seen.

    :param stream: the file, which the caller closes.
    """

    def __init__(self, stream: TextIO) -> None:
        self.written = 0
        """Characters."""
        self._stream = stream
        self._packets: list[Packet] = []

    def document(self, document: Document) -> None:
        """Write a snapshot or a delta, and the packets before it.

        :raises OSError: the file cannot be written.
        """
        packets, self._packets = self._packets, []
        if packets:
            self._write(
                {"version": VERSION, "aside": "packets", "packets": [each.as_json() for each in packets]}
            )
        self._write(document)
        self._stream.flush()

    def packet(self, packet: Packet) -> None:
        """Have a packet written before the next document."""
        self._packets.append(packet)

    def groups(self, groups: dict[str, Document]) -> None:
        """Write what responders have answered."""
        self._write({"version": VERSION, "aside": "groups", "groups": groups})

    @property
    def is_full(self) -> bool:
        """Whether nothing more is written."""
        return self.written >= MAX_RECORDING

    def _write(self, document: Document) -> None:
        if not self.is_full:
            line = encode_line(document)
            self._stream.write(line)
            self.written += len(line)


class Player:
    """Plays a recording into data.

    :param lines: of the file.
    :raises ValueError: it is no recording.
    """

    def __init__(self, lines: Iterable[str], data: Data, playing: Playing) -> None:
        self._recording = Recording()
        self._lines = iter(lines)
        self._data = data
        self._playing = playing
        self._asides: list[Document] = []
        self._number = 0
        self._next: Document | None = None
        self._step()
        if self._next is None:
            raise ValueError("it is empty")
        self.play()

    @property
    def wait(self) -> float | None:
        """Seconds of the recording until the next step; None when there is none."""
        if self._next is None:
            return None
        return min(max(float(self._next["now"]) - self._data.now, 0.0), MAX_WAIT)

    def play(self) -> None:
        """Show the next state.

        :raises ValueError: the line after it is not in the format.
        """
        document, asides = self._next, self._asides
        if document is None:
            return
        self._asides = []
        state = self._recording.take(document)
        for aside in asides:
            self._take_aside(aside)
        self._data.start_anew(state)
        self._step()
        self._playing.ended = self._next is None

    def _step(self) -> None:
        """Read up to the next document of the model."""
        self._next = None
        for line in self._lines:
            document = self._recording.read(line)
            if document is None:
                return
            if "aside" not in document:
                self._next = document
                return
            if len(self._asides) < 1000:
                self._asides.append(document)

    def _take_aside(self, aside: Document) -> None:
        packets = aside.get("packets")
        if isinstance(packets, list):
            taken: list[Document] = []
            for fields in packets[: self._data.packets.maxlen]:
                self._number += 1
                taken.append(Packet.from_json(self._number, fields))
            self._data.take_packets(taken)
        groups = aside.get("groups")
        if isinstance(groups, dict):
            self._data.take_groups({str(key): _group(entry) for key, entry in groups.items()})


_GROUP = {
    **dict.fromkeys(("group", "responder", "interface"), ""),
    **dict.fromkeys(("sent", "received"), 0),
    **dict.fromkeys(("loss", "min", "median", "p95", "max"), 0.0),
}


def _group(entry: Any) -> Document:
    """Return a responder of a recording, whose fields have the types that the view counts on."""
    if not isinstance(entry, dict):
        raise ValueError("a responder is not in the format of a recording")
    found: Document = {}
    for key, like in _GROUP.items():
        value = entry.get(key, like)
        if not isinstance(value, int | float if isinstance(like, int | float) else str):
            raise ValueError(f"{key} of a responder is not in the format of a recording")
        found[key] = value
    last, history = entry.get("last"), entry.get("history")
    found["last"] = last if isinstance(last, int | float) else None
    found["history"] = [
        each if isinstance(each, int | float) else None
        for each in (history if isinstance(history, list) else ())
    ][-60:]
    return found


def read_lines(stream: BinaryIO) -> Iterator[str]:
    """Yield the lines of a file.

    :raises ValueError: one has no end, as in ``/dev/zero``; the message tells its number.
    """
    for number in count(1):
        line = stream.readline(LINE_LIMIT + 1)
        if not line:
            return
        if len(line) > LINE_LIMIT:
            raise ValueError(f"line {number}: more than {LINE_LIMIT} characters")
        yield line.decode("utf-8", "replace")
