"""What people read fits their terminal, and nothing is lost where there is none."""

from __future__ import annotations

import os
from io import StringIO

from twisted.trial.unittest import SynchronousTestCase

from mcast.cli.command import Output
from mcast.cli.layout import folded, laid_out, terminal_columns
from mcast.showing import width

ROWS = [
    ["NAME", "TYPE", "HOST", "TXT"],
    ["My Web", "_http._tcp", "kitchen.local:80", "path=/ note=" + "x" * 60],
    ["B", "_http._tcp", "", ""],
]


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


class FoldedTests(SynchronousTestCase):
    def fold(self, line: str, columns: int) -> list[str]:
        parts = list(folded(line, columns))
        self.assertEqual([part for part in parts if width(part) > columns], [])
        return parts

    def test_line_that_fits(self) -> None:
        self.assertEqual(self.fold("NAME    TYPE", 12), ["NAME    TYPE"])

    def test_at_a_blank(self) -> None:
        self.assertEqual(self.fold("12:00:00 eth0 response an x.local A", 20), [
            "12:00:00 eth0",
            "    response an",
            "    x.local A",
        ])  # fmt: skip

    def test_indented_line(self) -> None:
        """What follows is indented more, so that a block remains one."""
        self.assertEqual(
            self.fold("    one two three four five six", 24), ["    one two three four", "        five six"]
        )

    def test_word_that_fits_no_line(self) -> None:
        self.assertEqual(self.fold("ab " + "x" * 30, 20), ["ab " + "x" * 17, "    " + "x" * 13])

    def test_wide_characters(self) -> None:
        """They take two columns each, and are not divided."""
        self.assertEqual(self.fold("プリンター" * 3, 21)[0], "プリンター" * 2)


class TableTests(SynchronousTestCase):
    def test_wide_enough(self) -> None:
        self.assertEqual(laid_out(ROWS, 200, lead=2)[0].split(), ["NAME", "TYPE", "HOST", "TXT"])

    def test_no_terminal(self) -> None:
        self.assertEqual(laid_out(ROWS, None, lead=2), laid_out(ROWS, 1000, lead=2))

    def test_too_narrow(self) -> None:
        """One block for each row; an empty cell is left out."""
        self.assertEqual(
            laid_out(ROWS, 80, lead=2),
            [
                "My Web  _http._tcp",
                "    kitchen.local:80",
                "    path=/ note=" + "x" * 60,
                "B  _http._tcp",
            ],
        )

    def test_numbers(self) -> None:
        """Without headings a number says nothing: they are named, in one line."""
        rows = [
            ["SOURCE", "STREAM", "lost", "jitter ms"],
            ["192.0.2.1", "RTP 7", "3", "1.5"],
            ["b", "", "1", ""],
        ]
        self.assertEqual(
            laid_out(rows, 25, lead=1, numbers=range(2, 4)),
            ["192.0.2.1", "    RTP 7", "    lost=3 jitter_ms=1.5", "b", "    lost=1"],
        )


class OutputTests(SynchronousTestCase):
    def test_terminal_that_is_narrowed(self) -> None:
        """The width is that of the moment."""
        stream, widths = StringIO(), [80, 20]
        output = Output(stream, json_lines=False, columns=lambda: widths.pop(0))
        output.text("one two three four five")
        output.text("one two three four five")
        self.assertEqual(
            stream.getvalue().splitlines(),
            ["one two three four five", "one two three four", "    five"],
        )

    def test_json_is_never_divided(self) -> None:
        stream = StringIO()
        Output(stream, json_lines=True, columns=lambda: 20).event(name="x" * 50)
        self.assertEqual(len(stream.getvalue().splitlines()), 1)

    def test_pipe(self) -> None:
        self.assertIsNone(terminal_columns(StringIO()))

    def test_terminal(self) -> None:
        self.patch(os, "environ", {**os.environ, "COLUMNS": "91"})
        self.assertEqual(terminal_columns(Terminal()), 91)

    def test_terminal_of_no_width(self) -> None:
        """Some say 0 or 1; then lines are left whole."""
        self.patch(os, "environ", {**os.environ, "COLUMNS": "1"})
        self.assertIsNone(terminal_columns(Terminal()))
