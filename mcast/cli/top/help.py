"""The keys of `mcast top`, and what it says of them."""

from __future__ import annotations

KEYS = (
    ("?", "help"),
    ("1-6", "view"),
    ("/", "filter"),
    ("s", "sort"),
    ("r", "reverse"),
    ("Enter", "details"),
    ("c a", "copy"),
    ("Space", "pause"),
    ("q", "quit"),
)
"""What the last line shows: a key, and what it does."""

HELP = (
    ("", "Views"),
    ("1 2 3 4 5 6", "services, hosts, packets, lint, groups, log"),
    ("Tab  Shift-Tab", "the next view, the one before; also right and left"),
    ("", "Rows"),
    ("Up Down  k j", "the row before, the next one; Page Up, Page Down, Home and End"),
    ("/", "show what has the words that you type; Enter keeps them, Esc clears"),
    ("s  S", "order by the next column, by the one before"),
    ("r", "reverse the order"),
    ("Enter", "details of the row; [ and ] scroll them, Esc closes"),
    ("c  a", "copy its name, its address (by the terminal: OSC 52)"),
    ("o", "try to connect to the service (TCP)"),
    ("", "Screen"),
    ("Space", "let the screen stand still, and go on"),
    ("Ctrl-L", "draw everything anew"),
    ("Ctrl-Z  q", "suspend, end"),
    ("", "Colours and marks"),
    ("", "What came is marked and green, what changed magenta, what went red;"),
    ("", "the mark fades within eight seconds. A service that went is shown for ten minutes."),
)

REPLAY_KEYS = (
    ("", "Replay"),
    ("+  -", "twice as fast, half as fast"),
    (".", "one step, while paused"),
)
