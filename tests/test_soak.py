"""What benchmarks/soak.py makes of its samples."""

from __future__ import annotations

from random import Random
from typing import Any
from xml.dom.minidom import parseString

from twisted.trial.unittest import SynchronousTestCase

from benchmarks.soak import WARM_UP, Course, Sample, Watched, drawing


def watched(per_minute: float) -> Watched:
    """Return ten minutes of a program that grows steadily after a warm-up in which it doubles."""
    program: Any = None
    made = Watched("responder", program)
    for second in range(0, 601, 5):
        first = min(second, WARM_UP) / WARM_UP * 20_000
        later = max(0, second - WARM_UP) / 60 * per_minute
        made.samples.append(
            Sample(float(second), int(20_000 + first + later), 12, 3, second / 100, second * 10)
        )
    return made


class SlopeTests(SynchronousTestCase):
    def test_the_warm_up_does_not_count(self) -> None:
        self.assertAlmostEqual(watched(0).slope(), 0.0)

    def test_growth(self) -> None:
        self.assertAlmostEqual(watched(100).slope(), 100.0, places=1)

    def test_row(self) -> None:
        self.assertEqual(watched(0).row(), "| responder | 39.1 | +0 | 12 (+0) | 0.0 | 1000 |")

    def test_drawing(self) -> None:
        """It is XML, with a line for each program."""
        lines = parseString(drawing([watched(0), watched(10)])).getElementsByTagName("polyline")
        self.assertEqual(len(lines), 2)


class CourseTests(SynchronousTestCase):
    """What fills tables and empties them comes at the same times in each round."""

    def test_rounds(self) -> None:
        done: list[str] = []
        kept, others = [
            [lambda each=each: done.append(each) for each in names] for names in ("ABC", "uvwxyz")
        ]
        course = Course(kept, others, Random(1))
        for happen in [*course.next_round(), *course.next_round()]:
            happen()
        rounds = done[:9], done[9:]
        places = [[place for place, each in enumerate(one) if each.isupper()] for one in rounds]
        self.assertEqual([sorted(one) for one in rounds], [sorted("ABCuvwxyz")] * 2)
        self.assertEqual(places[0], places[1])
        self.assertNotEqual(rounds[0], rounds[1])
