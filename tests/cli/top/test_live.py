"""`mcast top` on a simulated network: what a node hears is what is shown and recorded."""

from __future__ import annotations

from io import StringIO

from mcast.cli.top import recorded
from mcast.cli.top.data import Data
from mcast.cli.top.live import Live
from mcast.cli.top.looking import Playing
from mcast.cli.top.recorded import Player, Recorder
from tests.cli.finding_lab import FindingTestCase


class FullDisk(StringIO):
    """A file that takes no more after a while."""

    left = 2000

    def write(self, text: str) -> int:
        self.left -= len(text)
        if self.left < 0:
            raise OSError(28, "No space left on device")
        return super().write(text)


class LiveTests(FindingTestCase):
    def live(self, recorder: Recorder | None = None) -> Live:
        self.data = Data()
        self.changes = 0
        self.ended = 0
        live = Live(self.lan.clock, self.node("here"), self.data, self.changed)
        live.recorder = recorder
        live.on_recorded = self.recorded
        live.start()
        self.addCleanup(live.stop)
        return live

    def changed(self) -> None:
        self.changes += 1

    def recorded(self) -> None:
        self.ended += 1

    def test_shown(self) -> None:
        self.live()
        self.publish()
        self.lan.advance(3)
        (service,) = self.data.state["services"].values()
        self.assertEqual((service["name"], service["host"]), ("My Web", "there.local"))
        self.assertIn("response", {each["kind"] for each in self.data.packets})
        self.assertGreater(self.changes, 1)

    def test_stopped(self) -> None:
        live = self.live()
        live.stop()
        before = self.changes
        self.publish()
        self.lan.advance(3)
        self.assertEqual(self.changes, before)

    def test_recorded(self) -> None:
        stream = StringIO()
        self.live(Recorder(stream))
        self.publish()
        self.lan.advance(3)
        played, playing = Data(), Playing()
        player = Player(stream.getvalue().splitlines(keepends=True), played, playing)
        while not playing.ended:
            player.play()
        self.assertEqual(played.state["services"], self.data.state["services"])
        self.assertEqual(
            [dict(each)["size"] for each in played.packets][:3],
            [each["size"] for each in self.data.packets][:3],
        )

    def test_full_disk(self) -> None:
        """The recording ends with a line, and the screen goes on."""
        live = self.live(Recorder(FullDisk()))
        self.publish()
        self.lan.advance(5)
        self.assertIsNone(live.recorder)
        self.assertEqual(self.ended, 1)
        self.assertEqual(
            self.errors.getvalue(), "mcast top: the recording has ended: No space left on device\n"
        )
        self.assertEqual(len(self.data.state["services"]), 1)

    def test_full_recording(self) -> None:
        self.patch(recorded, "MAX_RECORDING", 3000)
        live = self.live(Recorder(StringIO()))
        self.publish()
        self.lan.advance(5)
        self.assertIsNone(live.recorder)
        self.assertIn("the recording has ended: it has", self.errors.getvalue())
