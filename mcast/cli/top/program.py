"""`mcast top` without a terminal: it takes keys, and returns lines with styles."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from mcast.cli.top.cells import (
    ASCII_BARS,
    BARS,
    Line,
    amount,
    fit,
    fit_line,
    line_width,
    spark,
    wrapped,
)
from mcast.cli.top.data import Data
from mcast.cli.top.help import HELP, KEYS, REPLAY_KEYS
from mcast.cli.top.looking import Actions, Playing, ViewState
from mcast.cli.top.table import Entry, heading, ordered, row, widths
from mcast.cli.top.view import View
from mcast.cli.top.views import VIEWS
from mcast.showing import shown, width

LEAST_COLUMNS = 70
LEAST_LINES = 18
"""Smaller terminals get one line that says so. Our choice: below it, a table says nothing."""

BESIDE_COLUMNS = 110
"""From this width on, details stand beside the table, and below it otherwise. Our choice."""

WIDE_COLUMNS = 96
"""From this width on there is some space between the names of the views. Our choice."""

NOTE_SECONDS = 4.0
"""How long a note stands in the last line. Our choice: time to read it."""

LABEL = 11
"""Columns of what details are called."""


@dataclass(slots=True)
class _Cached:
    key: tuple[object, ...] = ()
    rows: list[tuple[str, Entry]] = field(default_factory=list)


class Program:
    """The state of the screen.

    :param playing: of a recording; None for a live view.
    :param ascii_only: the terminal has no UTF-8.
    """

    def __init__(
        self, data: Data, actions: Actions, *, playing: Playing | None = None, ascii_only: bool = False
    ) -> None:
        self.data = data
        self.playing = playing
        self.recording: str | None = None
        """The file that is written."""
        self._actions = actions
        self._ascii = ascii_only
        self._states = [ViewState(view.first_sort) for view in VIEWS]
        self._number = 0
        self._help = False
        self._help_top = 0
        self._typing = False
        self._frozen: Data | None = None
        self._note: tuple[str, float | None] | None = None
        self._cached = _Cached()
        self._page = 10

    @property
    def view(self) -> View:
        """The view that is shown."""
        return VIEWS[self._number]

    @property
    def state(self) -> ViewState:
        """How it is looked at."""
        return self._states[self._number]

    @property
    def paused(self) -> bool:
        """Whether the screen stands still."""
        return self.playing.paused if self.playing is not None else self._frozen is not None

    def end_recording(self) -> None:
        """Tell no longer that a file is written."""
        self.recording = None

    def note(self, text: str) -> None:
        """Show a line at the bottom for a short while."""
        self._note = (shown(text), None)

    def show_view(self, number: int) -> None:
        """Show a view."""
        self._number = number % len(VIEWS)
        self._tell_look()

    # Keys

    def key(self, key: str) -> None:
        """Take a key, as urwid names it."""
        if self._help:
            self._help_key(key)
        elif self._typing:
            self._typing_key(key)
        elif not self._global_key(key):
            self._table_key(key)

    def _help_key(self, key: str) -> None:
        moves = {"up": -1, "k": -1, "down": 1, "j": 1, "page up": -10, "page down": 10}
        if key in moves:
            self._help_top = max(0, self._help_top + moves[key])
        else:
            self._help = False
            self._help_top = 0

    def _typing_key(self, key: str) -> None:
        state = self.state
        if key == "enter":
            self._typing = False
        elif key == "esc":
            self._typing = False
            state.filter = ""
        elif key == "backspace":
            state.filter = state.filter[:-1]
        elif key == "ctrl u":
            state.filter = ""
        elif len(key) == 1 and key.isprintable():
            state.filter += key
        elif key in _MOVES:
            self._move(key)
            return
        # What was selected is perhaps not among them: the first one is.
        state.selected, state.place, state.top = None, 0, 0

    def _global_key(self, key: str) -> bool:
        if key in ("q", "Q"):
            self._actions.quit()
        elif key == "?" or key == "f1":
            self._help = True
        elif key in ("tab", "right", "l"):
            self.show_view(self._number + 1)
        elif key in ("shift tab", "left", "h"):
            self.show_view(self._number - 1)
        elif key in "123456789" and len(key) == 1:
            if int(key) <= len(VIEWS):
                self.show_view(int(key) - 1)
        elif key == "ctrl l":
            self._actions.redraw()
        elif key in (" ", "p"):
            self._pause()
        elif self.playing is not None and key in ("+", "=", "-", "."):
            self._play(key)
        else:
            return False
        return True

    def _pause(self) -> None:
        if self.playing is not None:
            self.playing.paused = not self.playing.paused
        elif self._frozen is None:
            self._frozen = self.data.copy()
        else:
            self._frozen = None

    def _play(self, key: str) -> None:
        assert self.playing is not None
        if key == ".":
            self.playing.paused = True
            self.playing.steps += 1
        else:
            factor = 0.5 if key == "-" else 2.0
            self.playing.speed = min(max(self.playing.speed * factor, 0.125), 64.0)

    def _table_key(self, key: str) -> None:
        state = self.state
        if key in _MOVES:
            self._move(key)
        elif key == "/":
            self._typing = True
        elif key == "esc":
            if state.pane:
                state.pane = False
            else:
                state.filter = ""
            self._tell_look()
        elif key in ("enter", "d"):
            state.pane = not state.pane
            state.pane_top = 0
            self._tell_look()
        elif key in ("s", "S"):
            state.sort = (state.sort + (1 if key == "s" else -1)) % len(self.view.columns)
            state.reverse = False
        elif key == "r":
            state.reverse = not state.reverse
        elif key in ("[", "]") and state.pane:
            state.pane_top = max(0, state.pane_top + (1 if key == "]" else -1))
        elif key in ("c", "a"):
            self._copy(key)
        elif key == "o":
            self._connect()

    def _selected(self) -> tuple[str, Entry] | None:
        rows = self._rows()
        if not rows:
            return None
        return rows[self._place(rows)]

    def _copy(self, key: str) -> None:
        chosen = self._selected()
        if chosen is None:
            return
        of = self.view.name_of if key == "c" else self.view.address_of
        text = of(chosen[1], self._shown_data)
        if not text:
            self.note("no address is known" if key == "a" else "it has no name")
            return
        self._actions.copy(text)
        self.note(f"copied: {text}")

    def _connect(self) -> None:
        chosen = self._selected()
        if self.view is not VIEWS[0] or chosen is None:
            return
        if self._actions.connect is None:
            self.note("a recording cannot be connected to")
            return
        self._actions.connect(chosen[0])
        self.note(f"connecting to {chosen[1]['name']}")
        self.state.pane = True

    def _move(self, key: str) -> None:
        rows = self._rows()
        if not rows:
            return
        steps = {"page up": -self._page, "page down": self._page, "home": -len(rows), "end": len(rows)}
        step = steps.get(key, -1 if key in ("up", "k") else 1)
        place = min(max(self._place(rows) + step, 0), len(rows) - 1)
        state = self.state
        # At the top of a table whose newest row is the first one, the newest stays selected.
        state.selected, state.place, state.pane_top = (rows[place][0] if place else None), place, 0
        self._tell_look()

    def _tell_look(self) -> None:
        chosen = self._selected() if self.state.pane else None
        self._actions.look_at(self.view.name, chosen[0] if chosen else None)

    # Rows

    @property
    def _shown_data(self) -> Data:
        return self.data if self._frozen is None else self._frozen

    def _rows(self) -> list[tuple[str, Entry]]:
        data, state, view = self._shown_data, self.state, self.view
        key = (id(data), data.revision, self._number, state.sort, state.reverse, state.filter)
        if self._cached.key != key:
            rows = view.rows(data)
            words = state.filter.lower().split()
            if words:
                rows = [each for each in rows if _matches(each[1], words, view, data)]
            self._cached = _Cached(key, ordered(rows, view.columns[state.sort], data, reverse=state.reverse))
        return self._cached.rows

    def _place(self, rows: list[tuple[str, Entry]]) -> int:
        """Return where the selected row is; when it has gone, the one that took its place."""
        state = self.state
        if state.selected is None:
            return 0
        if state.place < len(rows) and rows[state.place][0] == state.selected:
            return state.place
        for place, (key, _) in enumerate(rows):
            if key == state.selected:
                state.place = place
                return place
        return min(state.place, len(rows) - 1)

    # Drawing

    def draw(self, columns: int, lines: int, now: float) -> list[Line]:
        """Return the screen: as many lines as asked for, each as wide.

        :param now: seconds, for notes that go; on any clock.
        """
        if columns < LEAST_COLUMNS or lines < LEAST_LINES:
            return self._too_small(columns, lines)
        body = lines - 3
        screen = [self._title(columns), self._tabs(columns)]
        if self._help:
            screen += self._help_lines(columns, body)
        else:
            screen += self._body(columns, body)
        return [*screen, self._bottom(columns, now)]

    def _too_small(self, columns: int, lines: int) -> list[Line]:
        text = f"mcast top needs {LEAST_COLUMNS}×{LEAST_LINES}; this terminal has {columns}×{lines}"
        if self._ascii:
            text = text.replace("×", "x")
        told = [fit_line([("row", each)], columns) for each in wrapped(text, max(columns, 1))][:lines]
        return told + [fit_line([], columns)] * (lines - len(told))

    def _title(self, columns: int) -> Line:
        data = self._shown_data
        about = data.state["about"]
        totals, watcher = about.get("totals", {}), about.get("watcher", {})
        packets, octets = totals.get("rate", (0, 0))
        links = [
            f"{key}{'' if entry['working'] else ' (down)'}"
            for key, entry in sorted(data.state["links"].items())
        ]
        left: Line = [("title strong", " mcast top "), ("title", " ".join(links) or "no link")]
        if watcher.get("trouble"):
            left.append(("title bad", f" {watcher['trouble']}"))
        long = columns >= BESIDE_COLUMNS
        units = (" packets/s", " octets/s") if long else (" pkt/s", " B/s")
        right = f"{amount(packets)}{units[0]}  {amount(octets)}{units[1]}  {self._clock()} "
        room = columns - width(right) - 1
        return [*fit_line(left, room, "title"), ("title", f" {right}")]

    def _clock(self) -> str:
        data = self._shown_data
        wall = data.state["time"]
        clock = "--:--:--"
        if wall is not None:
            try:
                moment = wall + data.now - data.state["now"]
                clock = time.strftime("%H:%M:%S", time.localtime(moment))
            except (OverflowError, ValueError, OSError):
                pass
        if self.playing is not None:
            speed = f"{self.playing.speed:g}x"
            what = (
                "end of recording"
                if self.playing.ended
                else "paused"
                if self.playing.paused
                else f"replay {speed}"
            )
            return f"{what} {clock}"
        return f"paused {clock}" if self._frozen is not None else clock

    def _tabs(self, columns: int) -> Line:
        data = self._shown_data
        line: Line = [("tabs", " ")]
        gap = " " if columns >= WIDE_COLUMNS else ""
        for number, view in enumerate(VIEWS):
            style = "tab" if number == self._number else "tabs"
            line += [(style, f" {number + 1} {view.name} {amount(view.count(data))} "), ("tabs", gap)]
        room = columns - line_width(line) - 1
        if room >= 12:
            history = [sum(each[0] for each in column["links"].values()) for column in _seconds(data)]
            bars = ASCII_BARS if self._ascii else BARS
            line = [
                *line,
                ("tabs", " " * max(0, room - 60)),
                ("spark", spark(history, min(room, 60), bars=bars)),
            ]
        return fit_line(line, columns, "tabs")

    def _body(self, columns: int, lines: int) -> list[Line]:
        if not self.state.pane:
            return self._table(columns, lines)
        if columns >= BESIDE_COLUMNS:
            wide = max(44, columns * 2 // 5)
            left = self._table(columns - wide - 1, lines)
            right = self._pane(wide, lines)
            bar = "|" if self._ascii else "│"
            return [[*one, ("rule", bar), *other] for one, other in zip(left, right, strict=True)]
        high = max(7, lines * 2 // 5)
        rule = ("-" if self._ascii else "─") * columns
        return [*self._table(columns, lines - high - 1), [("rule", rule)], *self._pane(columns, high)]

    def _table(self, columns: int, lines: int) -> list[Line]:
        view, state, data = self.view, self.state, self._shown_data
        rows = self._rows()
        sizes = widths(view.columns, columns - 2)
        self._page = max(1, lines - 2)
        place = self._place(rows)
        count = lines - 1
        if place < state.top:
            state.top = place
        elif place >= state.top + count:
            state.top = place - count + 1
        state.top = max(0, min(state.top, len(rows) - count))
        head = heading(view.columns, sizes, state.sort, reverse=state.reverse, ascii_only=self._ascii)
        drawn = [fit_line([("head", " "), *head], columns, "head")]
        for at in range(state.top, min(state.top + count, len(rows))):
            entry = rows[at][1]
            style = view.style(entry, data)
            if at == place:
                style = f"{style} selected"
            text = row(view.columns, sizes, entry, data)
            drawn.append(fit_line([(style, f" {text}")], columns, style))
        if not rows:
            words = f'nothing has "{state.filter}"' if state.filter else view.empty
            drawn.append(fit_line([("dim", f" {words}")], columns))
        return drawn + [fit_line([], columns)] * (lines - len(drawn))

    def _pane(self, columns: int, lines: int) -> list[Line]:
        chosen = self._selected()
        if chosen is None:
            return [fit_line([], columns)] * lines
        drawn: list[Line] = []
        for label, text in self.view.detail(*chosen, self._shown_data):
            if not text:
                drawn.append([("strong", f" {label}")])
                continue
            for number, part in enumerate(wrapped(text, columns - LABEL - 3)):
                name = label if number == 0 else ""
                drawn.append([("dim", f" {fit(name, LABEL)} "), ("row", part)])
        state = self.state
        state.pane_top = max(0, min(state.pane_top, len(drawn) - lines))
        shown_lines = drawn[state.pane_top : state.pane_top + lines]
        if len(drawn) > state.pane_top + lines:
            shown_lines[-1] = [("dim", f" and {len(drawn) - state.pane_top - lines + 1} more lines: ]")]
        fitted = [fit_line(each, columns) for each in shown_lines]
        return fitted + [fit_line([], columns)] * (lines - len(fitted))

    def _help_lines(self, columns: int, lines: int) -> list[Line]:
        text = HELP + (REPLAY_KEYS if self.playing is not None else ())
        self._help_top = max(0, min(self._help_top, len(text) - lines))
        drawn: list[Line] = [
            [("key", f" {fit(keys, 16)} "), ("row", words)] if keys else [("strong", f" {words}")]
            for keys, words in text[self._help_top : self._help_top + lines]
        ]
        fitted = [fit_line(each, columns) for each in drawn]
        return fitted + [fit_line([], columns)] * (lines - len(fitted))

    def _bottom(self, columns: int, now: float) -> Line:
        if self._typing:
            words = f"{len(self._rows())} of {self.view.count(self._shown_data)}  Enter keep  Esc clear"
            return fit_line(
                [("filter", f" /{shown(self.state.filter)}_ "), ("keys", f" {words}")], columns, "keys"
            )
        if self._note is not None:
            text, until = self._note
            if until is None:
                until = now + NOTE_SECONDS
                self._note = (text, until)
            if now < until:
                return fit_line([("note", f" {text}")], columns, "note")
            self._note = None
        line: Line = []
        if self.state.filter:
            line += [("filter", f" /{shown(self.state.filter)} "), ("keys", " ")]
        if self.recording is not None:
            line += [("bad", " REC "), ("keys", " ")]
        for key, words in _that_fit(columns - line_width(line)):
            line += [("key", f" {key}"), ("keys", f" {words}")]
        return fit_line(line, columns, "keys")


_MOVES = frozenset({"up", "down", "page up", "page down", "home", "end", "j", "k"})


def _that_fit(room: int) -> list[tuple[str, str]]:
    """Return the keys that the last line has room for; those that are found by `?` go first."""
    told = list(KEYS)
    while told and sum(width(key) + width(words) + 2 for key, words in told) > room:
        told.pop(next((place for place, (key, _) in enumerate(told) if key in ("r", "Space", "1-6")), -2))
        if len(told) < 3:
            break
    return told


def _matches(entry: Entry, words: list[str], view: View, data: Data) -> bool:
    """Tell whether an entry has all words in its cells, whatever columns there is room for."""
    text = " ".join([column.cell(entry, data) for column in view.columns]).lower()
    if all(word in text for word in words):
        return True
    more = " ".join(
        [*entry.get("addresses", ()), *entry.get("names", ()), str(entry.get("full_name", ""))]
    ).lower()
    return all(word in text or word in more for word in words)


def _seconds(data: Data) -> list[Entry]:
    """Return the columns of the last minute, one for each second."""
    known = {int(column["at"]): column for column in data.state["history"]["1"]}
    if not known:
        return []
    last = int(data.now)
    return [known.get(at, {"links": {}}) for at in range(last - 60, last)]
