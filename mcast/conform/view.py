"""What was seen on a link, and waiting for more: packets in the order of their times."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred

from mcast.conform.packets import Packet, Sender

MAX_PACKETS = 50_000
"""Packets that are kept. Our choice: more than a whole run sees of a subject; the oldest half goes first."""

Wanted = Callable[[Packet], bool]


class View:
    """The packets of one link.

    :param clock: what measures and calls later.
    """

    def __init__(self, clock: Any) -> None:
        self.clock = clock
        self.packets: list[Packet] = []
        """All that were seen, in the order of arrival."""
        self.forgotten = 0
        """Packets that are no longer kept."""
        self._waiting: list[tuple[Wanted, Deferred[Packet | None]]] = []

    @property
    def mark(self) -> int:
        """A place in time: give it to `since`."""
        return self.forgotten + len(self.packets)

    def since(self, mark: int) -> list[Packet]:
        """Return what was seen after a mark, by the time at which the kernel saw it."""
        return sorted(self.packets[max(0, mark - self.forgotten) :], key=lambda packet: packet.at)

    def relabel(self, which: Wanted, sender: Sender) -> None:
        """Say of packets that were sent by others who has sent them."""
        self.packets[:] = [
            replace(each, sender=sender) if each.sender is Sender.OTHER and which(each) else each
            for each in self.packets
        ]

    def add(self, packet: Packet) -> None:
        """Take in a packet, and call who waits for it."""
        if len(self.packets) >= MAX_PACKETS:
            gone = MAX_PACKETS // 2
            del self.packets[:gone]
            self.forgotten += gone
        self.packets.append(packet)
        for entry in list(self._waiting):
            wanted, waiting = entry
            if entry in self._waiting and wanted(packet):
                self._waiting.remove(entry)
                waiting.callback(packet)

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await self._first(lambda _: False, seconds)

    async def first(self, wanted: Wanted, within: float, since: int | None = None) -> Packet | None:
        """Return the first packet that is wanted; None when there is none in time.

        :param since: a mark from which on packets that have come count too; by default only new ones do.
        """
        if since is not None:
            for packet in self.since(since):
                if wanted(packet):
                    return packet
        return await self._first(wanted, within)

    def _first(self, wanted: Wanted, within: float) -> Deferred[Packet | None]:
        waiting: Deferred[Packet | None] = Deferred(lambda _: give_up())
        entry = (wanted, waiting)
        self._waiting.append(entry)

        def time_is_up() -> None:
            if entry in self._waiting:
                self._waiting.remove(entry)
                waiting.callback(None)

        def give_up() -> None:
            if entry in self._waiting:
                self._waiting.remove(entry)

        def ended(result: Packet | None) -> Packet | None:
            if call.active():
                call.cancel()
            return result

        call = self.clock.callLater(max(0.0, within), time_is_up)
        return waiting.addBoth(ended)

    async def quiet(self, seconds: float, sender: Sender = Sender.SUBJECT, limit: float = 15.0) -> bool:
        """Wait until nobody of a kind has sent for so long; False when that does not come within a limit."""
        end = self.clock.seconds() + limit
        while True:
            now = self.clock.seconds()
            last = next((each.at for each in reversed(self.packets) if each.sender is sender), None)
            left = seconds if last is None else last + seconds - now
            if last is not None and left <= 0:
                return True
            if now >= end:
                return False
            before = self.mark
            await self.sleep(min(left, end - now))
            if last is None and self.mark == before:
                return True
