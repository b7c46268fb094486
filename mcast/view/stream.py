"""The deltas on their way to browsers: server-sent events, resumed where a browser left off."""

from __future__ import annotations

import json
from collections import Counter, deque
from secrets import token_hex
from typing import Any

from twisted.internet.interfaces import IPushProducer
from twisted.python.failure import Failure
from twisted.web.server import Request
from zope.interface import implementer

from mcast.live.documents import Document
from mcast.watching.watcher import Watcher

MAX_BROWSERS = 200
"""Streams at a time. Our choice: twice what this is measured with; each has a socket."""

MAX_KEPT = 600
"""Deltas that are kept for browsers that come back. Our choice: five to ten minutes; then a snapshot does."""

MAX_KEPT_OCTETS = 8 * 1024 * 1024
"""Octets of them. Our choice: some snapshots; who missed more than one of these gets a new one anyhow."""

SMALL_SIZE = 65536
"""Octets of missed deltas that are sent even when a snapshot is shorter.

Our choice: what a connection takes at once. A page that gets deltas has less to draw.
"""

IDLE_INTERVAL = 15.0
"""Seconds after which an idle stream gets a comment. Our choice: below the limit of common proxies (60 s)."""


def encode_event(kind: bytes, identifier: bytes, data: bytes) -> bytes:
    """Return a server-sent event (HTML Standard §9.2.6); the data is one line."""
    return b"id: " + identifier + b"\nevent: " + kind + b"\ndata: " + data + b"\n\n"


def encode_json(document: Document) -> bytes:
    """Return a document as one line of ASCII: no character of it ends a line of an event."""
    return json.dumps(document, ensure_ascii=True, separators=(",", ":")).encode("ascii")


class Streams:
    """The streams to all browsers, and the deltas that are kept for them.

    Each delta is encoded once. A browser that reads slowly is sent nothing until it can take more, and then
    what it missed: the deltas, or a snapshot where that is shorter.
    """

    def __init__(self, watcher: Watcher, clock: Any) -> None:
        self.counters: Counter[str] = Counter()
        """How many ``streams``, ``snapshots``, ``resumed`` and ``refused`` there were."""
        self._watcher = watcher
        self._clock = clock
        # Numbers begin anew with each run of the program, so that a run is part of the identifier.
        self._run = token_hex(4).encode("ascii")
        self._kept: deque[tuple[int, bytes]] = deque()
        self._octets = 0
        self._streams: dict[Stream, None] = {}
        self._snapshot: tuple[int, bytes] = (-1, b"")
        self._idle: Any = None

    def start(self) -> None:
        """Take in the deltas of the watcher from now on."""
        self._watcher.add_observer(self._delta)
        self._on_idle()

    def stop(self) -> None:
        """End all streams."""
        self._watcher.remove_observer(self._delta)
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        for stream in tuple(self._streams):
            stream.finish()

    def __len__(self) -> int:
        return len(self._streams)

    @property
    def seq(self) -> int:
        """The number of the last commit."""
        number: int = self._watcher.model.snapshot["seq"]
        return number

    def snapshot(self) -> bytes:
        """Return the snapshot of the last commit in JSON, made once for all who want it."""
        if self._snapshot[0] != self.seq:
            self._snapshot = (self.seq, encode_json(self._watcher.model.snapshot))
        return self._snapshot[1]

    def open(self, request: Request) -> bool:
        """Begin a stream as the response to a request; False when there are too many."""
        if len(self._streams) >= MAX_BROWSERS:
            self.counters["refused"] += 1
            return False
        self.counters["streams"] += 1
        last = self._number_of(request.getHeader(b"last-event-id"))
        stream = Stream(self, request, last)
        self._streams[stream] = None
        self._watcher.watchers = len(self._streams)
        stream.start()
        return True

    def closed(self, stream: Stream) -> None:
        """Forget a stream (called by itself)."""
        self._streams.pop(stream, None)
        self._watcher.watchers = len(self._streams)

    def after(self, seq: int | None) -> tuple[int, bytes]:
        """Return what leads from a state to the last one, as events, and the number of that."""
        if seq == self.seq:
            return self.seq, b""
        if seq is not None and self._kept and self._kept[0][0] <= seq + 1 <= self.seq:
            missed = [event for number, event in self._kept if number > seq]
            # The size of the last snapshot will do: a guess saves making one each time.
            least = max(SMALL_SIZE, len(self._snapshot[1] or self.snapshot()))
            if len(missed) <= 1 or sum(map(len, missed)) <= least:
                return self.seq, b"".join(missed)
        self.counters["snapshots"] += 1
        return self.seq, encode_event(b"snapshot", self._identifier(self.seq), self.snapshot())

    def _delta(self, delta: Document) -> None:
        event = encode_event(b"delta", self._identifier(delta["seq"]), encode_json(delta))
        self._kept.append((delta["seq"], event))
        self._octets += len(event)
        while len(self._kept) > MAX_KEPT or (self._octets > MAX_KEPT_OCTETS and len(self._kept) > 1):
            self._octets -= len(self._kept.popleft()[1])
        for stream in tuple(self._streams):
            stream.send()

    def _on_idle(self) -> None:
        self._idle = self._clock.callLater(IDLE_INTERVAL, self._on_idle)
        for stream in tuple(self._streams):
            stream.keep_alive()

    def _identifier(self, seq: int) -> bytes:
        return b"%s-%d" % (self._run, seq)

    def _number_of(self, identifier: bytes | None) -> int | None:
        """Return the number in an identifier of this run."""
        run, _, number = (identifier or b"").partition(b"-")
        if run != self._run or not number.isdigit() or len(number) > 15:
            return None
        self.counters["resumed"] += 1
        return int(number)


@implementer(IPushProducer)
class Stream:
    """The stream to one browser.

    :param seq: the state that the browser has; None for none.
    """

    def __init__(self, streams: Streams, request: Request, seq: int | None) -> None:
        self._streams = streams
        self._request = request
        self._seq = seq
        self._is_paused = False
        self._is_idle = False

    def start(self) -> None:
        """Send the headers and what the browser lacks."""
        self._request.notifyFinish().addBoth(self._finished)
        self._request.setHeader(b"content-type", b"text/event-stream")
        # Where a connection ended, browsers try again after this many milliseconds.
        self._request.write(b"retry: 1000\n\n")
        self._request.registerProducer(self, True)
        self.send()

    def send(self) -> None:
        """Send what the browser lacks, unless it has not taken what was sent before."""
        if self._is_paused or self not in self._streams._streams:
            return
        self._seq, events = self._streams.after(self._seq)
        if events:
            self._is_idle = False
            self._request.write(events)

    def keep_alive(self) -> None:
        """Send a comment when nothing was sent since the last time."""
        if self._is_idle and not self._is_paused:
            self._request.write(b":\n\n")
        self._is_idle = True

    def finish(self) -> None:
        """End the response."""
        self._streams.closed(self)
        self._request.unregisterProducer()
        self._request.finish()

    def pauseProducing(self) -> None:
        self._is_paused = True

    def resumeProducing(self) -> None:
        self._is_paused = False
        self.send()

    def stopProducing(self) -> None:
        """The connection is closed; `_finished` is called as well."""

    def _finished(self, result: Failure | None) -> None:
        self._streams.closed(self)
