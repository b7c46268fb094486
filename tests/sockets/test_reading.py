"""How many datagrams a port reads in a turn of the reactor."""

from __future__ import annotations

from mcast.sockets.port import GroupPort
from mcast.sockets.reading import LONE_INTERVAL
from tests.sockets.test_port import PortTestCase


class TurnTests(PortTestCase):
    """What comes alone is read alone."""

    def with_three(self) -> GroupPort:
        port = self.open()
        for data in (b"one", b"two", b"three"):
            self.send_to(port, data)
        return port

    def test_after_a_pause(self) -> None:
        """One datagram is read; what else is there is left to the next turn, which reads all of it."""
        port = self.with_three()
        port.doRead()
        self.assertEqual(self.protocol.data, [b"one"])
        port.doRead()
        self.assertEqual(self.protocol.data, [b"one", b"two", b"three"])

    def test_turns_with_a_pause_between(self) -> None:
        port = self.with_three()
        port.doRead()
        self.reactor.advance(LONE_INTERVAL)
        port.doRead()
        self.assertEqual(self.protocol.data, [b"one", b"two"])
