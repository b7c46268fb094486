"""What `mcast top` shows of the network: of a node, its watcher, and pings to the echo groups."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred

from mcast.cli.command import tell
from mcast.cli.top.data import Data
from mcast.cli.top.echoes import Echoes
from mcast.cli.top.packets import Packet
from mcast.cli.top.recorded import MAX_RECORDING, Recorder
from mcast.clock import clock_of
from mcast.dnssd.link_id import LinkId
from mcast.live.documents import Document
from mcast.neighbours import SocketAddress
from mcast.node.node import Node
from mcast.showing import one_line
from mcast.watching.watcher import Watcher


class Live:
    """Keeps data up to date while it runs.

    :param changed: called when something is different.
    """

    def __init__(
        self,
        reactor: Any,
        node: Node,
        data: Data,
        changed: Callable[[], object],
        echoes: Echoes | None = None,
    ) -> None:
        self.recorder: Recorder | None = None
        """Where all is written, too."""
        self.on_recorded: Callable[[], object] = lambda: None
        """Called when nothing more is written."""
        self._clock = clock_of(reactor)
        self._data = data
        self._changed = changed
        self._watcher = Watcher(reactor, node)
        self._node = node
        self._echoes = echoes
        self._number = 0
        self._end: Callable[[], None] | None = None

    def start(self) -> None:
        """Begin to watch."""
        model = self._watcher.model
        self._data.state = model.snapshot
        # Before the first delta, which comes when the watcher starts.
        self._record(lambda recorder: recorder.document(model.snapshot))
        self._watcher.watchers = 1
        self._watcher.add_observer(self._told)
        self._watcher.startService()
        self._end = self._node.overhear(self._heard)
        self._data.changed(self._clock.seconds())

    def stop(self) -> Deferred[None] | None:
        """Watch no longer."""
        if self._end is not None:
            self._end()
            self._watcher.stopService()
        return None if self._echoes is None else self._echoes.stop()

    def tick(self) -> None:
        """Take note that time passes, so that what was new becomes old."""
        self._data.now = self._clock.seconds()

    def look_at(self, view: str, key: str | None) -> None:
        """Ask no more than what is looked at needs."""
        if self._echoes is not None:
            self._echoes.look(view == "Groups")

    def connect(self, key: str) -> None:
        """Try to connect to a service."""
        self._watcher.connect(key)

    def groups(self, groups: dict[str, Document]) -> None:
        """Take in what responders have answered."""
        self._data.take_groups(groups)
        self._record(lambda recorder: recorder.groups(groups))
        self._changed()

    def _told(self, delta: Document) -> None:
        self._record(lambda recorder: recorder.document(delta))
        self._data.changed(float(delta["now"]))
        self._changed()

    def _record(self, write: Callable[[Recorder], object]) -> None:
        """Write to the recording, if there is one; where that fails, it ends and the screen goes on."""
        recorder = self.recorder
        if recorder is None:
            return
        try:
            write(recorder)
        except OSError as error:
            self._end_recording(one_line(error))
            return
        if recorder.is_full:
            self._end_recording(f"it has {MAX_RECORDING // 1024**3} GB")

    def _end_recording(self, reason: str) -> None:
        self.recorder = None
        tell("top", f"the recording has ended: {reason}")
        self.on_recorded()

    def _heard(self, link: LinkId, datagram: bytes, source: SocketAddress, multicast: bool) -> None:
        self._number += 1
        packet = Packet(self._number, self._clock.seconds(), str(link), source[0], source[1], datagram)
        self._data.packets.append(packet)
        if self.recorder is not None:
            self.recorder.packet(packet)
