"""``mcast ping --plot``: what was measured is what is drawn."""

from __future__ import annotations

import random
import sys
from io import StringIO

from twisted.trial.unittest import SynchronousTestCase

from mcast.cli.command import CommandError, Parser
from mcast.cli.pictures import round_trips
from mcast.cli.pictures.round_trips import Panel, Series, draw_round_trips
from mcast.cli.ping import configure
from mcast.cli.ping_plot import PingPlot
from mcast.echo.session import Session
from tests.cli.pictures.drawn import of_kind, texts


class SeriesTests(SynchronousTestCase):
    def test_order(self) -> None:
        """An answer that came late stands where its probe does."""
        series = Series()
        for number in (1, 0, 2):
            series.add(number, float(number), 0.1 * number)
        self.assertEqual([each.at for each in series.bins()], [0.0, 1.0, 2.0])

    def test_bounded(self) -> None:
        """However many there are, the least and greatest of them are kept."""
        series = Series()
        for number in range(50_000):
            series.add(number, float(number), 0.5 if number == 777 else 0.001)
        bins = series.bins()
        self.assertLessEqual(len(bins), round_trips.MAX_BINS)
        self.assertEqual(sum(each.count for each in bins), 50_000)
        self.assertEqual(max(each.high for each in bins), 0.5)
        self.assertAlmostEqual(bins[0].mean, 0.001)


class PlotTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.session = Session(size=56, wait=1.0, rng=random.Random(1))
        self.path: str = self.mktemp()
        self.plot = PingPlot(self.path, self.session, lambda each: f"{each.host} by eth0")

    def probe(self, number: int, after: float | None, host: str = "192.0.2.9", times: int = 1) -> None:
        self.session.sent(2, number, float(number))
        for _ in range(times):
            if after is not None:
                answer = self.session.answer(self.session.probe(2, number), host, 7645, 2, 64, number + after)
                assert answer is not None
                self.plot.answer(answer)

    def picture(self) -> str:
        self.plot.write("mcast ping 224.0.0.123:7645", 1.0, 56)
        with open(self.path, encoding="utf-8") as stream:
            return stream.read()

    def test_panel(self) -> None:
        for number in range(4):
            self.probe(number, None if number == 2 else 0.001 * (number + 1))
        picture = self.picture()
        found = texts(picture)
        self.assertIn("192.0.2.9 by eth0", found)
        self.assertIn("3 of 4 answered, loss 25.0 %; min 1.000, median 2.000, p95 4.000, max 4.000 ms", found)
        self.assertIn("1 lost", found)
        self.assertIn("RTT in ms", found)
        self.assertIn("seconds after the first probe", found)
        self.assertEqual(len(of_kind(picture, "circle")), 3)

    def test_duplicates_are_no_points(self) -> None:
        self.probe(0, 0.001, times=3)
        self.assertEqual(len(of_kind(self.picture(), "circle")), 1)

    def test_nobody(self) -> None:
        self.probe(0, None)
        self.assertIn("no responder answered", texts(self.picture()))

    def test_outlier(self) -> None:
        """The usual times stay apart although one took a second."""
        for number in range(20):
            self.probe(number, 1.0 if number == 5 else 0.001 + number / 20_000)
        picture = self.picture()
        self.assertIn("RTT in ms, logarithmic", texts(picture))
        heights = [float(each.attrib["cy"]) for each in of_kind(picture, "circle")]
        self.assertGreater(max(heights) - sorted(heights)[1], 10)

    def test_no_time_at_all(self) -> None:
        """On one host a round trip may take less than the clock tells."""
        self.probe(0, 0.0)
        self.assertEqual(len(of_kind(self.picture(), "circle")), 1)

    def test_many_responders(self) -> None:
        panel = Panel("x", (), (), "", (), 0.0, 0.0)
        found = texts(draw_round_trips("t", "s", [panel] * 70))
        self.assertEqual(found.count("x"), round_trips.MAX_PANELS)
        self.assertIn("and 6 more responders", found)

    def test_hostile_name(self) -> None:
        panel = Panel("fe80::1%<script>\u202e", (), (), "", (), 0.0, 0.0)
        self.assertIn("fe80::1%<script>\\u202e", texts(draw_round_trips("t", "s", [panel])))


class FileTests(SynchronousTestCase):
    """A file that cannot be written is told before the first probe, in one line."""

    def refusal(self, path: str) -> str:
        parser = Parser(prog="mcast ping")
        configure(parser)
        errors = StringIO()
        self.patch(sys, "stderr", errors)
        self.assertRaises(SystemExit, parser.parse_args, ["224.0.0.123:7645", "--plot", path])
        return errors.getvalue()

    def test_no_folder(self) -> None:
        told = self.refusal("/nowhere/a.svg")
        self.assertEqual(told, "mcast ping: argument --plot: /nowhere/a.svg: there is no folder /nowhere\n")

    def test_no_name(self) -> None:
        """As of a variable of a shell that is not set; it is no name of the folder where one is."""
        self.assertEqual(self.refusal(""), "mcast ping: argument --plot: the name of the file is empty\n")

    def test_folder_that_went(self) -> None:
        plot = PingPlot("/nowhere/a.svg", Session(size=0, wait=1, rng=random.Random(1)), str)
        error = self.assertRaises(CommandError, plot.write, "", 1.0, 56)
        self.assertIn("/nowhere", str(error))
