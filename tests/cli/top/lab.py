"""`mcast top` without a terminal, on a model that tests feed."""

from __future__ import annotations

from mcast.cli.top.data import Data
from mcast.cli.top.looking import Actions, Playing
from mcast.cli.top.packets import Packet
from mcast.cli.top.program import Program
from mcast.showing import width
from tests.live.model_lab import ModelTestCase, found, query, response


class ProgramTestCase(ModelTestCase):
    """A program whose screen is read as text."""

    columns = 100
    lines = 24
    playing: Playing | None = None

    def setUp(self) -> None:
        super().setUp()
        self.data = Data()
        self.data.state = self.model.snapshot
        self.copied: list[str] = []
        self.ended = False
        self.looked: list[tuple[str, str | None]] = []
        self.connected: list[str] = []
        self.program = Program(
            self.data,
            Actions(
                quit=self.quit,
                copy=self.copied.append,
                look_at=lambda view, key: self.looked.append((view, key)),
                connect=self.connected.append,
            ),
            playing=self.playing,
        )

    def quit(self) -> None:
        self.ended = True

    def settle(self, after: float = 0.0) -> None:
        """Let time pass, and commit what the model has taken in."""
        self.commit(after)
        self.data.changed(self.now)

    def services(self, *names: str) -> None:
        """Let services come."""
        for number, name in enumerate(names):
            self.add(
                found(
                    name, host=f"host-{name}".lower()[:20], port=8000 + number, address=f"10.0.0.{number + 1}"
                )
            )
        self.settle()

    def packet(self, payload: bytes, source: str = "10.0.1.2") -> None:
        """Let a packet come, to the model and to the list."""
        self.hear(payload, source)
        number = len(self.data.packets) + 1
        self.data.packets.append(Packet(number, self.now, "eth0/IPv4", source, 5353, payload))

    def press(self, *keys: str) -> None:
        for key in keys:
            self.program.key(key)

    def type(self, text: str) -> None:
        self.press(*text)

    def styled(self) -> list[list[tuple[str, str]]]:
        """Return the screen; each line is as wide as it must be."""
        lines = self.program.draw(self.columns, self.lines, self.now)
        self.assertEqual(len(lines), self.lines)
        widths = {sum(width(text) for _, text in line) for line in lines}
        self.assertEqual(widths, {self.columns})
        return lines

    def screen(self) -> list[str]:
        """Return the lines of the screen as text."""
        return ["".join([text for _, text in line]).rstrip() for line in self.styled()]

    def table(self) -> list[str]:
        """Return the rows of the table, by their first words."""
        rows = self.screen()[3:-1]
        return [line.strip() for line in rows if line.strip()]

    def names(self) -> list[str]:
        """Return the first cell of each row."""
        return [line.split("  ")[0].split()[0] for line in self.table()]

    def style_of(self, text: str) -> str:
        """Return the style of the line that has a text."""
        return next(style for line in self.styled() for style, part in line if text in part)


__all__ = ["ProgramTestCase", "found", "query", "response"]
