"""How a person looks: at which rows of a view, in which order; and what keys do outside of the screen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class ViewState:
    """How a view is looked at."""

    sort: int
    reverse: bool = False
    filter: str = ""
    selected: str | None = None
    """The identifier of the row, which stays selected wherever the row moves; None for the first one."""
    place: int = 0
    """Where it was last: what is selected when it goes."""
    top: int = 0
    """The first row that is shown."""
    pane: bool = False
    pane_top: int = 0


@dataclass(frozen=True, slots=True)
class Actions:
    """What keys do outside of the screen."""

    quit: Callable[[], object]
    copy: Callable[[str], object]
    """Put a text on the clipboard of the person at the terminal."""
    redraw: Callable[[], object] = lambda: None
    """Draw everything anew, whatever the terminal shows."""
    look_at: Callable[[str, str | None], object] = lambda view, key: None
    """Told which view is shown, and which row has its details open."""
    connect: Callable[[str], object] | None = None
    """Try to connect to a service; None where nothing may be sent, as in a replay."""


@dataclass(slots=True)
class Playing:
    """How a recording is played; keys change it, and the player obeys."""

    speed: float = 1.0
    paused: bool = False
    steps: int = 0
    """Steps that are to be made while paused."""
    ended: bool = False
