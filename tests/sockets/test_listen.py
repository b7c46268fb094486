"""Opening ports: what a reactor without file descriptors refuses."""

from __future__ import annotations

from twisted.internet.protocol import DatagramProtocol
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mcast.sockets import listen
from mcast.sockets.group import Group
from mcast.sockets.listen import listen_group, listen_multicast, reads_descriptors
from mcast.sockets.protocol import GroupProtocol
from mcast.sockets.settings import PortSettings
from tests.sockets.fakes import FakeReactor


class StockReactorTests(SynchronousTestCase):
    """A setting that a stock port cannot have is refused by name, and not dropped."""

    def assert_refused(self, settings: PortSettings, name: str) -> None:
        with self.assertRaisesRegex(ValueError, f"{name}=True: not on this reactor"):
            listen_multicast(Clock(), 0, DatagramProtocol(), settings=settings)

    def test_arrivals(self) -> None:
        self.assert_refused(PortSettings(arrivals=True), "arrivals")

    def test_sends_apart(self) -> None:
        self.assert_refused(PortSettings(sends_apart=True), "sends_apart")

    def test_reports_full(self) -> None:
        self.assert_refused(PortSettings(reports_full=True), "reports_full")

    def test_which_reactor(self) -> None:
        self.assertEqual([reads_descriptors(each) for each in (Clock(), FakeReactor())], [False, True])

    def test_a_system_without_ancillary_data(self) -> None:
        """The select reactor has descriptors on Windows, which has no recvmsg(): a stock port serves."""
        self.patch(listen, "HAS_ANCILLARY_DATA", False)
        self.assertFalse(reads_descriptors(FakeReactor()))
        with self.assertRaisesRegex(ValueError, "arrivals=True: not on this reactor"):
            listen_multicast(FakeReactor(), 0, DatagramProtocol(), settings=PortSettings(arrivals=True))

    def test_listener(self) -> None:
        """Refused before anything is joined."""
        protocol = GroupProtocol([Group.parse("224.0.0.123:7645")], interfaces=["lo"])
        self.assertRaises(ValueError, listen_group, Clock(), protocol, PortSettings(arrivals=True))
        self.assertIsNone(protocol.memberships)
